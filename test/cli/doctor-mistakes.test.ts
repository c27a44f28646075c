import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { examine, runCli } from '../support/doctor.js';
import { LoopbackServer } from '../support/loopback-server.js';

/** How a server is: right in everything, but for what a test changes. */
interface Manners {
  readonly unauthenticated?: number;
  readonly challenge?: string | ((origin: string) => string);
  readonly garbage?: number;
  readonly garbageChallenge?: string;
  readonly acceptsQuery?: boolean;
  readonly refusesQuery?: boolean;
  readonly get?: number;
  readonly preflight?: number;
  readonly foreignOrigin?: number;
  readonly cacheControl?: string;
  readonly exposes?: string;
  readonly date?: () => string;
  readonly metadata?: (origin: string) => Readonly<Record<string, unknown>>;
  readonly metadataType?: string;
  readonly metadataCors?: boolean;
  readonly head?: number;
  readonly elsewhere?: (origin: string) => Readonly<Record<string, unknown>>;
}

let started: LoopbackServer | undefined;
afterEach(() => started?.close());

async function serve(manners: Manners): Promise<string> {
  started = await LoopbackServer.start((request, response) => handlerOf(manners, origin)(request, response));
  const { origin } = started;
  return `${origin}/mcp`;
}

function handlerOf(manners: Manners, origin: string): RequestListener {
  return (request, response) => {
    request.resume();
    if (manners.date) response.setHeader('date', manners.date());
    const path = request.url?.split('?')[0];
    if (path === '/.well-known/oauth-protected-resource/mcp') return answerMetadata(manners, origin, request, response);
    if (path === '/elsewhere' && manners.elsewhere) return void sendJson(response, 200, manners.elsewhere(origin));
    if (path === '/mcp') return answerMcp(manners, origin, request, response);
    sendJson(response, 404, {});
  };
}

