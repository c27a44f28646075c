import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthConfigError } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { whoami } from '../support/tokens.js';
import { catalogue } from '../support/scope-catalogue.js';

describe.each(PLATFORMS)('the baseline of every request, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: { scopes: { required: ['base'] } },
      controllers: catalogue(() => server.ran),
    });
    server.strategy.registerTool({
      name: 'at-run-time',
      description: 'No decorator has seen it',
      handler: () => {
        server.ran.push('at-run-time');
        return { content: [] };
      },
    });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it.each([
    ['tools/list', {}],
    ['tools/call', { name: 'at-run-time', arguments: {} }],
    ['tools/call', { name: 'unknown', arguments: {} }],
    ['tools/call', {}],
    ['resources/templates/list', {}],
    ['resources/read', { uri: 'unknown://' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'unknown' }, argument: { name: 'x', value: '' } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: ['unknown://'] } }],
    ['tasks/get', { taskId: '1' }],
    ['tasks/result', { taskId: '1' }],
    ['tasks/cancel', { taskId: '1' }],
    ['subscriptions/listen', { notifications: { taskIds: ['1'] } }],
    ['tasks/list', {}],
    ['ping', {}],
    ['initialize', {}],
    ['no/such-method', {}],
  ])('OA21-5.2-a: needs the baseline for %s %j', async (method, params) => {
    const token = await server.mint({ scope: 'a notes:read' });
    const response = await server.rpc(method, params, { authorization: `Bearer ${token}` });
    await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'base', token });
  });

  it('OA21-5.2-a: needs the baseline besides the scopes of the operation, and asks for all at once', async () => {
    for (const scope of ['', 'base', 'notes:read']) {
      resetRecorded(server);
      const token = await server.mint({ scope });
      const expected = { status: 403, error: 'insufficient_scope', scope: 'base notes:read', token } as const;
      await expectRefusal(server, await server.callTool('read', token), expected);
    }
    resetRecorded(server);
    await expectServed(server, await server.callTool('read', await server.mint({ scope: 'notes:read base' })), 'read');
  });

  it('OA21-5.2-a: serves a tool that was registered at run time to whoever has the baseline', async () => {
    await expectServed(
      server,
      await server.callTool('at-run-time', await server.mint({ scope: 'base' })),
      'at-run-time',
    );
  });
});

describe.each(PLATFORMS)('a hierarchy of scopes, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    const hierarchy = {
      'notes:admin': ['notes:write'],
      'notes:write': ['notes:read'],
      root: ['notes:admin', 'a', 'b'],
      ping: ['pong'],
      pong: ['ping', 'audit'],
    };
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: { scopes: { hierarchy } },
      controllers: catalogue(() => server.ran),
    });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it.each([
    ['notes:read', 'read'],
    ['notes:write', 'read'],
    ['notes:admin', 'read'],
    ['root', 'read'],
    ['notes:write', 'write'],
    ['notes:admin', 'write'],
    ['root', 'write-note'],
    ['notes:admin', 'either'],
    ['ping', 'audit-list'],
    ['pong', 'audit-list'],
  ])('MCP-26-RS-12: %s is enough for the tool %s', async (scope, tool) => {
    await expectServed(server, await server.callTool(tool, await server.mint({ scope })), tool);
  });

  it.each([
    ['notes:read', 'write', 'notes:write'],
    ['notes:', 'read', 'notes:read'],
    ['notes:*', 'read', 'notes:read'],
    ['notes', 'read', 'notes:read'],
    ['notes:admin', 'read-note', 'a'],
    ['a', 'write-note', 'a b'],
    ['audit', 'audit-erase', 'audit erase'],
    ['ping', 'audit-erase', 'audit erase'],
    ['__proto__', 'read', 'notes:read'],
    ['constructor', 'read', 'notes:read'],
  ])(
    'MCP-26-RS-12: %s is not enough for the tool %s, and what is asked for is %s itself',
    async (scope, tool, needed) => {
      const token = await server.mint({ scope });
      const expected = { status: 403, error: 'insufficient_scope', scope: needed, token } as const;
      await expectRefusal(server, await server.callTool(tool, token), expected);
    },
  );

  it('MCP-26-RS-12: holds for scopes that a policy asks for', async () => {
    const token = await server.mint({ scope: 'root' });
    await expectServed(server, await server.callTool('by-argument', token, { scope: 'notes:write' }), 'by-argument');
  });

  it('MCP-26-RS-12: serves the decision alone: handlers see the scopes that were granted', async () => {
    expect(await whoami(server, await server.mint({ scope: 'notes:admin' }))).toMatchObject({
      scopes: ['notes:admin'],
    });
  });
});

describe.each(PLATFORMS)('a hierarchy that does not start, on %s', (platform) => {
  let issuer: TestIssuer;
  let server: NotesServer | undefined;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
  });
  afterAll(() => issuer.close());
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it.each([
    { hierarchy: { admin: 'read' } },
    { hierarchy: { admin: [7] } },
    { hierarchy: { admin: ['read write'] } },
    { hierarchy: { 'admin all': ['read'] } },
    { hierarchy: { admin: ['offline_access'] } },
    { hierarchy: [['admin', 'read']] },
    { hierarchy: 'admin > read' },
  ])('MCP-26-RS-12: refuses %j', async (scopes) => {
    const start = async (): Promise<void> => {
      server = await startNotesServer(platform, { sharedIssuer: issuer, options: { scopes: scopes as object } });
    };
    const started = start();
    await expect(started).rejects.toThrow(McpAuthConfigError);
    await expect(started).rejects.toThrow('scopes.hierarchy');
  });
});
