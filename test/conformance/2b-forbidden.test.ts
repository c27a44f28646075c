import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { ROLE_GATED, USER_ONLY } from '../support/policy-tools.js';
import { bearer } from '../support/rpc.js';
import { sendRaw } from '../support/raw-http.js';
import { callOf, post, NO_CREDENTIALS, minutes } from '../support/challenge-cases.js';

const issuer = { alg: 'ES256' } as const;

/** The last version of the protocol that had them. */
const ERA_OF_BATCHES = { 'mcp-protocol-version': '2025-03-26' };

describe.each(PLATFORMS)('2. Challenges and error answers, on %s', (platform) => {
  let server: NotesServer;

  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer, tools: [ROLE_GATED, USER_ONLY] });
  });

  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

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
});
