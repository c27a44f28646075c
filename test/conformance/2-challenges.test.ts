import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  BadRequestException,
  Catch,
  ConsoleLogger,
  Controller,
  Get,
  Inject,
  Injectable,
  Logger,
  Post,
  Scope,
  Sse,
  UseFilters,
  type ArgumentsHost,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type LogLevel,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, HttpAdapterHost } from '@nestjs/core';
import { McpController, Tool } from '@rekog/mcp-nest';
import { errors } from 'jose';
import { catchError, map, of, type Observable } from 'rxjs';
import {
  AuthInfo,
  Authorize,
  McpAuthConfigError,
  McpAuthError,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleOptions,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import {
  generateTestKey,
  parseChallenges,
  symmetricTestKey,
  TestIssuer,
  type TestFault,
} from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import {
  expectNoTrace,
  expectRefusal,
  expectServed,
  resetRecorded,
  metadataUrlOf,
  type ExpectedRefusal,
} from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { allowKeySearch } from '../support/tokens.js';
import { sendRaw } from '../support/raw-http.js';

const issuer = { alg: 'ES256' } as const;

const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

/** The last version of the protocol that had them. */
const ERA_OF_BATCHES = { 'mcp-protocol-version': '2025-03-26' };

/** A `tools/call` as a body, with a fixed id. */
const callOf = (name: string, args: object = {}, id: unknown = 1): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) });
}

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });

/** Requests without usable credentials. */
const NO_CREDENTIALS: [what: string, headers: Record<string, string>][] = [
  ['no Authorization header', {}],
  ['an empty Authorization header', { authorization: '' }],
  ['Basic credentials', { authorization: 'Basic eDp5' }],
  ['the scheme Negotiate', { authorization: 'Negotiate YII=' }],
  ['the scheme DPoP', { authorization: 'DPoP abcdefgh' }],
];

const minutes = (server: NotesServer, count: number): number => Math.floor(server.clock.now / 1000) + count * 60;

/** Tokens that are bad, each in a way of its own. */
const BAD_TOKENS: [what: string, make: (server: NotesServer) => string | Promise<string>][] = [
  ['garbage', () => 'garbage'],
  ['three parts of garbage', () => 'aaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbb.cccccccccccccccccccc'],
  ['an encrypted token', () => 'aaaaaaaaaaaaaaaaaaaa.b.cccccccccccccccccccc.dddddddddddddddddddd.e'],
  ['an expired token', (server) => server.mint({ exp: minutes(server, -1) })],
  ['a token not valid yet', (server) => server.mint({ nbf: minutes(server, 2) })],
  ['a token from the future', (server) => server.mint({ nbf: minutes(server, 2) })],
  ['a token without expiry', (server) => server.mint({ exp: undefined })],
  ['a token that expires never', (server) => server.mint({ exp: 1e15 })],
  ['a token with an expiry that is no number', (server) => server.mint({ exp: '2100-01-01' })],
  ['a token for another audience', (server) => server.mint({ aud: 'https://elsewhere.example' })],
  ['a token for nobody', (server) => server.mint({ aud: undefined })],
  ['a token of another issuer', (server) => server.mint({ iss: 'https://elsewhere.example' })],
  ['a token of no issuer', (server) => server.mint({ iss: undefined })],
  ['an unsigned token', (server) => server.mint({}, { header: { alg: 'none' }, signature: 'none' })],
  ['a token with a wrong signature', (server) => server.mint({}, { signature: 'A'.repeat(86) })],
  [
    'a token with an unknown kid',
    async (server) => {
      allowKeySearch(server);
      return server.mint({}, { key: await generateTestKey({ alg: 'ES256' }) });
    },
  ],
  [
    'a token forged with the kid of the issuer',
    async (server) => server.mint({}, { key: await generateTestKey({ alg: 'ES256', kid: server.issuer.key.kid }) }),
  ],
  [
    'a token signed with the public key as a shared secret',
    (server) => server.mint({}, { key: symmetricTestKey(JSON.stringify(server.issuer.key.publicJwk)) }),
  ],
  ['a token with a critical extension', (server) => server.mint({}, { header: { crit: ['x'], x: 1 } })],
  ['a token bound to a key', (server) => server.mint({ cnf: { jkt: 'x'.repeat(43) } })],
  ['an ID token', (server) => server.mint({ nonce: 'n', aud: 'test-client' }, { header: { typ: 'JWT' } })],
  ['a logout token', (server) => server.mint({ events: {} }, { header: { typ: 'logout+jwt' } })],
  ['a token of nobody', (server) => server.mint({ sub: undefined, client_id: undefined })],
  ['a token with a subject that is no string', (server) => server.mint({ sub: { name: 'alice' } })],
];

/** Tokens that are good, and say unusual things. */
const GOOD_TOKENS: [what: string, make: (server: NotesServer) => Promise<string>][] = [
  ['a plain token', (server) => server.mint()],
  ['a token with scopes', (server) => server.mint({ scope: 'a b' })],
  ['a token of a client for itself', (server) => server.mint({ sub: 'test-client' })],
  ['a token on behalf of somebody', (server) => server.mint({ act: { sub: 'robot' } })],
  ['a token of type JWT', (server) => server.mint({ scope: 'a' }, { header: { typ: 'JWT' } })],
  ['a token for several audiences', (server) => server.mint({ aud: [server.resource, 'https://elsewhere.example'] })],
  ['a token about to expire', (server) => server.mint({ exp: minutes(server, 0) + 1 })],
];

