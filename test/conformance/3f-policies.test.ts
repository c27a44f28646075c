import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, type Type } from '@nestjs/common';
import { z } from 'zod';
import { Authorize, RequireScopes, type McpAuthInfo, type PolicyContext } from 'nestjs-mcp-auth';
import type { McpAuthReason } from '../../lib/core/error.js';
import { expectNoTrace, expectRefusal, expectServed, resetRecorded, read } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { ROLE_GATED, USER_ONLY } from '../support/policy-tools.js';
import { expectReason, expectRejected, whoami } from '../support/tokens.js';

// What a valid token with all the scopes still does not permit.

const ALL_SCOPES = 'a b admin';

const TOOLS = [
  USER_ONLY,
  ROLE_GATED,
  givenTool('by-tenant', { scopes: ['a'], policies: [isOfTenant], parameters: z.object({ tenant: z.string() }) }),
  givenTool('for-admins', {
    policies: [({ auth }) => [auth.subject, auth.actor?.['sub']].includes('admin')],
  }),
  givenTool('both', { policies: [() => true, async () => Promise.resolve(false)] }),
  // Returns something else than it should.
  givenTool('careless', { policies: [({ auth }) => auth.claims['verdict'] as boolean] }),
  givenTool('broken', {
    policies: [
      () => {
        throw new Error('the reason is nobody else’s business');
      },
    ],
  }),
];

function isOfTenant({ auth, args }: PolicyContext): boolean {
  return Object.hasOwn(auth.claims, 'tenant') && auth.claims['tenant'] === (args as { tenant?: unknown }).tenant;
}

/** Routes with policies. */
function restricted(ran: () => string[]): Type {
  const done = (name: string): object => {
    ran().push(name);
    return { done: name };
  };

  @Controller('restricted')
  class RestrictedController {
    @Get()
    @Authorize(({ auth }: PolicyContext) => auth.kind === 'user')
    get(): object {
      return done('restricted get');
    }

    @Post()
    @RequireScopes('a')
    @Authorize(() => false)
    post(): object {
      return done('restricted post');
    }
  }
  return RestrictedController;
}

/** Users, for all that anybody knows; or workloads, or service accounts. */
const UNKNOWN: readonly object[] = [
  { sub: 'alice', client_id: 'web' },
  { sub: 'alice', client_id: undefined },
  { sub: 'Alice', client_id: 'alice' },
  { sub: 'eve@clients', client_id: 'web' },
  { sub: 'system:serviceaccount:prod:worker', client_id: undefined },
  { sub: '1122', azp: '1122-x', email: 'worker@project.iam.gserviceaccount.com', email_verified: true },
  { sub: '0f1e', client_id: 'web', acr: '1', preferred_username: 'service-account-web', name: 'worker' },
];

