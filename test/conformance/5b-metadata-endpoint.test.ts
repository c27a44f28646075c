import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { PLATFORMS } from '../support/platforms.js';
import { type RawResponse } from '../support/raw-http.js';
import {
  ROOT,
  ISSUER,
  BASE,
  DOCUMENT,
  type StartedApp,
  start,
  stop,
  startProblem,
  request,
  field,
  expectDocument,
  preflightOf,
  expectNothing,
  NotesController,
} from '../support/metadata-app.js';

describe.each(PLATFORMS)('section 5, protected resource metadata, on %s: the endpoint', (platform) => {
  let server: StartedApp;
  const url = (path = `${ROOT}/mcp`): string => server.origin + path;

  beforeAll(async () => {
    server = await start(platform, { controllers: [NotesController], options: { ...BASE, scopes: { supported: [] } } });
  });
  afterEach(() => stop(server));
  afterAll(() => stop());

  it('RFC9728-3.1-b: answers anybody, while the guard protects every route', async () => {
    await expectDocument(server.origin, `${ROOT}/mcp`);
    expect((await fetch(url('/notes'))).status).toBe(401);
  });

  it.each([
    ['an invalid token', ['Authorization: Bearer garbage']],
    ['two Authorization headers', ['Authorization: Bearer a', 'Authorization: DPoP b']],
    ['another scheme', ['Authorization: Basic eDp5']],
    ['a cookie', ['Cookie: session=1']],
  ])('RFC9728-3.1-b: takes no notice of credentials: %s', async (_, headers) => {
    const response = await request(server.origin, 'GET', `${ROOT}/mcp`, headers);
    expect({ status: response.status, body: response.body }).toEqual({ status: 200, body: JSON.stringify(DOCUMENT) });
  });

  it('RFC9110-9.1-a: answers HEAD with the headers of GET and no body', async () => {
    const [get, head] = [
      await request(server.origin, 'GET', `${ROOT}/mcp`),
      await request(server.origin, 'HEAD', `${ROOT}/mcp`),
    ];
    const headers = ({ headers: all }: RawResponse): object =>
      Object.fromEntries([...all].filter(([name]) => name !== 'date'));
    expect(head.status).toBe(200);
    expect(headers(head)).toEqual(headers(get));
    expect(field(head, 'content-length')).toEqual([String(Buffer.byteLength(JSON.stringify(DOCUMENT)))]);
    expect(head.body).toBe('');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY'])(
    'RFC9110-15.5.6-a: answers %s with 405 and what is allowed',
    async (method) => {
      for (const body of ['', '{"resource":"https://evil.test"}']) {
        const type = body === '' ? [] : ['Content-Type: application/json'];
        const response = await request(server.origin, method, `${ROOT}/mcp`, type, body);
        expect({ status: response.status, body: response.body }).toEqual({ status: 405, body: '' });
        expect(field(response, 'allow')).toEqual(['GET, HEAD, OPTIONS']);
        expect(field(response, 'www-authenticate')).toEqual([]);
      }
    },
  );

  it('RFC9110-15.5.6-a: answers a plain OPTIONS with what is allowed', async () => {
    const response = await request(server.origin, 'OPTIONS', `${ROOT}/mcp`);
    expect({ status: response.status, body: response.body }).toEqual({ status: 204, body: '' });
    expect(field(response, 'allow')).toEqual(['GET, HEAD, OPTIONS']);
  });

  it('LIB-13: lets pages of any origin read the document, errors and confirmations too', async () => {
    const { headers } = await fetch(url());
    for (const [method, extra] of [
      ['GET', []],
      ['HEAD', []],
      ['POST', []],
      ['GET', [`If-None-Match: ${headers.get('etag')}`]],
    ] as const) {
      const response = await request(server.origin, method, `${ROOT}/mcp`, ['Origin: https://client.test', ...extra]);
      expect([method, field(response, 'access-control-allow-origin')]).toEqual([method, ['*']]);
      // With credentials, a browser would not take "*" for an answer.
      expect(field(response, 'access-control-allow-credentials')).toEqual([]);
    }
  });

  it('LIB-13: answers a preflight, MCP-Protocol-Version included', async () => {
    expect(await preflightOf(server.origin, `${ROOT}/mcp`)).toEqual({
      status: 204,
      origin: ['*'],
      allowsGet: true,
      allowsHeader: true,
    });
  });

  it('RFC9728-7.10-a: says how long the document may be kept, five minutes, and by whom', async () => {
    expect((await fetch(url())).headers.get('cache-control')).toBe('public, max-age=300');
  });

  it.each([
    ['the entity tag', (etag: string) => etag],
    ['the entity tag, weakly', (etag: string) => `W/${etag}`],
    ['the entity tag among others', (etag: string) => `"other", ${etag} , W/"third"`],
    ['any entity tag', () => '*'],
  ])('RFC9728-7.10-a: confirms with 304 what a client names by %s', async (_, header) => {
    const { headers } = await fetch(url());
    const etag = headers.get('etag') as string;
    expect(etag).toMatch(/^"[\w-]+"$/);
    for (const method of ['GET', 'HEAD']) {
      const response = await request(server.origin, method, `${ROOT}/mcp`, [`If-None-Match: ${header(etag)}`]);
      expect({ status: response.status, body: response.body }).toEqual({ status: 304, body: '' });
      expect(field(response, 'etag')).toEqual([etag]);
      expect(field(response, 'cache-control')).toEqual(['public, max-age=300']);
      expect(field(response, 'content-type')).toEqual([]);
    }
  });

  it.each(['"other"', '""', 'garbage', 'W/"other"'])(
    'RFC9728-7.10-a: sends the document to a client that has another one: If-None-Match: %s',
    async (header) => {
      const response = await request(server.origin, 'GET', `${ROOT}/mcp`, [`If-None-Match: ${header}`]);
      expect({ status: response.status, body: response.body }).toEqual({ status: 200, body: JSON.stringify(DOCUMENT) });
    },
  );

  it('RFC9728-7.10-a: has the same entity tag on every instance, and another one for another document', async () => {
    const etagOf = async (options: McpAuthModuleOptions): Promise<string | null> => {
      const other = await start(platform, { options });
      const { headers } = await fetch(`${other.origin}${ROOT}/mcp`);
      return headers.get('etag');
    };
    const etag = (await fetch(url())).headers.get('etag');
    expect(await etagOf(BASE)).toBe(etag);
    expect(await etagOf({ ...BASE, authorizationServers: ['https://login.example.org'] })).not.toBe(etag);
  });

  it.each([
    ['an unknown suffix', `${ROOT}/evil`],
    ['a segment too many', `${ROOT}/mcp/anything`],
    ['a trailing slash', `${ROOT}/mcp/`],
    ['a trailing slash at the root', `${ROOT}/`],
    ['a longer name', `${ROOT}/mcp2`],
    ['a suffix without a slash', `${ROOT}mcp`],
    ['another case', `${ROOT}/MCP`],
    ['another case of the well-known part', '/.Well-Known/oauth-protected-resource/mcp'],
    ['an escaped letter', `${ROOT}/%6Dcp`],
    ['an escaped letter of the well-known part', '/.well-known/oauth%2Dprotected-resource/mcp'],
    ['an escaped slash', `${ROOT}%2Fmcp`],
    ['an escaped trailing slash', `${ROOT}/mcp%2F`],
    ['a doubled slash', `${ROOT}//mcp`],
    ['a doubled slash in front', `/${ROOT}/mcp`],
    ['dot segments', `${ROOT}/x/../mcp`],
    ['escaped dot segments', `${ROOT}/x/%2e%2e/mcp`],
    ['a dot segment', `${ROOT}/./mcp`],
    ['a path parameter', `${ROOT}/mcp;v=1`],
    ['a null byte', `${ROOT}/mcp%00`],
    ['a white space', `${ROOT}/mcp%20`],
    ['a back slash', `${ROOT}\\mcp`],
  ])('LIB-14: has no document at %s', async (_, path) => {
    await expectNothing(server.origin, path);
  });

  it('LIB-14: does not reflect what was asked for', async () => {
    const response = await request(server.origin, 'GET', `${ROOT}/evil.test/mcp`);
    expect(response.status).toBe(404);
    expect(response.body).not.toContain('"resource"');
  });

  it.each([
    '/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-server/mcp',
    '/.well-known/openid-configuration',
    '/.well-known/openid-configuration/mcp',
    '/mcp/.well-known/openid-configuration',
    '/.well-known/jwks.json',
  ])('RFC8414-3.3-b: publishes no copy of the metadata of the authorization server: %s', async (path) => {
    await expectNothing(server.origin, path);
  });
});

describe.each(PLATFORMS)('section 5, protected resource metadata, on %s: several resources', (platform) => {
  const resources = [
    { resource: 'https://mcp.example.com/notes', authorizationServers: [ISSUER], scopes: { required: ['notes'] } },
    { resource: 'https://mcp.example.com/notes/archive/', authorizationServers: ['https://archive.example.com/'] },
    {
      resource: 'https://mcp.example.com/mail',
      id: 'mail',
      authorizationServers: [ISSUER],
      metadata: { resourceName: 'Mail' },
    },
  ];
  let server: StartedApp;
  beforeAll(async () => {
    server = await start(platform, { options: { resources } });
  });
  afterEach(() => stop(server));
  afterAll(() => stop());

  it('LIB-14: gives each resource its own document', async () => {
    await expectDocument(server.origin, `${ROOT}/notes`, {
      resource: 'https://mcp.example.com/notes',
      authorization_servers: [ISSUER],
      scopes_supported: ['notes'],
      bearer_methods_supported: ['header'],
    });
    await expectDocument(server.origin, `${ROOT}/notes/archive/`, {
      resource: 'https://mcp.example.com/notes/archive/',
      authorization_servers: ['https://archive.example.com/'],
      bearer_methods_supported: ['header'],
    });
    await expectDocument(server.origin, `${ROOT}/mail`, {
      resource: 'https://mcp.example.com/mail',
      authorization_servers: [ISSUER],
      bearer_methods_supported: ['header'],
      resource_name: 'Mail',
    });
  });

  it.each([ROOT, `${ROOT}/`, `${ROOT}/evil`, `${ROOT}/notes/`, `${ROOT}/notes/archive`, `${ROOT}/mail/notes`])(
    'LIB-14: has no document at %s, where it would be a guess',
    async (path) => {
      await expectNothing(server.origin, path);
    },
  );

  it('LIB-14: serves the root where one of the resources is there', async () => {
    const root = { resource: 'https://mcp.example.com', authorizationServers: [ISSUER] };
    const withRoot = await start(platform, { options: { resources: [root, ...resources] } });
    await expectDocument(withRoot.origin, ROOT, { ...DOCUMENT, resource: 'https://mcp.example.com' });
  });

  it.each([
    ['the same identifier', 'https://mcp.example.com/notes'],
    ['the same host in upper case', 'https://MCP.example.com/notes'],
    ['the same host by plain http', 'http://mcp.example.com/notes'],
  ])('LIB-14: refuses to start with two resources that share host and path: %s', async (_, resource) => {
    const { problems } = await startProblem({
      resources: [...resources, { resource, id: 'other', authorizationServers: [ISSUER] }],
      allowInsecureHttp: true,
    });
    expect(problems.map(({ option }) => option)).toEqual(['resources']);
  });
});
