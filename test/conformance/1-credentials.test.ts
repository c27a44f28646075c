import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectRefusal, expectServed, resetRecorded, messagesOf } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw, type RawResponse } from '../support/raw-http.js';

const issuer = { alg: 'ES256' } as const;
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const PING = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'ping', arguments: {} } };

/** A call of the tool `ping` with these header lines, exactly as written. */
function rawPing({ origin }: NotesServer, lines: readonly string[], path = '/mcp'): Promise<RawResponse> {
  const headers = ['Content-Type: application/json', 'Accept: application/json, text/event-stream', ...lines];
  return sendRaw(origin, { path, headers, body: JSON.stringify(PING) });
}

describe.each(PLATFORMS)('1. Taking the credential off the request, on %s', (platform) => {
  let server: NotesServer;
  let token: string;

  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer });
    // Lets long headers through, so that they meet the limit of this library rather than that of Node.
    (server.app.getHttpServer() as { maxHeaderSize: number }).maxHeaderSize = 4 * 1024 * 1024;
    token = await server.mint();
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it('OA21-5.1.1-a: accepts an access token from the Authorization header with the Bearer scheme', async () => {
    const response = await server.callTool('ping', token);
    const [message] = messagesOf(await expectServed(server, response, 'ping'));
    expect(message).toMatchObject({ jsonrpc: '2.0', result: { content: [{ text: 'pong' }] } });
  });

  it.each([
    ['Proxy-Authorization', (value: string) => [`Proxy-Authorization: Bearer ${value}`]],
    ['X-Access-Token', (value: string) => [`X-Access-Token: ${value}`]],
    ['X-Forwarded-Authorization', (value: string) => [`X-Forwarded-Authorization: Bearer ${value}`]],
    ['Sec-WebSocket-Protocol', (value: string) => [`Sec-WebSocket-Protocol: bearer, ${value}`]],
    ['an empty Authorization', () => ['Authorization:']],
  ])('OA21-5.1.1-a: finds no credentials in %s', async (_where, lines) => {
    await expectRefusal(server, await rawPing(server, lines(token)), { status: 401, token });
  });

  it('OA21-5.1.1-a: finds no credentials in the trailers behind a body', async () => {
    const body = JSON.stringify(PING);
    const response = await sendRaw(server.origin, {
      path: '/mcp',
      headers: [
        'Content-Type: application/json',
        'Accept: application/json, text/event-stream',
        'Transfer-Encoding: chunked',
        'Trailer: Authorization',
        '',
        body.length.toString(16),
        body,
        '0',
        `Authorization: Bearer ${token}`,
      ],
    });
    await expectRefusal(server, response, { status: 401, token });
  });

  it.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])(
    'OA21-5.1.1-b: takes the scheme in any spelling, such as %s',
    async (scheme) => {
      await expectServed(server, await rawPing(server, [`Authorization: ${scheme} ${token}`]), 'ping');
      resetRecorded(server);
      const bad = await rawPing(server, [`Authorization: ${scheme} garbage`]);
      await expectRefusal(server, bad, { status: 401, error: 'invalid_token', token: 'garbage' });
    },
  );

  it.each(['DPoP', 'dpop', 'DPOP'])(
    'OA21-5.1.1-b: does not take the scheme %s, in any spelling, for Bearer',
    async (scheme) => {
      const response = await rawPing(server, [`Authorization: ${scheme} ${token}`]);
      await expectRefusal(server, response, { status: 401, token });
    },
  );

  it.each([
    ['several spaces', (value: string) => `Authorization: Bearer   ${value}`],
    ['white space around the field value', (value: string) => `Authorization: \t Bearer ${value} \t`],
    ['no white space after the colon', (value: string) => `Authorization:Bearer ${value}`],
    ['another spelling of the field name', (value: string) => `aUTHORIZATION: Bearer ${value}`],
  ])('OA21-5.1.1-c: accepts %s', async (_what, line) => {
    await expectServed(server, await rawPing(server, [line(token)]), 'ping');
  });

  it.each([
    ['a second word', (value: string) => `Bearer ${value} extra`],
    ['a second token', (value: string) => `Bearer ${value} ${value}`],
    ['a comma', (value: string) => `Bearer ${value},x`],
    ['a list of credentials', (value: string) => `Bearer ${value}, Bearer ${value}`],
    ['a parameter', (value: string) => `Bearer ${value}, realm="x"`],
    ['a named token', (value: string) => `Bearer token="${value}"`],
    ['quotes', (value: string) => `Bearer "${value}"`],
    ['a tab before the token', (value: string) => `Bearer\t${value}`],
    ['a space and a tab', (value: string) => `Bearer \t${value}`],
    ['a tab within the token', (value: string) => `Bearer ${value.slice(0, 40)}\t${value.slice(40)}`],
    ['a comma instead of the space', (value: string) => `Bearer,${value}`],
    ['a colon instead of the space', (value: string) => `Bearer: ${value}`],
    ['a no-break space instead of the space', (value: string) => `Bearer\u00a0${value}`],
    ['a no-break space after the token', (value: string) => `Bearer ${value}\u00a0`],
    ['percent-encoding', (value: string) => `Bearer ${value.replaceAll('.', '%2E')}`],
    ['padding within the token', (value: string) => `Bearer ${value.replaceAll('.', '=.')}`],
    ['padding alone', () => 'Bearer ='],
    ['the scheme alone', () => 'Bearer'],
    ['the scheme and a space', () => 'Bearer '],
    ['the scheme and many spaces', () => 'Bearer          '],
  ])('OA21-5.1.1-c: refuses %s as a malformed token', async (_what, value) => {
    const response = await rawPing(server, [`Authorization: ${value(token)}`]);
    await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
  });

  it.each([
    ['the scheme run together with the token', (value: string) => `Bearer${value}`],
    ['a scheme that begins like Bearer', (value: string) => `BearerX ${value}`],
    ['a scheme that ends in Bearer', (value: string) => `X-Bearer ${value}`],
    ['the token without a scheme', (value: string) => value],
  ])('OA21-5.1.1-c: takes %s for another scheme, and so for no credentials', async (_what, value) => {
    const response = await rawPing(server, [`Authorization: ${value(token)}`]);
    await expectRefusal(server, response, { status: 401, token });
  });

  it('OA21-5.1-a: ignores a token in the query: it does not authenticate', async () => {
    const response = await rawPing(server, [], `/mcp?access_token=${token}`);
    await expectRefusal(server, response, { status: 401, token });
  });

  it.each(['garbage', 'another good token'])(
    'OA21-5.1-a: ignores a token in the query beside a good header: %s',
    async (inQuery) => {
      const query = inQuery === 'garbage' ? inQuery : await server.mint({ sub: 'mallory' });
      const response = await fetch(`${server.origin}/plain?access_token=${query}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(await expectServed(server, response, 'plain')).toBe('{"subject":"alice"}');
    },
  );

  it('OA21-5.1-a: answers a bad header the same whatever token is in the query', async () => {
    const bad = await server.mint({ exp: 1 });
    const response = await rawPing(server, [`Authorization: Bearer ${bad}`], `/mcp?access_token=${token}`);
    await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: bad });
  });

  it.each([
    ['a form field', 'application/x-www-form-urlencoded', (value: string) => `access_token=${value}`],
    ['a JSON member', 'application/json', (value: string) => JSON.stringify({ ...PING, access_token: value })],
    [
      '_meta',
      'application/json',
      (value: string) => {
        const meta = { access_token: value, authorization: `Bearer ${value}` };
        return JSON.stringify({ ...PING, params: { ...PING.params, _meta: meta } });
      },
    ],
    [
      'the arguments of a tool',
      'application/json',
      (value: string) => JSON.stringify({ ...PING, params: { name: 'ping', arguments: { access_token: value } } }),
    ],
    [
      'headers named in the body',
      'application/json',
      (value: string) => JSON.stringify({ ...PING, headers: { authorization: `Bearer ${value}` } }),
    ],
  ])('OA21-5.1.2-a: takes no token from the body: %s', async (_where, type, body) => {
    const headers = { ...JSON_HEADERS, 'content-type': type };
    const response = await fetch(server.resource, { method: 'POST', headers, body: body(token) });
    await expectRefusal(server, response, { status: 401, token });
  });

  it('OA21-5.1.2-a: takes no token from a form on a plain route either', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = `access_token=${await server.mint({ scope: 'a b' })}`;
    const response = await fetch(`${server.origin}/plain/scoped`, { method: 'POST', headers, body });
    await expectRefusal(server, response, { status: 401, scope: 'a b', token: body.slice('access_token='.length) });
  });

  it.each(['access_token', 'Authorization', 'token', '__Host-access_token'])(
    'RFC6750-5.3-a: takes no token from a cookie named %s',
    async (name) => {
      const response = await rawPing(server, [`Cookie: ${name}=${token}`]);
      await expectRefusal(server, response, { status: 401, token });
    },
  );

  it.each([
    ['two Bearer tokens', (value: string) => [`Authorization: Bearer ${value}`, 'Authorization: Bearer another-token']],
    ['a bad one first', (value: string) => ['Authorization: Bearer another-token', `Authorization: Bearer ${value}`]],
    ['the same twice', (value: string) => [`Authorization: Bearer ${value}`, `Authorization: Bearer ${value}`]],
    ['Bearer and DPoP', (value: string) => [`Authorization: Bearer ${value}`, `Authorization: DPoP ${value}`]],
    ['DPoP and Bearer', (value: string) => [`Authorization: DPoP ${value}`, `Authorization: Bearer ${value}`]],
    ['Bearer and Basic', (value: string) => [`Authorization: Bearer ${value}`, 'Authorization: Basic eDp5']],
    ['Bearer and nothing', (value: string) => [`Authorization: Bearer ${value}`, 'Authorization:']],
    [
      'two spellings of the name',
      (value: string) => [`authorization: Bearer ${value}`, 'AUTHORIZATION: Bearer x1y2z3'],
    ],
    ['three', (value: string) => Array.from({ length: 3 }, () => `Authorization: Bearer ${value}`)],
    [
      'far apart',
      (value: string) => [`Authorization: Bearer ${value}`, 'X-Other: 1', `Authorization: Bearer ${value}`],
    ],
  ])('RFC6750-3.1-d: refuses repeated credentials and chooses none of them: %s', async (_what, lines) => {
    const response = await rawPing(server, lines(token));
    await expectRefusal(server, response, { status: 400, error: 'invalid_request', token });
  });

  it('RFC6750-3.1-d: refuses repeated credentials on a plain route too', async () => {
    const headers = [`Authorization: Bearer ${token}`, 'Authorization: Bearer another-token'];
    const response = await sendRaw(server.origin, { method: 'GET', path: '/plain', headers });
    await expectRefusal(server, response, { status: 400, error: 'invalid_request', token });
  });

  describe('after the handshake was removed', () => {
    const modern = (method: string): object => ({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    });
    const send = (method: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(server.resource, {
        method: 'POST',
        headers: { ...JSON_HEADERS, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...headers },
        body: JSON.stringify(modern(method)),
      });

    const METHODS = [
      'server/discover',
      'initialize',
      'notifications/initialized',
      'ping',
      'logging/setLevel',
      'completion/complete',
      'tools/list',
      'resources/list',
      'resources/templates/list',
      'prompts/list',
      'subscriptions/listen',
      'tasks/get',
      'tasks/result',
      'tasks/update',
      'tasks/cancel',
      'tasks/list',
      'foo/bar',
      'rpc.discover',
      '__proto__',
      '',
    ];

    it.each(METHODS)('SEP2575-SEC-a: authenticates %s before anything is said about it', async (method) => {
      const { body } = await expectRefusal(server, await send(method), { status: 401 });
      expect(body).toMatchObject({ id: 1, error: { code: 401 } });
      const bad = await send(method, { authorization: 'Bearer garbage' });
      await expectRefusal(server, bad, { status: 401, error: 'invalid_token', token: 'garbage' });
    });

    it('SEP2575-SEC-a: authenticates before the headers are compared with the body', async () => {
      const mismatch = { 'mcp-method': 'server/discover', 'mcp-protocol-version': '1900-01-01' };
      await expectRefusal(server, await send('tools/list', mismatch), { status: 401 });
    });

    it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', 'no version'])(
      'SEP2575-SEC-a: authenticates initialize, ping and an unknown method of %s',
      async (version) => {
        for (const method of ['initialize', 'ping', 'foo/bar']) {
          const headers = { ...JSON_HEADERS, ...(version !== 'no version' && { 'mcp-protocol-version': version }) };
          const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method });
          await expectRefusal(server, await fetch(server.resource, { method: 'POST', headers, body }), { status: 401 });
        }
      },
    );

    it.each([
      ['a batch', JSON.stringify([PING, PING])],
      ['a batch of one', JSON.stringify([PING])],
      ['an empty batch', '[]'],
      ['no JSON-RPC', '{"hello":"world"}'],
      ['JSON-RPC 1.0', JSON.stringify({ ...PING, jsonrpc: '1.0' })],
      ['no body', undefined],
    ])('SEP2575-SEC-a: authenticates a POST with %s', async (_what, body) => {
      const init = body === undefined ? { headers: { accept: JSON_HEADERS.accept } } : { headers: JSON_HEADERS, body };
      await expectRefusal(server, await fetch(server.resource, { method: 'POST', ...init }), { status: 401 });
    });

    it('SEP2575-SEC-a: answers server/discover, and denies an unknown method, once the caller is known', async () => {
      const authorization = `Bearer ${token}`;
      const discovered = await send('server/discover', { authorization });
      expect(discovered.status).toBe(200);
      expect(messagesOf(await discovered.text())).toMatchObject([{ result: { capabilities: {} } }]);
      const unknown = await send('foo/bar', { authorization });
      expect(messagesOf(await unknown.text())).toMatchObject([{ error: { code: -32_601 } }]);
    });
  });

  describe('bounds on the work of an unauthenticated caller', () => {
    beforeEach(() => server.issuer.clearRequests());

    it('LIB-01: refuses a token of 1 MiB before it is decoded, without a request to the issuer', async () => {
      const long = await server.mint({ padding: 'x'.repeat(1024 * 1024) });
      const response = await rawPing(server, [`Authorization: Bearer ${long}`]);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: long });
      expect(server.log.join('\n')).toContain('the token is longer than accepted');
      expect(server.issuer.requests).toEqual([]);
    });

    it('LIB-01: accepts a token of 12 KiB and refuses one of more than 16 KiB', async () => {
      const accepted = await server.mint({ padding: 'x'.repeat(9 * 1024) });
      await expectServed(server, await server.callTool('ping', accepted), 'ping');
      resetRecorded(server);
      const refused = await server.mint({ padding: 'x'.repeat(13 * 1024) });
      const response = await server.callTool('ping', refused);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: refused });
    });

    it('LIB-01: answers a deeply nested payload like any other bad token, without a request to the issuer', async () => {
      const depth = 5_000;
      const payload = `{"iss":"https://elsewhere.example","x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      const nested = await server.mint({}, { payload });
      const response = await server.callTool('ping', nested);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: nested });
      expect(server.issuer.requests).toEqual([]);
    });

    it('LIB-01: asks the issuer for nothing on account of tokens that are refused anyway', async () => {
      const tokens = [
        'garbage',
        'a.b.c',
        await server.mint({ iss: 'https://elsewhere.example' }),
        await server.mint({ aud: 'https://elsewhere.example' }),
        await server.mint({ exp: 1 }),
        await server.mint({}, { header: { alg: 'none' }, signature: '' }),
        await server.mint({}, { header: { jku: server.issuer.jwksUri, kid: ['x'] } }),
      ];
      const options = { audience: server.resource };
      const cold = await startNotesServer(platform, { sharedIssuer: server.issuer, options });
      try {
        for (const bad of tokens) {
          const response = await cold.callTool('ping', bad);
          await expectRefusal(cold, response, { status: 401, error: 'invalid_token', token: bad });
        }
        expect(server.issuer.requests).toEqual([]);
        await expectServed(cold, await cold.callTool('ping', token), 'ping');
        expect(server.issuer.requestCount('jwks')).toBe(1);
      } finally {
        await cold.close();
      }
    });
  });
});