describe.each(PLATFORMS)('policies of the application, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      tools: TOOLS,
      controllers: [restricted(() => server.ran)],
    });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const mint = (claims: object = {}): Promise<string> => server.mint({ scope: ALL_SCOPES, ...claims });
  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

  /** Asserts that a tool does not run for this token, and that no other token is asked for. */
  async function expectDenied(tool: string, token: string, args?: object): Promise<void> {
    resetRecorded(server);
    await expectRefusal(server, await server.callTool(tool, token, args), { status: 403, token });
    expectReason(server, 'policy_denied');
  }

  async function expectAllowed(tool: string, token: string, args?: object): Promise<void> {
    resetRecorded(server);
    await expectServed(server, await server.callTool(tool, token, args), tool);
  }

  describe('a decision', () => {
    it('MCP-SBP-04: denies for good, whatever scopes there are: 403 without a challenge', async () => {
      await expectDenied('forbidden', await mint());
      await expectDenied('both', await mint());
      const token = await mint();
      resetRecorded(server);
      const response = await fetch(`${server.origin}/restricted`, { method: 'POST', headers: bearer(token) });
      await expectRefusal(server, response, { status: 403, token });
    });

    it('MCP-SBP-04: decides from the arguments of the call who may make it', async () => {
      const token = await mint({ tenant: 'acme' });
      await expectAllowed('by-tenant', token, { tenant: 'acme' });
      await expectDenied('by-tenant', token, { tenant: 'other' });
      await expectDenied('by-tenant', await mint(), { tenant: 'acme' });
      await expectDenied('by-tenant', await mint({ tenant: ['acme'] }), { tenant: 'acme' });
    });

    it('MCP-SBP-04: names missing scopes first, since a caller with them may be asked something else', async () => {
      const token = await server.mint({ tenant: 'other' });
      const response = await server.callTool('by-tenant', token, { tenant: 'acme' });
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a', token });
    });

    it.each([undefined, null, 0, 1, 'true', 'a', {}, { allowed: true }])(
      'MCP-SBP-04: takes a verdict of %j for a no',
      async (verdict) => {
        await expectDenied('careless', await mint({ verdict }));
      },
    );

    it('MCP-SBP-04: lets nobody through where the policy fails, and tells nobody why', async () => {
      const token = await mint();
      const answer = await read(await server.callTool('broken', token));
      expect(answer.status).toBe(500);
      expect(answer.text).not.toContain('business');
      expect(server.ran).toEqual([]);
      expectNoTrace(token, { body: answer.text, log: server.log.join('\n') });
    });

    it('MCP-SBP-04: is asked only about callers who are who they say', async () => {
      await expectRejected(server, await mint({ aud: 'https://other.example' }), 'audience_rejected');
      resetRecorded(server);
      const token = await mint({ exp: 1 });
      await expectRefusal(server, await server.callTool('forbidden', token), {
        status: 401,
        error: 'invalid_token',
        token,
      });
      await expectRefusal(server, await server.callTool('forbidden'), { status: 401 });
    });
  });

  describe('users and clients', () => {
    const clients: readonly object[] = [
      { sub: 'alice', client_id: 'alice' },
      { sub: 'alice', client_id: undefined, azp: 'alice' },
      { sub: undefined, client_id: 'worker' },
      { sub: '0f1e', client_id: 'worker', idtyp: 'app' },
      { sub: 'worker@clients', client_id: undefined, azp: 'worker', gty: 'client-credentials' },
      { sub: 'worker@clients', client_id: 'worker' },
    ];
    const users: readonly object[] = [
      { sub: 'alice', client_id: 'web', auth_time: 1_700_000_000 },
      { sub: 'alice', client_id: undefined, amr: ['pwd'] },
      { sub: 'Alice', client_id: 'alice', sid: 's' },
      { sub: 'alice', client_id: 'web', idtyp: 'user' },
      { sub: 'auth0|alice', client_id: 'web', gty: 'password' },
      { sub: 'eve@clients', client_id: 'web', session_state: 's' },
    ];

    it.each(clients)('RFC9700-4.15-a: takes %j for a client, which is no user', async (claims) => {
      const token = await mint(claims);
      expect(await whoami(server, token)).toMatchObject({ kind: 'client' });
      await expectDenied('user-only', token);
      resetRecorded(server);
      const response = await fetch(`${server.origin}/restricted`, { headers: bearer(token) });
      await expectRefusal(server, response, { status: 403, token });
    });

    it.each(users)('RFC9700-4.15-a: takes %j for a user', async (claims) => {
      const token = await mint(claims);
      expect(await whoami(server, token)).toMatchObject({ kind: 'user' });
      await expectAllowed('user-only', token);
      resetRecorded(server);
      await expectServed(
        server,
        await fetch(`${server.origin}/restricted`, { headers: bearer(token) }),
        'restricted get',
      );
    });
  });

  describe('callers of whom nothing shows what they are', () => {
    it.each(UNKNOWN)('RFC9700-4.15-a: guesses nothing of %j', async (claims) => {
      const token = await mint(claims);
      expect(await whoami(server, token)).toMatchObject({ kind: 'unknown' });
      await expectDenied('user-only', token);
    });
  });

  describe('delegation', () => {
    it('RFC8693-4.1-a: shows the outermost actor alone, and decides by it', async () => {
      const token = await mint({ sub: 'u', act: { sub: 'svc', iss: 'https://x.example', act: { sub: 'admin' } } });
      const caller = await whoami(server, token);
      expect(caller).toMatchObject({ subject: 'u', kind: 'unknown' });
      expect(caller['actor']).toEqual({ sub: 'svc', iss: 'https://x.example' });
      await expectDenied('for-admins', token);
      await expectAllowed('for-admins', await mint({ sub: 'u', act: { sub: 'admin', act: { sub: 'svc' } } }));
    });

    it.each([undefined, null, 'admin', ['admin'], [{ sub: 'admin' }], 7, true])(
      'RFC8693-4.1-a: takes an act of %j for no actor',
      async (act) => {
        const token = await mint({ sub: 'u', act });
        expect((await whoami(server, token))['actor']).toBeUndefined();
        await expectDenied('for-admins', token);
      },
    );

    it('RFC8693-4.1-a: may_act grants nothing', async () => {
      const token = await mint({ sub: 'u', may_act: { sub: 'admin', scope: 'admin' } });
      expect((await whoami(server, token))['actor']).toBeUndefined();
      await expectDenied('for-admins', token);
    });

    it.each<[string, object, McpAuthReason]>([
      ['issuer', { iss: undefined, act: { iss: 'ISS' } }, 'issuer_unknown'],
      ['audience', { aud: undefined, act: { aud: 'R' } }, 'audience_missing'],
      ['expiry', { exp: undefined, act: { exp: 9_999_999_999 } }, 'expiry_missing'],
      ['subject', { sub: undefined, client_id: undefined, act: { sub: 'admin', client_id: 'c' } }, 'no_principal'],
    ])('RFC8693-4.1-a: takes no %s from the actor', async (_what, claims, reason) => {
      const text = JSON.stringify(claims)
        .replace('ISS', server.issuer.issuer)
        .replace('"R"', JSON.stringify(server.resource));
      const missing = Object.fromEntries(Object.keys(claims).map((name) => [name, undefined]));
      await expectRejected(server, await mint({ ...missing, ...(JSON.parse(text) as object) }), reason);
    });

    it('RFC8693-4.1-a: takes no scopes from the actor, nested or not', async () => {
      const token = await server.mint({
        sub: 'u',
        act: { sub: 'svc', scope: 'admin', act: { sub: 'x', scope: 'admin' } },
      });
      const response = await server.callTool('admin', token);
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'admin', token });
    });
  });

  describe('roles and other claims', () => {
    it('RFC9068-4-i: hands policies the claims to decide by: roles', async () => {
      await expectAllowed('role-gated', await mint({ roles: ['x'] }));
      await expectAllowed('role-gated', await mint({ roles: ['w', 'x'], groups: [] }));
    });

    it.each([
      {},
      { roles: [] },
      { roles: ['y'] },
      { roles: 'x' },
      { roles: ['X'] },
      { roles: ['xx'] },
      { roles: { x: true } },
      { groups: ['x'] },
    ])('RFC9068-4-i: a role failure is final: %j', async (claims) => {
      await expectDenied('role-gated', await mint(claims));
    });

    it.each(['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString'])(
      'RFC9068-4-i: a claim named %s adds nothing to what the token says',
      async (name) => {
        const [poor, full] = await Promise.all([mint(), mint({ roles: ['x'] })]);
        const poisoned = poison(poor, name, { roles: ['x'], sub: 'admin', act: { sub: 'admin' } });
        await expectDenied('role-gated', await server.mint({}, { payload: poisoned }));
        await expectDenied('for-admins', await server.mint({}, { payload: poisoned }));
        await expectAllowed('role-gated', await server.mint({}, { payload: poison(full, name, { roles: [] }) }));
        expect(({} as { roles?: unknown }).roles).toBeUndefined();
      },
    );

    it('RFC9068-4-i: takes nothing that the token must have from a prototype', async () => {
      const seconds = Math.floor(server.clock.now / 1000);
      const all = { iss: server.issuer.issuer, sub: 'alice', client_id: 'c', aud: server.resource, exp: seconds + 60 };
      const reasons = { iss: 'issuer_unknown', aud: 'audience_missing', exp: 'expiry_missing' } as const;
      for (const [claim, reason] of Object.entries(reasons)) {
        const { [claim as keyof typeof all]: hidden, ...rest } = all;
        const payload = JSON.stringify(rest).replace('{', `{"__proto__":${JSON.stringify({ [claim]: hidden })},`);
        await expectRejected(server, await server.mint({}, { payload }), reason);
      }
      const scoped = JSON.stringify(all).replace('{', '{"__proto__":{"scope":"a"},');
      const token = await server.mint({}, { payload: scoped });
      resetRecorded(server);
      const response = await server.callTool('read-note', token);
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a', token });
    });

    it('RFC9068-4-i: shows handlers only what is the token’s own, whatever its claims are called', async () => {
      const payload = poison(await mint(), '__proto__', { kind: 'user', scopes: ['root'] });
      const caller: McpAuthInfo = (await whoami(server, await server.mint({}, { payload }))) as unknown as McpAuthInfo;
      expect(caller.scopes).toEqual(ALL_SCOPES.split(' '));
      expect(Object.keys(caller.claims)).toContain('__proto__');
    });
  });
});

/** The payload of a token with one more member in front, under a name that an object literal would not keep. */
function poison(token: string, name: string, value: object): string {
  const payload = Buffer.from(token.split('.')[1] as string, 'base64url').toString();
  return payload.replace('{', `{${JSON.stringify(name)}:${JSON.stringify(value)},`);
}