describe.each(PLATFORMS)('2. Challenges and error answers, on %s', (platform) => {
  let server: NotesServer;

  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  describe('401', () => {
    it.each(NO_CREDENTIALS)('RFC9110-15.5.2-a: challenges a request with %s', async (_what, headers) => {
      await expectRefusal(server, await post(server.resource, callOf('ping'), headers), { status: 401 });
    });

    it.each(BAD_TOKENS)('RFC9110-15.5.2-a: challenges a request with %s', async (_what, make) => {
      const token = await make(server);
      const response = await server.callTool('ping', token);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
    });

    it.each([
      ['GET', '/mcp'],
      ['DELETE', '/mcp'],
      ['POST', '/mcp'],
      ['GET', '/plain'],
      ['POST', '/plain/scoped'],
      ['GET', '/open/mixed'],
    ])('RFC9110-15.5.2-a: challenges on every protected route: %s %s', async (method, path) => {
      const scope = { '/plain/scoped': 'a b', '/open/mixed': 'a' }[path];
      const expected: ExpectedRefusal = { status: 401, ...(scope && { scope }) };
      await expectRefusal(server, await fetch(server.origin + path, { method }), expected);
      const bad = await fetch(server.origin + path, { method, headers: bearer('garbage') });
      await expectRefusal(server, bad, { ...expected, error: 'invalid_token', token: 'garbage' });
    });

    it('RFC9110-15.5.2-a: challenges HEAD as it does GET', async () => {
      const response = await fetch(`${server.origin}/plain`, { method: 'HEAD' });
      expect(response.status).toBe(401);
      const [challenge] = parseChallenges(response.headers.get('www-authenticate') as string);
      expect(challenge?.params).toEqual({ resource_metadata: metadataUrlOf(server.resource) });
      expect(server.ran).toEqual([]);
    });

    it.each(NO_CREDENTIALS)('RFC6750-3.1-a: names no error, in header or body, for %s', async (_what, headers) => {
      for (const path of ['/mcp', '/plain/scoped']) {
        const response = await post(server.origin + path, callOf('ping'), headers);
        const scope = path === '/plain/scoped' ? { scope: 'a b' } : {};
        const { challenge, text: body } = await expectRefusal(server, response, { status: 401, ...scope });
        expect(Object.keys(challenge?.params ?? {}).toSorted()).toEqual(['resource_metadata', ...Object.keys(scope)]);
        expect(body).not.toMatch(/invalid_|insufficient_/);
      }
    });

    it('RFC6750-3.1-a: names no error in a body that is not JSON-RPC either', async () => {
      const response = await fetch(`${server.origin}/plain`);
      const { body } = await expectRefusal(server, response, { status: 401 });
      expect(body).toEqual({ error_description: 'Authorization is required.' });
    });

    it('RFC6750-3-b: names the error where a token was presented and failed', async () => {
      const response = await server.callTool('ping', 'garbage');
      const expected = { status: 401, error: 'invalid_token', token: 'garbage' } as const;
      const { challenge } = await expectRefusal(server, response, expected);
      expect(challenge?.params['error_description']).toBe('The access token is invalid or has expired.');
    });

    it('MCP-26-RS-08: names the scopes that this request needs', async () => {
      await expectRefusal(server, await server.callTool('read-note'), { status: 401, scope: 'a' });
      await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
      const bad = await server.callTool('write-note', 'garbage');
      await expectRefusal(server, bad, { status: 401, error: 'invalid_token', scope: 'a b', token: 'garbage' });
    });

    it('MCP-26-RS-08: has no scope parameter, rather than an empty one, where none is needed', async () => {
      const { challenge } = await expectRefusal(server, await server.callTool('ping'), { status: 401 });
      expect(challenge?.params).not.toHaveProperty('scope');
    });

    it('MCP-25-RS-02: names the metadata, and serves them there, on every 401', async () => {
      const answers = [
        await server.callTool('ping'),
        await server.callTool('write-note', 'garbage'),
        await fetch(`${server.origin}/plain`),
        await fetch(server.resource),
      ];
      for (const answer of answers) {
        const [challenge] = parseChallenges(answer.headers.get('www-authenticate') as string);
        const metadata = await fetch(challenge?.params['resource_metadata'] as string);
        expect([answer.status, metadata.status]).toEqual([401, 200]);
        expect(await metadata.json()).toMatchObject({ resource: server.resource });
      }
    });

    it('RFC9728-5.1-a: leads to a document whose resource is the very URL the client used', async () => {
      const { challenge } = await expectRefusal(server, await server.callTool('ping'), { status: 401 });
      const metadata = (await (await fetch(challenge?.params['resource_metadata'] as string)).json()) as object;
      expect(metadata).toHaveProperty('resource', server.resource);
    });

    it.each([
      ['X-Forwarded-Host', ['X-Forwarded-Host: evil.test', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 1']],
      ['Forwarded', ['Forwarded: host=evil.test;proto=https;for=10.0.0.1']],
      ['X-Original-URL', ['X-Original-URL: https://evil.test/mcp', 'X-Rewrite-URL: /evil.test']],
      ['Referer', ['Referer: https://evil.test/']],
    ])('RFC9728-5.1-a: derives nothing from %s', async (_what, lines) => {
      const headers = ['Content-Type: application/json', ...lines];
      const response = await sendRaw(server.origin, { path: '/mcp', headers, body: JSON.stringify(callOf('ping')) });
      await expectRefusal(server, response, { status: 401 });
      expect(JSON.stringify([...response.headers])).not.toContain('evil.test');
      expect(response.body).not.toContain('evil.test');
    });
  });

  describe('403', () => {
    it('RFC6750-3-a: challenges for insufficient scope too, and never writes the scheme alone', async () => {
      const token = await server.mint({ scope: 'b' });
      const response = await server.callTool('read-note', token);
      const header = response.headers.get('www-authenticate');
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a', token });
      expect(header).toMatch(/^Bearer error="insufficient_scope", /);
      for (const headers of NO_CREDENTIALS.map(([, value]) => value)) {
        const bare = await post(server.resource, callOf('ping'), headers);
        expect(bare.headers.get('www-authenticate')).toMatch(/^Bearer \w+="/);
      }
    });

    it.each([
      ['expired', (now: number) => ({ exp: now - 60 })],
      ['for another audience', () => ({ aud: 'https://elsewhere.example' })],
      ['of another issuer', () => ({ iss: 'https://elsewhere.example' })],
      ['bound to a key', () => ({ cnf: { jkt: 'x'.repeat(43) } })],
    ])(
      'MCP-26-RS-05: decides about the token before the scope: 401 for one %s, without scope',
      async (_what, claims) => {
        const token = await server.mint({ scope: '', ...claims(minutes(server, 0)) });
        const response = await server.callTool('write-note', token);
        await expectRefusal(server, response, { status: 401, error: 'invalid_token', scope: 'a b', token });
      },
    );

    it('MCP-26-RS-05: asks no policy of the application before the token is known to be good', async () => {
      const token = await server.mint({ exp: minutes(server, -1), roles: ['x'] });
      for (const name of ['forbidden', 'role-gated', 'user-only']) {
        const response = await server.callTool(name, token);
        await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
      }
    });

    it('MCP-26-RS-06: answers 401 to no or a bad token, 403 to missing scopes, 400 to a malformed request', async () => {
      await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
      const bad = await server.callTool('write-note', 'garbage');
      await expectRefusal(server, bad, { status: 401, error: 'invalid_token', scope: 'a b', token: 'garbage' });
      const token = await server.mint({ scope: 'a' });
      const insufficient = await server.callTool('write-note', token);
      await expectRefusal(server, insufficient, { status: 403, error: 'insufficient_scope', scope: 'a b', token });
      const malformed = await sendRaw(server.origin, {
        path: '/mcp',
        headers: ['Content-Type: application/json', `Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`],
        body: JSON.stringify(callOf('write-note')),
      });
      await expectRefusal(server, malformed, { status: 400, error: 'invalid_request', scope: 'a b', token });
    });

    it.each([
      ['a policy that always refuses', 'forbidden', {}],
      ['a missing role', 'role-gated', { roles: ['y'] }],
      ['a client acting for itself', 'user-only', { sub: 'test-client' }],
    ])('MCP-26-RS-06: answers %s with 403 and no challenge: no scope would help', async (_what, name, claims) => {
      const token = await server.mint({ scope: 'a b admin', ...claims });
      await expectRefusal(server, await server.callTool(name, token), { status: 403, token });
    });

    it('MCP-26-RS-06: lets the caller through whom the policy permits', async () => {
      const token = await server.mint({ roles: ['x'] });
      await expectServed(server, await server.callTool('role-gated', token), 'role-gated');
    });

    it.each([
      ['one of them', 'a'],
      ['the other', 'b'],
      ['none', ''],
      ['others', 'admin c'],
      ['names that begin the same', 'aa bb a:b'],
    ])('MCP-26-RS-07: names all scopes of the operation where the token has %s', async (_what, scope) => {
      const token = await server.mint({ scope });
      const response = await server.callTool('write-note', token);
      const expected = { status: 403, error: 'insufficient_scope', scope: 'a b', token } as const;
      const { challenge } = await expectRefusal(server, response, expected);
      const bare = await server.callTool('write-note');
      const unauthorized = await expectRefusal(server, bare, { status: 401, scope: 'a b' });
      expect(challenge?.params['resource_metadata']).toBe(unauthorized.challenge?.params['resource_metadata']);
    });

    it('MCP-26-RS-07: does the same on a plain route', async () => {
      const token = await server.mint({ scope: 'a' });
      const response = await post(`${server.origin}/plain/scoped`, {}, bearer(token));
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a b', token });
    });

    it('MCP-26-RS-09: names in one challenge what the decorator and what the arguments ask for', async () => {
      const args = { scope: 'c:42' };
      const poor = await server.mint({ scope: '' });
      const response = await server.callTool('by-argument', poor, args);
      const expected = { status: 403, error: 'insufficient_scope', scope: 'a c:42', token: poor } as const;
      const { challenge } = await expectRefusal(server, response, expected);
      const granted = await server.mint({ scope: challenge?.params['scope'] });
      await expectServed(server, await server.callTool('by-argument', granted, args), 'by-argument');
    });

    it('MCP-26-RS-09: is satisfied by exactly the scopes it named', async () => {
      const poor = await server.callTool('write-note', await server.mint());
      const { challenge } = await expectRefusal(server, poor, {
        status: 403,
        error: 'insufficient_scope',
        scope: 'a b',
      });
      const granted = await server.mint({ scope: challenge?.params['scope'] });
      await expectServed(server, await server.callTool('write-note', granted), 'write-note');
    });

    it('MCP-26-RS-09: names in one challenge what all messages of a batch need', async () => {
      const token = await server.mint();
      const batch = [callOf('write-note', {}, 1), callOf('admin', {}, 2), callOf('read-note', {}, 3)];
      const response = await post(server.resource, batch, { ...bearer(token), ...ERA_OF_BATCHES });
      const expected = { status: 403, error: 'insufficient_scope', scope: 'a b admin', token } as const;
      const { body } = await expectRefusal(server, response, expected);
      expect(body['id']).toBeNull();
    });

    it('MCP-26-RS-09: writes the same scopes for the same request, every time and on every instance', async () => {
      const options = { audience: server.resource };
      const other = await startNotesServer(platform, { sharedIssuer: server.issuer, options });
      try {
        const token = await server.mint({ scope: 'b' });
        const requests = [
          (to: NotesServer) => to.callTool('write-note', token),
          (to: NotesServer) => to.callTool('write-note', token),
          (to: NotesServer) => to.callTool('by-argument', token, { scope: 'z' }),
          (to: NotesServer) => {
            return post(to.resource, [callOf('admin'), callOf('write-note')], { ...bearer(token), ...ERA_OF_BATCHES });
          },
        ];
        for (const send of requests) {
          const scopes = await Promise.all(
            [server, other, server].map(async (to) => {
              const [challenge] = parseChallenges((await send(to)).headers.get('www-authenticate') as string);
              return challenge?.params['scope'];
            }),
          );
          expect(scopes).toEqual([expect.any(String), scopes[0], scopes[0]]);
        }
      } finally {
        await other.close();
      }
    });
  });

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
      ['null, which is no usable id', null, null],
      ['an object, which is no usable id', { x: 1 }, null],
      ['a boolean, which is no usable id', true, null],
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
      @McpController()
      class LateTools {
        @Tool({ name: 'late', description: 'Refuses by itself' })
        @RequireScopes('a')
        late(): object {
          throw new McpAuthError('insufficient_scope', 'scope_missing', { scopes: ['late'] });
        }
      }
      browser = await startNotesServer(platform, {
        issuer,
        controllers: [LateTools],
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

/** RFC 6750 §3: what the values of each parameter may be made of, read off the header as it was sent. */
function expectAllowedCharacters(response: Response): void {
  const header = response.headers.get('www-authenticate');
  if (header === null) return;
  const parameters = [...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value] as const);
  const written = parameters.map(([name, value]) => `${name}="${value}"`).join(', ');
  expect(header).toBe(`Bearer ${written}`);
  for (const [name, value] of parameters) {
    const allowed = name === 'scope' ? /^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/ : /^[ !#-[\]-~]+$/;
    expect(value).toMatch(allowed);
  }
}

describe.each(PLATFORMS)('2. Challenges under other options, on %s', (platform) => {
  let server: NotesServer;
  const start = async (settings: NotesServerSettings): Promise<void> => {
    server = await startNotesServer(platform, { issuer, ...settings });
  };
  afterEach(() => server?.close());

  it('MCP-26-RS-08: names the baseline too, and alone where the body says nothing', async () => {
    await start({ options: { scopes: { required: ['mcp', 'base'] } } });
    await expectRefusal(server, await server.callTool('ping'), { status: 401, scope: 'mcp base' });
    await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'mcp base a b' });
    await expectRefusal(server, await fetch(server.resource), { status: 401, scope: 'mcp base' });
    await expectRefusal(server, await post(server.resource, { hello: 'world' }), { status: 401, scope: 'mcp base' });
    const token = await server.mint({ scope: 'a b' });
    const expected = { error: 'insufficient_scope', token } as const;
    const write = await server.callTool('write-note', token);
    await expectRefusal(server, write, { ...expected, status: 403, scope: 'mcp base a b' });
    const ping = await server.callTool('ping', token);
    await expectRefusal(server, ping, { ...expected, status: 403, scope: 'mcp base' });
  });

  it('MCP-26-RS-08: never names the catalogue of supported scopes', async () => {
    await start({ options: { scopes: { supported: ['a', 'b', 'admin', 'other'] } } });
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
    await expectRefusal(server, await server.callTool('read-note'), { status: 401, scope: 'a' });
  });

  it.each([
    ['required', { scopes: { required: ['a', 'offline_access'] } }],
    ['supported', { scopes: { supported: ['offline_access'] } }],
    ['implied', { scopes: { hierarchy: { admin: ['offline_access'] } } }],
  ])('MCP-26-RS-11: refuses to start where offline_access is %s', async (_what, options) => {
    const sharedIssuer = await TestIssuer.start(issuer);
    try {
      const error: unknown = await start({ sharedIssuer, options }).catch((reason: unknown) => reason);
      expect(error).toEqual(expect.any(McpAuthConfigError));
      expect((error as Error).message).toMatch(/scopes\.\w+.*"offline_access".*authorization server/s);
    } finally {
      await sharedIssuer.close();
    }
  });

  it('MCP-26-RS-11: refuses offline_access in a decorator, when the class is loaded', () => {
    expect(() => RequireScopes('a', 'offline_access')).toThrow(McpAuthConfigError);
    expect(() => RequireScopes('a', 'offline_access')).toThrow(/"offline_access"/);
  });

  it('MCP-26-RS-11: has offline_access nowhere on the wire', async () => {
    await start({});
    const metadata = await (await fetch(metadataUrlOf(server.resource))).text();
    const token = await server.mint({ scope: 'a' });
    const stepUp = await server.callTool('by-argument', token, { scope: 'offline_access' });
    expect(metadata + stepUp.headers.get('www-authenticate')).not.toContain('offline_access');
  });

  it('RFC9728-5.1-a: advertises an absolute https URL of the configured resource, whatever was used', async () => {
    const resource = 'https://mcp.example.com/notes/mcp';
    await start({ options: { resource } });
    const resourceMetadata = 'https://mcp.example.com/.well-known/oauth-protected-resource/notes/mcp';
    const token = await server.mint({ aud: resource });
    const headers = { host: 'evil.test', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'evil.test' };
    const bare = await server.callTool('ping', undefined, {}, headers);
    await expectRefusal(server, bare, { status: 401, resourceMetadata });
    const poor = await server.callTool('read-note', token, {}, headers);
    await expectRefusal(server, poor, {
      status: 403,
      error: 'insufficient_scope',
      scope: 'a',
      token,
      resourceMetadata,
    });
    const document = await fetch(server.origin + new URL(resourceMetadata).pathname);
    expect(await document.json()).toHaveProperty('resource', resource);
  });

  it('RFC9728-5.1-a: derives nothing from Host, or from an absolute request target', async () => {
    const resource = 'https://mcp.example.com/mcp';
    await start({ options: { resource } });
    const resourceMetadata = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp';
    const body = JSON.stringify(callOf('ping'));
    const requests = [
      { method: 'GET', path: '/plain', headers: ['Host: evil.test'] },
      { method: 'GET', path: '/plain', headers: ['Host: evil.test:8443', 'X-Forwarded-Host: evil.test'] },
      { method: 'GET', path: '/plain', headers: ['Host:'] },
      { path: '/mcp', headers: ['Host: evil.test', 'Content-Type: application/json'], body },
    ];
    for (const request of requests) {
      const response = await sendRaw(server.origin, request);
      await expectRefusal(server, response, { status: 401, resourceMetadata });
      expect(JSON.stringify([...response.headers]) + response.body).not.toContain('evil.test');
    }
    const absolute = { method: 'GET', path: 'http://evil.test/plain', headers: ['Host: evil.test'] };
    const response = await sendRaw(server.origin, absolute);
    expect(JSON.stringify([...response.headers])).not.toContain('evil.test/.well-known');
    expect(server.ran).toEqual([]);
  });

  it('OA21-5.3.1-b: allows every character of a scope, and of every description, and no others', async () => {
    @McpController()
    class OddTools {
      @Tool({ name: 'odd', description: 'Scopes of odd characters' })
      @RequireScopes("!#$%&'()*+,-./:;<=>?@[]^_`{|}~", 'https://mcp.example.com/scopes/read', 'Notes.Read')
      odd(): object {
        return text('odd');
      }
    }
    await start({ controllers: [OddTools], options: { exposeErrorDetails: true } });
    const descriptions = new Set<string>();
    for (const [, make] of [...BAD_TOKENS, ['poor', () => server.mint()] as const]) {
      const response = await server.callTool('odd', await make(server));
      expectAllowedCharacters(response);
      const [challenge] = parseChallenges(response.headers.get('www-authenticate') as string);
      descriptions.add(challenge?.params['error_description'] as string);
      expect(challenge?.params['scope']).toBe(
        "!#$%&'()*+,-./:;<=>?@[]^_`{|}~ https://mcp.example.com/scopes/read Notes.Read",
      );
    }
    for (const credentials of ['Bearer "x"', 'Bearer', 'Bearer a b']) {
      expectAllowedCharacters(await post(server.resource, callOf('ping'), { authorization: credentials }));
    }
    // One sentence for nearly every kind of bad token: what is written is not one constant.
    expect(descriptions.size).toBeGreaterThan(12);
  });

  it('RFC6750-3.1-b: uses the registered codes where reasons are exposed too', async () => {
    await start({ options: { exposeErrorDetails: true } });
    for (const [, make] of BAD_TOKENS) {
      const token = await make(server);
      const response = await server.callTool('ping', token);
      const { challenge } = await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
      expect(challenge?.params['error_description']).toMatch(/ Reason: /);
      resetRecorded(server);
    }
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
  });
});

describe.each(PLATFORMS)('2. An authorization server that fails, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeEach(async () => {
    server = await startNotesServer(platform, { issuer });
    token = await server.mint({ exp: minutes(server, 120) });
  });
  afterEach(() => server.close());

  const expectUndecided = async (response: Response, presented = token): Promise<void> => {
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    const { text: body } = await expectRefusal(server, response, { status: 503, token: presented });
    expect(body).not.toMatch(/invalid_token|Error|at .*:\d+|127\.0\.0\.1/);
  };

  const FAULTS: [fault: TestFault, on: 'metadata' | 'jwks' | 'all'][] = [
    ...(['down', 'error', 'not-found', 'redirect', 'html', 'invalid-json', 'huge'] as const).flatMap(
      (fault): [TestFault, 'metadata' | 'jwks'][] => [
        [fault, 'metadata'],
        [fault, 'jwks'],
      ],
    ),
    ['wrong-issuer', 'metadata'],
  ];

  it.each(FAULTS)('LIB-08: answers 503 while nothing is known of its keys: %s of the %s', async (fault, on) => {
    server.issuer.fail(fault, on);
    await expectUndecided(await server.callTool('ping', token));
    await expectUndecided(await server.callTool('write-note', token));
    await expectUndecided(await fetch(`${server.origin}/plain`, { headers: bearer(token) }));
    expect(server.issuer.requestCount('canary')).toBe(0);
  });

  it('LIB-08: answers 503 where nothing listens any more', async () => {
    await server.issuer.close();
    await expectUndecided(await server.callTool('ping', token));
  });

  it('LIB-08: answers 503 where the connection to it cannot be made secure', async () => {
    const other = await startNotesServer(platform, {
      sharedIssuer: server.issuer,
      options: {
        audience: server.resource,
        authorizationServers: [
          { issuer: server.issuer.issuer, jwksUri: server.issuer.jwksUri.replace('http:', 'https:') },
        ],
      },
    });
    try {
      const response = await other.callTool('ping', token);
      expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
      await expectRefusal(other, response, { status: 503, token });
    } finally {
      await other.close();
    }
  });

  it.each(FAULTS)('LIB-08: serves on with the keys it has: %s of the %s', async (fault, on) => {
    await expectServed(server, await server.callTool('ping', token), 'ping');
    server.issuer.fail(fault, on);
    server.clock.now += 30 * 60_000;
    for (let again = 0; again < 3; again++) {
      resetRecorded(server);
      await expectServed(server, await server.callTool('ping', token), 'ping');
    }
  });

  it('LIB-08: answers 503 to a token of a key it does not know, while it cannot ask for new keys', async () => {
    await expectServed(server, await server.callTool('ping', token), 'ping');
    await server.issuer.rotateKeys({ keepOld: true });
    const fresh = await server.mint({ exp: minutes(server, 120) });
    server.issuer.fail('error');
    resetRecorded(server);
    await expectUndecided(await server.callTool('ping', fresh), fresh);
    await expectUndecided(await server.callTool('ping', fresh), fresh);
    await expectServed(server, await server.callTool('ping', token), 'ping');
    resetRecorded(server);
    server.issuer.recover();
    server.clock.now += 60_000;
    await expectServed(server, await server.callTool('ping', fresh), 'ping');
    resetRecorded(server);
    const unknown = await server.mint({}, { key: await generateTestKey({ alg: 'ES256' }) });
    const response = await server.callTool('ping', unknown);
    await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: unknown });
  });

  it('LIB-08: tells by what a verifier of the application throws whether the token is bad', async () => {
    const verifier = (presented: string): never => {
      if (presented.startsWith('forged')) throw new errors.JWSSignatureVerificationFailed();
      throw new Error(`no connection to the database, for ${presented}`);
    };
    const other = await startNotesServer(platform, { sharedIssuer: server.issuer, options: { verifier } });
    try {
      const forged = await other.callTool('ping', 'forged-token-0123456789');
      const bad = { status: 401, error: 'invalid_token', token: 'forged-token-0123456789' } as const;
      await expectRefusal(other, forged, bad);
      const undecided = await other.callTool('ping', 'opaque-token-0123456789');
      await expectRefusal(other, undecided, { status: 503, token: 'opaque-token-0123456789' });
    } finally {
      await other.close();
    }
  });

  it('LIB-08: works again once the authorization server does', async () => {
    server.issuer.fail('error');
    await expectUndecided(await server.callTool('ping', token));
    server.issuer.recover();
    server.clock.now += 5_000;
    await expectServed(server, await server.callTool('ping', token), 'ping');
  });

  it('LIB-08: still tells a bad token, and a request without one, by themselves', async () => {
    server.issuer.fail('down');
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
    const elsewhere = await server.mint({ aud: 'https://elsewhere.example' });
    for (const bad of ['garbage', await server.mint({ exp: 1 }), elsewhere]) {
      const response = await server.callTool('ping', bad);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: bad });
    }
    expect(server.issuer.requests).toEqual([]);
  });
});

