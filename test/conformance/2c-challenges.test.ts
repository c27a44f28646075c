import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError } from 'nestjs-mcp-auth';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectRefusal, resetRecorded, type ExpectedRefusal } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { allowKeySearch } from '../support/tokens.js';
import { sendRaw } from '../support/raw-http.js';
import { callOf, post, NO_CREDENTIALS, BAD_TOKENS, expectAllowedCharacters } from '../support/challenge-cases.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('2. Challenges and error answers, on %s', (platform) => {
  let server: NotesServer;

  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer });
  });

  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  describe('what a challenge is made of', () => {
    /** One refusal of every kind, with what must come. */
    const everyRefusal = async (): Promise<[Response, ExpectedRefusal][]> => {
      const poor = await server.mint({ scope: 'b' });
      return [
        [await server.callTool('ping'), { status: 401 }],
        [await server.callTool('write-note'), { status: 401, scope: 'a b' }],
        [await server.callTool('ping', 'garbage'), { status: 401, error: 'invalid_token' }],
        [await server.callTool('write-note', 'garbage'), { status: 401, error: 'invalid_token', scope: 'a b' }],
        [await server.callTool('write-note', poor), { status: 403, error: 'insufficient_scope', scope: 'a b' }],
        [await server.callTool('forbidden', poor), { status: 403 }],
      ];
    };

    it.each([
      ...NO_CREDENTIALS.map(([what, headers]) => [what, () => headers, 401, undefined] as const),
      ...BAD_TOKENS.map(([what, make]) => {
        return [what, async () => bearer(await make(server)), 401, 'invalid_token'] as const;
      }),
      ['malformed credentials', () => ({ authorization: 'Bearer a b' }), 401, 'invalid_token'] as const,
      ['too few scopes', async () => bearer(await server.mint({ scope: 'b' })), 403, 'insufficient_scope'] as const,
    ])('RFC6750-3.1-b: uses the registered codes with their statuses for %s', async (_what, make, status, error) => {
      const response = await post(server.resource, callOf('read-note'), await make());
      await expectRefusal(server, response, { status, scope: 'a', ...(error && { error }) });
    });

    it('RFC6750-3.1-b: uses the registered code invalid_request with 400 for repeated credentials', async () => {
      const headers = ['Authorization: Bearer x1y2z3', 'Authorization: Bearer x1y2z3'];
      const response = await sendRaw(server.origin, { method: 'GET', path: '/plain', headers });
      const { body } = await expectRefusal(server, response, {
        status: 400,
        error: 'invalid_request',
        token: 'x1y2z3',
      });
      expect(body).toMatchObject({ error: 'invalid_request' });
    });

    it('OA21-5.3.1-a: has no parameter twice, and is the only one, whatever layers are bound to a handler', async () => {
      for (const [response, expected] of await everyRefusal()) {
        // The strict parser refuses a parameter that comes twice.
        await expectRefusal(server, response, expected);
      }
      const response = await sendRaw(server.origin, { path: '/plain/scoped', headers: ['Content-Length: 0'] });
      expect(response.headers.get('www-authenticate')).toHaveLength(1);
    });

    it('OA21-5.3.1-b: consists of the characters that RFC 6750 allows, and no others', async () => {
      for (const [response] of await everyRefusal()) {
        expectAllowedCharacters(response);
      }
    });

    it.each([
      ['an issuer', { iss: 'x", resource_metadata="https://evil.example' }, {}],
      ['an issuer with line breaks', { iss: 'https://evil.example\r\nX-Injected: 1' }, {}],
      ['an audience', { aud: 'https://evil.example/", error="none' }, {}],
      ['a kid', {}, { header: { kid: 'evil.example\r\nX-Injected: 1' } }],
      ['a kid with quotes', {}, { header: { kid: '", resource_metadata="https://evil.example' } }],
      ['a type', {}, { header: { typ: 'evil.example+jwt' } }],
      ['an algorithm', {}, { header: { alg: 'evil.example' } }],
      ['a key location', {}, { header: { jku: 'https://evil.example/jwks', alg: 'none' } }],
      ['a subject', { sub: ['evil.example'] }, {}],
      ['scopes', { scope: 'evil.example", error="x', exp: 1 }, {}],
    ])('LIB-05: reflects nothing of the token: %s', async (_what, claims, options) => {
      allowKeySearch(server);
      const generic = await server.callTool('ping', 'garbage');
      const token = await server.mint(claims, options);
      const response = await server.callTool('ping', token);
      expect(response.headers.get('x-injected')).toBeNull();
      expect(response.headers.get('www-authenticate')).toBe(generic.headers.get('www-authenticate'));
      const { text: body } = await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
      expect(body).not.toContain('evil.example');
    });

    it('LIB-05: takes no scope of the token into a challenge', async () => {
      const token = await server.mint({ scope: 'evil", error="none b \u00fc c\td' });
      const response = await server.callTool('write-note', token);
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a b', token });
    });

    it.each([
      ['a tool name', callOf('evil.example", error="none')],
      ['a method', { jsonrpc: '2.0', id: 1, method: 'evil.example\r\nX-Injected: 1' }],
      ['a resource', { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'https://evil.example/' } }],
      ['arguments', callOf('ping', { 'evil.example': 'evil.example' })],
    ])('LIB-05: reflects nothing of the body: %s', async (_what, body) => {
      const response = await post(server.resource, body);
      const generic = await server.callTool('ping');
      expect(response.headers.get('www-authenticate')).toBe(generic.headers.get('www-authenticate'));
      const { text: answer } = await expectRefusal(server, response, { status: 401 });
      expect(answer).not.toContain('evil.example');
    });

    it.each([
      ['quotes', 'x", resource_metadata="https://evil.example'],
      ['a space', 'b admin'],
      ['line breaks', 'b\r\nX-Injected: 1'],
      ['a letter beyond ASCII', 'b\u00fc'],
      ['nothing', ''],
      ['a scope for the authorization server alone', 'offline_access'],
    ])('LIB-05: names no scope that a policy made from arguments and that is none: %s', async (_what, scope) => {
      const token = await server.mint({ scope: 'a' });
      const response = await server.callTool('by-argument', token, { scope });
      await expectRefusal(server, response, { status: 403, token });
    });

    it('LIB-05: does not tell callers which issuers and audiences are expected', async () => {
      for (const claims of [{ iss: 'https://elsewhere.example' }, { aud: 'https://elsewhere.example' }, { exp: 1 }]) {
        const response = await server.callTool('ping', await server.mint(claims));
        const { text: body, challenge } = await expectRefusal(server, response, {
          status: 401,
          error: 'invalid_token',
        });
        expect(body + JSON.stringify(challenge)).not.toContain(server.issuer.issuer);
        expect(body).not.toContain(server.resource);
      }
    });

    it.each([
      ['a string', 'seven', 'seven'],
      ['a number', 7, 7],
      ['zero', 0, 0],
      ['an empty string', '', ''],
      ['null, which is not a usable id', null, null],
      ['an object, which is not a usable id', { x: 1 }, null],
      ['a boolean, which is not a usable id', true, null],
    ])('LIB-06: answers a JSON-RPC request with a JSON-RPC error and its id: %s', async (_what, id, echoed) => {
      const response = await post(server.resource, callOf('read-note', {}, id), bearer(await server.mint()));
      const { body } = await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a' });
      const message = 'The access token lacks a scope that this operation needs: a.';
      expect(body).toEqual({ jsonrpc: '2.0', id: echoed, error: { code: 403, message } });
    });

    it.each([
      ['a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }],
      ['a response', { jsonrpc: '2.0', id: 5, result: {} }],
      ['what is no JSON-RPC', { id: 5, method: 'tools/call' }],
    ])('LIB-06: answers %s with the error object of OAuth', async (_what, message) => {
      const bare = await expectRefusal(server, await post(server.resource, message), { status: 401 });
      expect(bare.body).toEqual({ error_description: expect.any(String) });
      const bad = await post(server.resource, message, bearer('garbage'));
      const { body } = await expectRefusal(server, bad, { status: 401, error: 'invalid_token', token: 'garbage' });
      expect(body).toEqual({ error: 'invalid_token', error_description: expect.any(String) });
    });

    it('LIB-06: answers with JSON whatever the client accepts', async () => {
      for (const accept of ['text/html', 'text/event-stream', 'application/xml', '*/*']) {
        await expectRefusal(server, await post(server.resource, callOf('ping'), { accept }), { status: 401 });
        await expectRefusal(server, await fetch(`${server.origin}/plain`, { headers: { accept } }), { status: 401 });
      }
    });

    it('LIB-07: keeps refusals out of every cache', async () => {
      for (const [response, expected] of await everyRefusal()) {
        expect(response.headers.get('cache-control')).toBe('no-store');
        await expectRefusal(server, response, expected);
      }
    });

    it('LIB-07: keeps what only the caller may see out of shared caches', async () => {
      const token = await server.mint({ scope: 'a b' });
      const answers = [
        await server.callTool('ping', token),
        await fetch(`${server.origin}/plain`, { headers: bearer(token) }),
        await post(`${server.origin}/plain/scoped`, {}, bearer(token)),
        await server.rpc('tools/list', {}, bearer(token)),
      ];
      for (const answer of answers) {
        expect([200, 201]).toContain(answer.status);
        expect(answer.headers.get('cache-control')).toMatch(/\b(?:private|no-store)\b/);
        expect(answer.headers.get('cache-control')).not.toMatch(/\b(?:public|s-maxage)\b/);
        expect(answer.headers.get('vary')?.toLowerCase()).toContain('authorization');
        await answer.body?.cancel();
      }
    });
  });

  describe('for browsers', () => {
    const origin = 'http://localhost:6274';
    let browser: NotesServer;
    afterEach(() => browser.close());

    it('RFC9449-7.1-d: lets scripts read the challenge, besides what the application exposes already', async () => {
      browser = await startNotesServer(platform, {
        issuer,
        prepare: (app) => app.enableCors({ origin, exposedHeaders: ['Mcp-Session-Id', 'X-Request-Id'] }),
      });
      const poor = await browser.mint();
      const refusals = [
        await browser.callTool('read-note', undefined, {}, { origin }),
        await browser.callTool('read-note', 'garbage', {}, { origin }),
        await browser.callTool('read-note', poor, {}, { origin }),
        await fetch(`${browser.origin}/plain`, { headers: { origin } }),
      ];
      for (const refusal of refusals) {
        expect([401, 403]).toContain(refusal.status);
        expect(refusal.headers.get('access-control-allow-origin')).toBe(origin);
        const exposed = refusal.headers.get('access-control-expose-headers')?.toLowerCase().split(/, */);
        expect(exposed?.toSorted()).toEqual(['mcp-session-id', 'www-authenticate', 'x-request-id']);
      }
      const served = await browser.callTool('ping', poor, {}, { origin });
      expect(served.headers.get('access-control-expose-headers')).toMatch(/^Mcp-Session-Id, ?X-Request-Id$/);
    });

    it('RFC9449-7.1-d: lets scripts read the challenge of a refusal by the handler, too', async () => {
      const late = givenTool('late', { scopes: ['a'] }, () => {
        throw new McpAuthError('insufficient_scope', 'scope_missing', { scopes: ['late'] });
      });
      browser = await startNotesServer(platform, {
        issuer,
        tools: [late],
        prepare: (app) => app.enableCors({ origin, exposedHeaders: ['Mcp-Session-Id'] }),
      });
      const token = await browser.mint({ scope: 'a' });
      const refusal = await browser.callTool('late', token, {}, { origin });
      expect([refusal.status, refusal.headers.get('access-control-allow-origin')]).toEqual([403, origin]);
      const exposed = refusal.headers.get('access-control-expose-headers')?.toLowerCase().split(/, */);
      expect(exposed?.toSorted()).toEqual(['mcp-session-id', 'www-authenticate']);
    });

    it('RFC9449-7.1-d: names the header once where the application exposes it itself', async () => {
      browser = await startNotesServer(platform, {
        issuer,
        prepare: (app) => app.enableCors({ origin, exposedHeaders: 'www-authenticate' }),
      });
      const refusal = await browser.callTool('ping', undefined, {}, { origin });
      expect(refusal.headers.get('access-control-expose-headers')?.toLowerCase()).toBe('www-authenticate');
    });

    it('RFC9449-7.1-d: does not open the server to other origins by itself', async () => {
      browser = await startNotesServer(platform, { issuer });
      const refusal = await browser.callTool('ping', undefined, {}, { origin });
      expect(refusal.headers.get('access-control-expose-headers')).toBe('WWW-Authenticate');
      expect(refusal.headers.get('access-control-allow-origin')).toBeNull();
    });
  });
});