function answerMcp(
  manners: Manners,
  origin: string,
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
): void {
  const good = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="a"`;
  const { challenge = good } = manners;
  const written = typeof challenge === 'string' ? challenge : challenge(origin);
  response.setHeader('access-control-allow-origin', '*');
  if (method === 'OPTIONS') {
    response.setHeader('access-control-allow-headers', 'authorization, content-type, mcp-protocol-version');
    return void response.writeHead(manners.preflight ?? 204).end();
  }
  if (headers.origin?.endsWith('.example')) return sendJson(response, manners.foreignOrigin ?? 403, {});
  if (method === 'GET' && manners.get !== undefined) return sendJson(response, manners.get, {});
  const refuse = (status: number, text: string): void => {
    response.setHeader('cache-control', manners.cacheControl ?? 'no-store');
    response.setHeader('access-control-expose-headers', manners.exposes ?? 'WWW-Authenticate');
    if (status === 401 && text !== '') response.setHeader('www-authenticate', text);
    sendJson(response, status, {});
  };
  if (manners.acceptsQuery && url?.includes('access_token='))
    return sendJson(response, 200, { jsonrpc: '2.0', id: 1, result: {} });
  if (manners.refusesQuery && url?.includes('access_token=')) return refuse(401, `${good}, error="invalid_token"`);
  if (headers.authorization === undefined) return refuse(manners.unauthenticated ?? 401, written);
  return refuse(manners.garbage ?? 401, manners.garbageChallenge ?? `${good}, error="invalid_token"`);
}

function answerMetadata(manners: Manners, origin: string, { method }: IncomingMessage, response: ServerResponse): void {
  if (manners.metadataCors !== false) response.setHeader('access-control-allow-origin', '*');
  if (method === 'OPTIONS') return void response.writeHead(204).end();
  if (method === 'HEAD')
    return void response.writeHead(manners.head ?? 200, { 'content-type': 'application/json' }).end();
  response.setHeader('cache-control', 'max-age=60');
  const good = {
    resource: `${origin}/mcp`,
    authorization_servers: [origin],
    scopes_supported: ['a'],
    bearer_methods_supported: ['header'],
  };
  const document = { ...good, ...manners.metadata?.(origin) };
  sendJson(response, 200, document, manners.metadataType);
}

function sendJson(response: ServerResponse, status: number, body: object, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}

describe('doctor on a server written by hand', () => {
  it('finds nothing wrong with the server itself, where it makes no mistake', async () => {
    const { document } = await examine(await serve({}));
    const [server] = document.sections;
    const said = server?.checks.filter(({ level }) => level === 'error' || level === 'warning');
    expect(said).toEqual([]);
  });

  it.each<[string, string, Manners]>([
    ['403 in place of 401', 'MCP-26-RS-06 error', { unauthenticated: 403 }],
    ['200 without a token', 'MCP-26-RS-06 error', { unauthenticated: 200 }],
    ['a redirect in place of 401', 'MCP-26-RS-06 error', { unauthenticated: 302 }],
    ['401 without a challenge', 'RFC9110-15.5.2-a error', { challenge: '' }],
    ['a challenge that is malformed', 'RFC9110-15.5.2-a error', { challenge: 'Bearer realm="x", realm="y"' }],
    ['a challenge of another scheme', 'RFC9110-15.5.2-a error', { challenge: 'Basic realm="x"' }],
    ['no resource_metadata', 'MCP-25-RS-02 error', { challenge: 'Bearer realm="x"' }],
    ['a relative resource_metadata', 'MCP-25-RS-02 error', { challenge: 'Bearer resource_metadata="/x"' }],
    [
      'a resource_metadata with nothing there',
      'MCP-25-RS-02 error',
      { challenge: (origin) => `Bearer resource_metadata="${origin}/nothing"` },
    ],
    [
      'an error where no token came',
      'RFC6750-3.1-a warning',
      {
        challenge: (origin) =>
          `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", error="invalid_token"`,
      },
    ],
    ['invalid scopes', 'MCP-26-RS-08 warning', { challenge: 'Bearer scope="a  b"' }],
    ['no scope', 'MCP-26-RS-08 note', { challenge: 'Bearer realm="x"' }],
    ['offline_access in the challenge', 'MCP-26-RS-11 warning', { challenge: 'Bearer scope="a offline_access"' }],
    [
      'offline_access in the metadata',
      'MCP-26-RS-11 warning',
      { metadata: () => ({ scopes_supported: ['offline_access'] }) },
    ],
    ['a refusal that may be cached', 'LIB-07 warning', { cacheControl: 'public, max-age=60' }],
    ['a challenge that pages cannot read', 'RFC9449-7.1-d warning', { exposes: 'X-Other' }],
    ['a preflight that needs a token', 'LIB-02 warning', { preflight: 401 }],
    ['a stream without a token', 'MCP-25-RS-01 error', { get: 200 }],
    ['GET that is not found', 'MCP-25-RS-01 warning', { get: 404 }],
    ['a garbage token that is accepted', 'MCP-26-RS-05 error', { garbage: 200 }],
    ['403 for a garbage token', 'MCP-26-RS-05 error', { garbage: 403 }],
    ['500 for a garbage token', 'MCP-26-RS-05 error', { garbage: 500 }],
    ['503 for a garbage token', 'MCP-26-RS-05 warning', { garbage: 503 }],
    ['no error for a garbage token', 'RFC6750-3-b warning', { garbageChallenge: 'Bearer realm="x"' }],
    ['a token in the query that is accepted', 'OA21-5.1-a error', { acceptsQuery: true }],
    ['a page of another origin let in', 'MCP-TR-01 error', { foreignOrigin: 200 }],
    ['a page of another origin asked for a token', 'MCP-TR-01 warning', { foreignOrigin: 401 }],
    ['a clock ten seconds behind', 'RFC9068-4-e warning', { date: () => new Date(Date.now() - 10_000).toUTCString() }],
    ['a clock ten seconds ahead', 'RFC9068-4-e warning', { date: () => new Date(Date.now() + 10_000).toUTCString() }],
    ['a clock ten minutes behind', 'RFC9068-4-e error', { date: () => new Date(Date.now() - 600_000).toUTCString() }],
    [
      'a slash at the end of resource',
      'RFC9728-3.3-a error',
      { metadata: (origin) => ({ resource: `${origin}/mcp/` }) },
    ],
    ['resource in upper case', 'RFC9728-3.3-a error', { metadata: (origin) => ({ resource: `${origin}/MCP` }) }],
    ['no resource', 'RFC9728-3.3-a error', { metadata: () => ({ resource: undefined }) }],
    ['metadata as a page', 'RFC9728-3.2-a error', { metadataType: 'text/html' }],
    ['metadata that pages cannot read', 'LIB-13 warning', { metadataCors: false }],
    ['no authorization servers', 'MCP-26-DISC-01 error', { metadata: () => ({ authorization_servers: [] }) }],
    [
      'an authorization server over plain http',
      'MCP-26-DISC-01 error',
      { metadata: () => ({ authorization_servers: ['http://login.example'] }) },
    ],
    [
      'an authorization server that is not a string',
      'MCP-26-DISC-01 error',
      { metadata: () => ({ authorization_servers: [{}] }) },
    ],
    [
      'tokens in the query announced',
      'RFC9728-2-d warning',
      { metadata: () => ({ bearer_methods_supported: ['header', 'query'] }) },
    ],
    ['members without a value', 'RFC9728-3.2-b warning', { metadata: () => ({ resource_name: null }) }],
    ['no scopes in the metadata', 'RFC9728-2-a note', { metadata: () => ({ scopes_supported: undefined }) }],
    ['no HEAD', 'RFC9110-9.1-a warning', { head: 405 }],
    [
      'another document where the challenge points',
      'RFC9728-5.1-a error',
      {
        challenge: (origin) => `Bearer resource_metadata="${origin}/elsewhere"`,
        elsewhere: (origin) => ({ resource: origin, authorization_servers: [origin] }),
      },
    ],
  ])('names %s', async (_what, row, manners) => {
    const [id, level] = row.split(' ');
    const { rows, document } = await examine(await serve(manners));
    expect(document.kind).toBe('mcp-server');
    expect(rows.map((one) => `${one.id} ${one.level}`)).toContain(row);
    const found = rows.find((one) => one.id === id && one.level === level);
    expect(found).toMatchObject({
      seen: expect.any(String),
      consequence: expect.any(String),
      remedy: expect.any(String),
    });
  });

  it('OA21-5.1-a: blames nobody for the query who says invalid_token to every call', async () => {
    const always = (origin: string): string => `Bearer resource_metadata="${origin}/x", error="invalid_token"`;
    const { rows } = await examine(await serve({ challenge: always }));
    expect(rows.find(({ id }) => id === 'OA21-5.1-a')?.level).toBe('ok');
  });

  it('OA21-5.1-a: sees by the challenge that the query was looked at', async () => {
    const { rows } = await examine(await serve({ refusesQuery: true }));
    expect(rows.find(({ id }) => id === 'OA21-5.1-a')?.level).toBe('error');
  });

  it('LIB-07: asks for no-store of refusals only', async () => {
    const { rows } = await examine(await serve({ unauthenticated: 404, cacheControl: 'max-age=60' }));
    expect(rows.find(({ id }) => id === 'LIB-07')?.level).toBe('unseen');
    expect(rows.find(({ id }) => id === 'MCP-26-RS-06')?.remedy).toContain('path included');
  });

  it('names ten mistakes at once', async () => {
    const url = await serve({
      challenge: (origin) => `Bearer error="invalid_token", scope="a", realm="${origin}"`,
      cacheControl: 'max-age=60',
      exposes: 'X-Other',
      garbage: 200,
      acceptsQuery: true,
      get: 200,
      foreignOrigin: 200,
      date: () => new Date(Date.now() - 600_000).toUTCString(),
      metadataCors: false,
      metadata: (origin) => ({ resource: `${origin}/mcp/`, authorization_servers: ['http://login.example'] }),
    });
    const { code, rows } = await examine(url);
    const named = rows.filter(({ level }) => level === 'error' || level === 'warning').map(({ id }) => id);
    const mistakes = [
      'MCP-25-RS-02',
      'RFC6750-3.1-a',
      'LIB-07',
      'RFC9449-7.1-d',
      'MCP-26-RS-05',
      'OA21-5.1-a',
      'MCP-25-RS-01',
    ];
    const more = ['MCP-TR-01', 'RFC9068-4-e', 'LIB-13', 'RFC9728-3.3-a', 'MCP-26-DISC-01'];
    expect(named).toEqual(expect.arrayContaining([...mistakes, ...more]));
    expect(code).toBe(1);
    const { out } = await runCli(['doctor', url]);
    for (const id of [...mistakes, ...more])
      expect(out).toMatch(new RegExp(`^ {2}[✗!] ${id.replaceAll('.', '\\.')} .*\\n +→ .*\\n +Remedy: `, 'm'));
  });
});
