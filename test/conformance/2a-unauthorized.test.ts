import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectRefusal, resetRecorded, metadataUrlOf, type ExpectedRefusal } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { sendRaw } from '../support/raw-http.js';
import { callOf, post, NO_CREDENTIALS, BAD_TOKENS } from '../support/challenge-cases.js';

const issuer = { alg: 'ES256' } as const;

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
});
