import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, resetRecorded, messagesOf } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, whoami } from '../support/tokens.js';
import { catalogue } from '../support/scope-catalogue.js';

// Which scopes a token has, and whether they are enough for what it is used for.

describe.each(PLATFORMS)('the scopes of a token, on %s', (platform) => {
  let server: NotesServer;
  /** Trusted too; its scopes are in `scp`, and where that says nothing in `permissions`. */
  let mapped: TestIssuer;
  const now = (): number => server.clock.now;

  beforeAll(async () => {
    const issuer = await TestIssuer.start({ alg: 'ES256', now });
    mapped = await TestIssuer.start({ alg: 'ES256', now });
    const mapping = { issuer: mapped.issuer, claims: { scopes: ['scp', 'permissions'] } };
    server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [issuer.issuer, mapping] },
      controllers: catalogue(() => server.ran),
    });
  });
  afterAll(async () => {
    await server.close();
    await Promise.all([server.issuer, mapped].map((issuer) => issuer.close()));
  });
  beforeEach(() => resetRecorded(server));

  const lacking = (scope: string, token: string) =>
    ({ status: 403, error: 'insufficient_scope', scope, token }) as const;
  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

  describe('claim scope', () => {
    it.each(['notes:read', 'a notes:read', 'notes:read a', ' notes:read ', 'a  notes:read', 'notes:read notes:read'])(
      'RFC6749-3.3-a: finds notes:read in scope %j',
      async (scope) => {
        await expectServed(server, await server.callTool('read', await server.mint({ scope })), 'read');
      },
    );

    it.each([
      'notes:readwrite',
      'xnotes:read',
      'notes:rea',
      'notes',
      'notes:',
      'read',
      'notes:read:all',
      'NOTES:READ',
      'Notes:read',
      'notes:*',
      '*',
      'notes.read',
      'notes:read,a',
      'a,notes:read',
      'a\tnotes:read',
      'notes:read\t',
      'a\nnotes:read',
      'a\u00A0notes:read',
      'a\u2003notes:read',
      'notes:read\0',
      '"notes:read"',
      "'notes:read'",
      'notes:réad',
      '\uFEFFnotes:read',
      '',
      ' ',
      undefined,
      null,
      7,
      true,
      ['notes:read a'],
      [['notes:read']],
      { 'notes:read': true },
    ])('RFC6749-3.3-a: does not find notes:read in scope %j', async (scope) => {
      const token = await server.mint({ scope });
      await expectRefusal(server, await server.callTool('read', token), lacking('notes:read', token));
    });

    it('RFC6749-3.3-a: the order of scopes means nothing', async () => {
      await expectServed(
        server,
        await server.callTool('write-note', await server.mint({ scope: 'b a' })),
        'write-note',
      );
    });

    it.each(['scopes', 'permissions', 'roles', 'authorities'])(
      'RFC6749-3.3-a: grants nothing by claim %s, unless told so',
      async (claim) => {
        for (const value of ['notes:read', ['notes:read']]) {
          const token = await server.mint({ [claim]: value });
          resetRecorded(server);
          await expectRefusal(server, await server.callTool('read', token), lacking('notes:read', token));
        }
      },
    );
  });

  describe('claims by configuration', () => {
    const mint = (claims: object): Promise<string> => mapped.mint({ aud: server.resource, ...claims });

    it.each([
      { scp: 'notes:read' },
      { scp: 'a notes:read' },
      { scp: ['notes:read'] },
      { scp: ['a', 'notes:read'] },
      { scp: [7, null, 'notes:read', {}] },
      { permissions: ['notes:read'] },
      { scp: null, permissions: ['notes:read'] },
    ])('RFC6749-3.3-a: finds notes:read in %j of an issuer that is configured so', async (claims) => {
      await expectServed(server, await server.callTool('read', await mint(claims)), 'read');
    });

    it.each([
      { scope: 'notes:read' },
      { scp: ['a notes:read'] },
      { scp: ['notes:read a'] },
      { scp: [['notes:read']] },
      { scp: ['notes:read '] },
      { scp: { 0: 'notes:read' } },
      { scp: ['a'], permissions: ['notes:read'] },
      { scp: '', permissions: ['notes:read'] },
      { scp: [], permissions: ['notes:read'] },
      { scp: ' ', permissions: ['notes:read'] },
      { scp: {}, permissions: ['notes:read'] },
      { Scp: 'notes:read' },
    ])('RFC6749-3.3-a: does not find notes:read in %j of an issuer that is configured so', async (claims) => {
      const token = await mint(claims);
      await expectRefusal(server, await server.callTool('read', token), lacking('notes:read', token));
    });

    it('RFC6749-3.3-a: shows handlers the scopes that were granted, without invalid ones', async () => {
      const token = await mint({ scp: ['b', 7, 'a', 'not one', 'a', ''] });
      expect(await whoami(server, token)).toMatchObject({ scopes: ['b', 'a'] });
    });
  });

  describe('operations', () => {
    const operations: readonly [string, string, string, (token: string) => Promise<Response>][] = [
      ['a tool', 'notes:read', 'read', (token) => server.callTool('read', token)],
      ['a tool of a class with scopes', 'audit', 'audit-list', (token) => server.callTool('audit-list', token)],
      [
        'a tool with scopes of class and method',
        'audit erase',
        'audit-erase',
        (token) => server.callTool('audit-erase', token),
      ],
      [
        'a resource',
        'notes:read',
        'notes://all',
        (token) => server.rpc('resources/read', { uri: 'notes://all' }, bearer(token)),
      ],
      ['a prompt', 'notes:read', 'summary', (token) => server.rpc('prompts/get', { name: 'summary' }, bearer(token))],
      [
        'an HTTP route',
        'notes:read',
        'catalogue',
        (token) => fetch(`${server.origin}/catalogue`, { headers: bearer(token) }),
      ],
    ];

    it.each(operations)(
      'OA21-5.2-a: refuses %s to a token without %j, and says so',
      async (_what, scope, _handler, send) => {
        for (const granted of ['', 'a b', scope.split(' ')[1] ?? 'other']) {
          resetRecorded(server);
          const token = await server.mint({ scope: granted });
          await expectRefusal(server, await send(token), lacking(scope, token));
        }
      },
    );

    it.each(operations)('OA21-5.2-a: serves %s to a token with %j', async (_what, scope, handler, send) => {
      await expectServed(server, await send(await server.mint({ scope })), handler);
    });

    it.each(operations)(
      'OA21-5.2-a: looks at the token of each request anew: %s',
      async (_what, scope, handler, send) => {
        const [good, poor] = [await server.mint({ scope }), await server.mint()];
        await expectServed(server, await send(good), handler);
        resetRecorded(server);
        await expectRefusal(server, await send(poor), lacking(scope, poor));
      },
    );

    const readByTemplate = (token: string): Promise<Response> =>
      server.rpc('resources/read', { uri: 'note://by-id/7' }, bearer(token));

    it('OA21-5.2-a: refuses a resource of a template to a token without "notes:read", and says so', async () => {
      const token = await server.mint();
      await expectRefusal(server, await readByTemplate(token), lacking('notes:read', token));
    });

    it('OA21-5.2-a: serves a resource of a template to a token with "notes:read"', async () => {
      await expectServed(server, await readByTemplate(await server.mint({ scope: 'notes:read' })), 'note://by-id');
    });

    it.each([
      'note://by-id/7',
      'NOTES://all',
      'notes://ALL',
      'notes://all/',
      'notes:///all',
      'NOTE://by-id/7',
      'note://BY-ID/7',
      'note://by-id/7?x=1',
    ])(
      'OA21-5.2-a: runs no resource for a token without its scope, however the framework understands %s',
      async (uri) => {
        const response = await server.rpc('resources/read', { uri }, bearer(await server.mint()));
        const text = await response.text();
        expect(server.ran).toEqual([]);
        if (response.status === 200) expect(messagesOf(text)).toMatchObject([{ error: { code: expect.any(Number) } }]);
      },
    );

    it('OA21-5.2-a: takes any of several scopes where one is enough, and asks for the least', async () => {
      for (const scope of ['notes:read', 'audit', 'audit notes:read']) {
        resetRecorded(server);
        await expectServed(server, await server.callTool('either', await server.mint({ scope })), 'either');
      }
      resetRecorded(server);
      const token = await server.mint({ scope: 'other' });
      await expectRefusal(server, await server.callTool('either', token), lacking('notes:read', token));
    });

    it.each([
      ['completion/complete', { ref: { type: 'ref/prompt', name: 'summary' }, argument: { name: 'x', value: '' } }],
      [
        'completion/complete',
        { ref: { type: 'ref/resource', uri: 'note://by-id/{id}' }, argument: { name: 'id', value: '' } },
      ],
      ['resources/subscribe', { uri: 'notes://all' }],
      ['resources/subscribe', { uri: 'note://by-id/7' }],
      ['subscriptions/listen', { notifications: { resourceSubscriptions: ['notes://all'] } }],
      ['subscriptions/listen', { notifications: { resourceSubscriptions: ['unknown://', 'note://by-id/7'] } }],
    ])('OA21-5.2-a: refuses %s %j without the scope of what it is about', async (method, params) => {
      const token = await server.mint();
      await expectRefusal(server, await server.rpc(method, params, bearer(token)), lacking('notes:read', token));
    });

    it('MCP-SBP-03: takes a token with fewer scopes than there are, for what it does cover', async () => {
      const token = await server.mint({ scope: 'a' });
      await expectAccepted(server, token);
      resetRecorded(server);
      await expectServed(server, await server.callTool('read-note', token), 'read-note');
      for (const [tool, scope] of [
        ['write-note', 'a b'],
        ['read', 'notes:read'],
        ['admin', 'admin'],
      ] as const) {
        resetRecorded(server);
        await expectRefusal(server, await server.callTool(tool, token), lacking(scope, token));
      }
    });

    it('MCP-SBP-03: takes a token without any scope, for what needs none', async () => {
      await expectAccepted(server, await server.mint({ scope: undefined }));
      await expectAccepted(server, await server.mint({ scope: '' }));
    });
  });
});