describe.each(PLATFORMS)('2. What the framework and the application add, on %s', (platform) => {
  /** Answers everything in a way of its own, as filters of applications do. */
  @Catch()
  class EverythingFilter implements ExceptionFilter {
    constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

    catch(_error: unknown, host: ArgumentsHost): void {
      if (host.getType() !== 'http') return;
      this.host.httpAdapter.reply(host.switchToHttp().getResponse(), { caught: true }, 418);
    }
  }

  @Injectable({ scope: Scope.REQUEST })
  class PerRequestFilter extends EverythingFilter {}

  class WrappingInterceptor implements NestInterceptor {
    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle().pipe(
        map((data: unknown) => ({ wrapped: data })),
        catchError(() => of({ swallowed: true })),
      );
    }
  }

  const nothing = (): void => undefined;
  const useEverything = UseFilters(EverythingFilter);

  /** A controller of the same routes everywhere, with or without a filter of its own. */
  const extraController = (onClass: ClassDecorator = nothing, onMethod: MethodDecorator = nothing) => {
    @Controller('extra')
    class ExtraController {
      @Get()
      @onMethod
      get(): object {
        return { ok: true };
      }

      @Post('scoped')
      @onMethod
      @RequireScopes('a', 'b')
      scoped(): object {
        return { ok: true };
      }

      @Get('denied')
      @onMethod
      @Authorize(() => false)
      denied(): object {
        return { ok: true };
      }

      @Sse('events')
      @onMethod
      events(): Observable<object> {
        return of({ data: 'event' });
      }
    }
    onClass(ExtraController);
    return ExtraController;
  };

  const VARIANTS: [what: string, settings: () => NotesServerSettings][] = [
    [
      'a catch-all filter by useGlobalFilters',
      () => ({
        prepare: (app) => {
          app.useGlobalFilters(new EverythingFilter(app.get(HttpAdapterHost)));
        },
      }),
    ],
    ['a catch-all filter by APP_FILTER', () => ({ providers: [{ provide: APP_FILTER, useClass: EverythingFilter }] })],
    [
      'a catch-all filter by APP_FILTER, for each request',
      () => ({ providers: [{ provide: APP_FILTER, useClass: PerRequestFilter, scope: Scope.REQUEST }] }),
    ],
    [
      'a catch-all filter on the classes',
      () => ({ decorateEndpoint: useEverything as ClassDecorator, controllers: [extraController(useEverything)] }),
    ],
    ['a catch-all filter on the methods', () => ({ controllers: [extraController(nothing, useEverything)] })],
    [
      'a wrapping interceptor by useGlobalInterceptors',
      () => ({
        prepare: (app) => {
          app.useGlobalInterceptors(new WrappingInterceptor());
        },
      }),
    ],
    [
      'a wrapping interceptor by APP_INTERCEPTOR',
      () => ({ providers: [{ provide: APP_INTERCEPTOR, useClass: WrappingInterceptor }] }),
    ],
    [
      'a pipe that refuses everything',
      () => ({
        prepare: (app) => {
          app.useGlobalPipes({
            transform: () => {
              throw new BadRequestException();
            },
          });
        },
      }),
    ],
    [
      'all of these, inherited by MCP handlers',
      () => ({
        inheritAppConfig: true,
        decorateEndpoint: useEverything as ClassDecorator,
        controllers: [extraController(useEverything, useEverything)],
        providers: [
          { provide: APP_FILTER, useClass: EverythingFilter },
          { provide: APP_INTERCEPTOR, useClass: WrappingInterceptor },
        ],
      }),
    ],
  ];

  // The same identifiers everywhere, so that answers can be compared whole.
  const resource = 'https://mcp.example.com/mcp';
  let shared: TestIssuer;
  let tokens: { poor: string; expired: string; undecided: string };
  let expected: unknown[];

  const start = (settings: NotesServerSettings): Promise<NotesServer> => {
    const options: Partial<McpAuthModuleOptions> = {
      resource,
      authorizationServers: [shared.issuer, { issuer: 'https://down.example', jwksUri: 'https://127.0.0.1:1/jwks' }],
    };
    return startNotesServer(platform, {
      sharedIssuer: shared,
      options,
      controllers: [extraController()],
      ...settings,
    });
  };

  /** Every kind of refusal on every kind of route, with everything the client sees of it. */
  const refusalsOf = async ({ origin }: NotesServer): Promise<unknown[]> => {
    const credentials = [
      {},
      { authorization: 'Basic eDp5' },
      bearer('garbage'),
      ...[tokens.expired, tokens.undecided, tokens.poor].map(bearer),
    ];
    const requests = credentials.flatMap((headers) => [
      post(`${origin}/mcp`, callOf('write-note'), headers),
      post(`${origin}/mcp`, callOf('forbidden'), headers),
      post(`${origin}/extra/scoped`, {}, headers),
      fetch(`${origin}/extra/denied`, { headers }),
      // No refusal with the last of the credentials.
      ...(headers === credentials.at(-1)
        ? []
        : [
            fetch(`${origin}/mcp`, { headers }),
            fetch(`${origin}/extra`, { headers }),
            fetch(`${origin}/extra/events`, { headers: { ...headers, accept: 'text/event-stream' } }),
          ]),
    ]);
    const repeated = [`Authorization: Bearer ${tokens.poor}`, `Authorization: Bearer ${tokens.poor}`];
    const raw = await sendRaw(origin, { method: 'GET', path: '/extra', headers: repeated });
    const answers = await Promise.all(
      requests.map(async (request) => {
        const response = await request;
        const headers = [...response.headers].filter(([name]) => name !== 'date');
        return { status: response.status, headers, body: await response.text() };
      }),
    );
    const rawHeaders = [...raw.headers].filter(([name]) => name !== 'date');
    return [...answers, { status: raw.status, headers: rawHeaders, body: raw.body }];
  };

  beforeAll(async () => {
    shared = await TestIssuer.start({ ...issuer, audience: resource });
    tokens = {
      poor: await shared.mint({ scope: 'b' }),
      expired: await shared.mint({ exp: 1 }),
      undecided: await shared.mint({ iss: 'https://down.example' }),
    };
    const plain = await start({});
    expected = await refusalsOf(plain);
    await plain.close();
  });
  afterAll(() => shared.close());

  it('LIB-03: has refusals of every status to compare', () => {
    const statuses = (expected as { status: number }[]).map(({ status }) => status);
    expect([...new Set(statuses)].toSorted()).toEqual([400, 401, 403, 503]);
  });

  it.each(VARIANTS)('LIB-03: answers with the same status, headers and body under %s', async (_what, settings) => {
    const server = await start(settings());
    try {
      expect(await refusalsOf(server)).toEqual(expected);
      expect(server.ran).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it('LIB-03: has filters and interceptors that would have changed the answers', async () => {
    const server = await start({
      controllers: [extraController(useEverything)],
      providers: [{ provide: APP_INTERCEPTOR, useClass: WrappingInterceptor }],
    });
    try {
      const served = await fetch(`${server.origin}/extra`, { headers: bearer(tokens.poor) });
      expect(await served.json()).toEqual({ wrapped: { ok: true } });
      const missing = await startNotesServer(platform, {
        sharedIssuer: shared,
        options: { audience: resource },
        providers: [{ provide: APP_FILTER, useClass: EverythingFilter }],
      });
      const notFound = await fetch(`${missing.origin}/nowhere`);
      expect([notFound.status, await notFound.json()]).toEqual([418, { caught: true }]);
      await missing.close();
    } finally {
      await server.close();
    }
  });
});

describe.each(PLATFORMS)('2. Secrets, on %s', (platform) => {
  const LEVELS: LogLevel[] = ['verbose', 'debug', 'log', 'warn', 'error', 'fatal'];
  const CONSOLE = ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table'] as const;

  /** What an application does with the caller and with errors, secrets not in mind. */
  @McpController()
  class CarelessTools {
    readonly #logger = new Logger('CarelessTools');

    @Tool({ name: 'careless', description: 'Logs the caller' })
    careless(@AuthInfo() auth: McpAuthInfo): object {
      this.#logger.log(auth);
      this.#logger.error(`caller: ${JSON.stringify(auth)}`, { ...auth });
      console.log(auth, structuredClone({ ...auth, resource: undefined }));
      return text('logged');
    }

    @Tool({ name: 'failing', description: 'Fails' })
    failing(): object {
      throw new Error('out of order');
    }

    @Tool({ name: 'late-refusal', description: 'Refuses by itself' })
    @RequireScopes('a')
    lateRefusal(): object {
      throw new McpAuthError('access_denied', 'policy_denied', { cause: new Error('because') });
    }

    @Tool({ name: 'failing-policy', description: 'Its policy fails' })
    @Authorize(({ auth }: PolicyContext) => {
      throw new Error(`no decision about ${auth.subject}`);
    })
    failingPolicy(): object {
      return text('never');
    }
  }

  /** Everything that reaches the outside of the process while this runs. */
  async function capturing(run: () => Promise<void>): Promise<string> {
    const written: string[] = [];
    const record = (...values: unknown[]): void => {
      written.push(...values.map((value) => (typeof value === 'string' ? value : inspectFully(value))));
    };
    const spies = [
      ...CONSOLE.map((method) => jest.spyOn(console, method).mockImplementation(record)),
      ...[process.stdout, process.stderr].map((stream) =>
        jest.spyOn(stream, 'write').mockImplementation((chunk: unknown) => {
          record(String(chunk));
          return true;
        }),
      ),
    ];
    try {
      await run();
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    return written.join('\n');
  }

  const COMMON_TOOLS = ['ping', 'whoami', 'read-note', 'forbidden', 'nowhere'];
  const CARELESS_TOOLS = ['careless', 'failing', 'late-refusal', 'failing-policy'];

  const requests = (server: NotesServer, token: string): (() => Promise<Response>)[] => [
    ...[...COMMON_TOOLS, ...CARELESS_TOOLS].map((name) => () => server.callTool(name, token)),
    () => server.rpc('tools/list', {}, bearer(token)),
    () => server.rpc('foo/bar', {}, bearer(token)),
    () => fetch(`${server.origin}/plain`, { headers: bearer(token) }),
    () => fetch(`${server.origin}/nowhere`, { headers: bearer(token) }),
    () => fetch(`${server.origin}/open?access_token=${token}`, { headers: bearer(token) }),
    () => fetch(server.resource, { method: 'POST', headers: { ...JSON_HEADERS, ...bearer(token) }, body: '{"broken' }),
  ];

  it.each(['a logger of the application', 'the logger of NestJS'])(
    'RFC9700-4.9.2-a: lets no token out, good or bad, with %s at every level',
    async (which) => {
      let server!: NotesServer;
      const tokens: string[] = [];
      const answers: string[] = [];
      const written = await capturing(async () => {
        server = await startNotesServer(platform, {
          issuer,
          controllers: [CarelessTools],
          options: { exposeErrorDetails: true },
          prepare: (app) => {
            if (which === 'a logger of the application') return;
            app.useLogger(new ConsoleLogger({ logLevels: LEVELS, colors: false }));
          },
        });
        const all = [...BAD_TOKENS, ...GOOD_TOKENS];
        for (const [, make] of all) {
          const token = await make(server);
          tokens.push(token);
          for (const send of requests(server, token)) {
            const response = await send();
            answers.push(`${JSON.stringify([...response.headers])} ${await response.text()}`);
          }
        }
        // While the keys cannot be had, too.
        server.issuer.fail('error');
        server.clock.now += 24 * 3_600_000;
        const undecided = await server.mint({ sub: 'undecided' });
        tokens.push(undecided);
        answers.push(await (await server.callTool('ping', undecided)).text());
        await server.close();
      });
      const log = which === 'a logger of the application' ? server.log.join('\n') : written;
      // What was captured is what there was: refusals, failures, and what the application itself logged.
      for (const line of ['Refused 401', 'Refused 403', 'Refused 503', 'out of order', 'caller: ']) {
        expect(log).toContain(line);
      }
      const outbound = JSON.stringify(server.issuer.requests);
      expect(server.issuer.requestCount('jwks')).toBeGreaterThan(0);
      for (const token of tokens) {
        expectNoTrace(token, { written, log: server.log.join('\n'), answers: answers.join('\n'), outbound });
      }
    },
    60_000,
  );

  it('RFC9700-4.9.2-a: keeps tokens out of errors, whichever way they are printed', async () => {
    const server = await startNotesServer(platform, { issuer });
    try {
      const { McpAuthService } = await import('nestjs-mcp-auth');
      const service = server.app.get(McpAuthService);
      for (const [what, make] of BAD_TOKENS) {
        const token = await make(server);
        const error: unknown = await service.verify(token).catch((reason: unknown) => reason);
        expect([what, error]).toEqual([what, expect.any(McpAuthError)]);
        const { stack } = error as Error;
        expectNoTrace(token, { printed: inspectFully(error), json: JSON.stringify(error), stack: String(stack) });
      }
      const good = await server.mint();
      const auth = await service.verify(good);
      expect(auth.token).toBe(good);
      expectNoTrace(good, {
        printed: inspectFully(auth),
        json: JSON.stringify(auth),
        spread: inspectFully({ ...auth }),
      });
    } finally {
      await server.close();
    }
  });
});

function inspectFully(value: unknown): string {
  return inspect(value, { depth: Infinity, maxStringLength: Infinity });
}