describe.each(PLATFORMS)('1. A session of the 2025 era, on %s', (platform) => {
  let server: NotesServer;
  let authorization: string;
  let session: string;

  const send = (method: string, body?: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.resource, {
      method,
      headers: {
        accept: method === 'GET' ? 'text/event-stream' : JSON_HEADERS.accept,
        'mcp-protocol-version': '2025-11-25',
        'mcp-session-id': session,
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });

  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer, transport: { statefulMode: true, enableJsonResponse: true } });
    authorization = `Bearer ${await server.mint()}`;
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    const clientInfo = { name: 'test', version: '1' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    const opened = await server.rpc('initialize', params, { authorization });
    session = opened.headers.get('mcp-session-id') as string;
    await opened.text();
    expect(session).toEqual(expect.any(String));
    resetRecorded(server);
  });

  it.each([
    ['a POST with a request', 'POST', PING, 200],
    ['a POST with a notification', 'POST', { jsonrpc: '2.0', method: 'notifications/initialized' }, 202],
    ['a POST with a response', 'POST', { jsonrpc: '2.0', id: 99, result: {} }, 202],
    ['a POST with an error response', 'POST', { jsonrpc: '2.0', id: 99, error: { code: 1, message: 'no' } }, 202],
    ['a GET of the stream', 'GET', undefined, 200],
    ['a DELETE', 'DELETE', undefined, 200],
  ])('MCP-25-RS-01: authorizes every request of a session: %s', async (_what, method, body, status) => {
    await expectRefusal(server, await send(method, body), { status: 401 });
    const bad = await send(method, body, { authorization: 'Bearer garbage' });
    await expectRefusal(server, bad, { status: 401, error: 'invalid_token', token: 'garbage' });

    // Had a refused request reached the transport, the session would be gone after DELETE, and a second stream refused
    // after GET.
    const response = await send(method, body, { authorization });
    expect(response.status).toBe(status);
    await response.body?.cancel();
    expect(server.ran).toEqual(body === PING ? ['ping'] : []);
  });
});
