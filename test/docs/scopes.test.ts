import 'reflect-metadata';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Payload } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import {
  Authorize,
  McpAuthError,
  Public,
  RequireAnyScope,
  RequireAuthentication,
  RequireScopes,
  type CommonOptions,
  type PolicyContext,
  type ScopeOptions,
} from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { z } from 'zod';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';

/** The code of docs/guides/scopes.md, and what the page says of it. */

const ran: string[] = [];

/** What is behind the tools; it remembers what was done. */
function did(what: string): object {
  ran.push(what);
  return { ok: true };
}

const archive = { search: () => did('search-archive'), empty: () => did('empty-archive') };
const notes = {
  export: () => did('export-notes'),
  share: (to: string) => did(`share-note ${to}`),
  deleteAll: () => did('close-account'),
  open: (id: string) => did(`open-note ${id}`),
};

// #region class-and-method
@McpController()
@RequireScopes('notes:read')
class ArchiveTools {
  @Tool({ name: 'search-archive', description: 'Search old notes' })
  search() {
    return archive.search();
  }

  @Tool({ name: 'empty-archive', description: 'Delete all old notes' })
  @RequireScopes('notes:delete')
  empty() {
    return archive.empty();
  }
}
// #endregion

@McpController()
class NotesTools {
  // #region any
  @Tool({ name: 'export-notes', description: 'Export your notes' })
  @RequireAnyScope('notes:read', 'notes:export')
  exportNotes() {
    return notes.export();
  }
  // #endregion

  // #region authorize
  @Tool({ name: 'share-note', description: 'Share a note', parameters: z.object({ to: z.string() }) })
  @Authorize(({ auth, args }: PolicyContext) => {
    if (auth.kind !== 'user') return false;
    return (args as { to: string }).to.endsWith('@example.com') ? true : ['notes:share'];
  })
  shareNote(@Payload() { to }: { to: string }) {
    return notes.share(to);
  }
  // #endregion

  // #region authentication
  @Tool({ name: 'close-account', description: 'Delete everything' })
  @RequireScopes('notes:delete')
  @RequireAuthentication({ acr: 'urn:example:mfa', maxAgeSeconds: 300 })
  closeAccount() {
    return notes.deleteAll();
  }
  // #endregion

  // #region public
  @Tool({ name: 'help', description: 'What can be done here' })
  @Public()
  help() {
    return { text: 'Ask me to search, export or share your notes.' };
  }
  // #endregion

  // #region in-handler
  @Tool({ name: 'open-note', description: 'Open a note', parameters: z.object({ id: z.string() }) })
  @RequireScopes('notes:read')
  openNote(@Payload() { id }: { id: string }) {
    if (id.startsWith('secret-')) throw McpAuthError.insufficientScope('notes:read', 'notes:secret');
    return notes.open(id);
  }
  // #endregion
}

const options = {
  // #region scopes
  scopes: {
    required: ['notes:read'],
    supported: ['notes:read', 'notes:write'],
    hierarchy: { 'notes:admin': ['notes:delete', 'notes:write'], 'notes:write': ['notes:read'] },
    operations: { tools: { ping: ['notes:write'] } },
    listing: 'obtainable',
  } satisfies ScopeOptions,
  // #endregion
};

const chatGpt = {
  // #region challenge
  challenge: (request: unknown) => {
    const { headers } = request as { headers: Record<string, string | undefined> };
    return headers['user-agent']?.startsWith('openai-mcp') ? 'tool-result' : 'http';
  },
  // #endregion
} satisfies CommonOptions;

let server: NotesServer;
beforeEach(() => void (ran.length = 0));
afterEach(() => server.close());

async function start(settings: object): Promise<void> {
  server = await startNotesServer('express', {
    issuer: { alg: 'ES256' },
    controllers: [ArchiveTools, NotesTools],
    options: settings,
  });
}

/** Calls a tool as somebody with these scopes and claims; what is granted is part of it. */
async function call(tool: string, claims: Record<string, unknown>, args = {}): Promise<Response> {
  return server.callTool(tool, await server.mint(claims), args);
}

async function refusedFor(response: Response): Promise<{ status: number; scope: string | undefined }> {
  const { status, challenge } = await expectRefusal(server, response, {
    status: 403,
    error: 'insufficient_scope',
    scope: parseChallenges(response.headers.get('www-authenticate') ?? '')[0]?.params['scope'] ?? '',
  });
  return { status, scope: challenge?.params['scope'] };
}

it('adds up what a class and its methods need', async () => {
  await start({});
  expect(await refusedFor(await call('empty-archive', { scope: 'notes:read' }))).toEqual({
    status: 403,
    scope: 'notes:read notes:delete',
  });
  expect((await call('search-archive', { scope: 'notes:read' })).status).toBe(200);
  expect((await call('empty-archive', { scope: 'notes:read notes:delete' })).status).toBe(200);
  expect(ran).toEqual(['search-archive', 'empty-archive']);
});

it('asks for the first of several scopes that would do', async () => {
  await start({});
  expect(await refusedFor(await call('export-notes', { scope: 'other' }))).toMatchObject({ scope: 'notes:read' });
  expect((await call('export-notes', { scope: 'notes:export' })).status).toBe(200);
});

it('lets a policy allow, ask for a scope, or refuse for good', async () => {
  await start({});
  expect((await call('share-note', { auth_time: 1 }, { to: 'bob@example.com' })).status).toBe(200);
  expect(await refusedFor(await call('share-note', { auth_time: 1 }, { to: 'eve@elsewhere.example' }))).toMatchObject({
    scope: 'notes:share',
  });
  const asClient = { sub: 'robot', client_id: 'robot' };
  const refused = await call('share-note', asClient, { to: 'bob@example.com' });
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([403, null]);
  expect(ran).toEqual(['share-note bob@example.com']);
});

it('asks the user to sign in again', async () => {
  await start({});
  const response = await call('close-account', { scope: 'notes:delete', acr: 'urn:example:password' });
  expect(response.status).toBe(401);
  expect(parseChallenges(response.headers.get('www-authenticate') ?? '')[0]?.params).toMatchObject({
    error: 'insufficient_user_authentication',
    acr_values: 'urn:example:mfa',
    max_age: '300',
  });
  const strong = { scope: 'notes:delete', acr: 'urn:example:mfa', auth_time: Math.floor(server.clock.now / 1000) - 60 };
  expect((await call('close-account', strong)).status).toBe(200);
});

it('knows hierarchies, and operations named in the options', async () => {
  await start(options);
  expect((await call('empty-archive', { scope: 'notes:admin' })).status).toBe(200);
  expect(await refusedFor(await call('ping', { scope: 'notes:read' }))).toMatchObject({
    scope: 'notes:read notes:write',
  });
  resetRecorded(server);
  await expectServed(server, await call('ping', { scope: 'notes:write' }), 'ping');
});

it('lists what a step-up would allow, and not what a policy refuses', async () => {
  await start(options);
  const token = await server.mint({ scope: 'notes:read' });
  const response = await server.rpc('tools/list', {}, { authorization: `Bearer ${token}` });
  const { result } = (await response.json()) as { result: { tools: { name: string }[] } };
  const names = result.tools.map(({ name }) => name);
  expect(names).toContain('empty-archive');
  expect(names).not.toContain('forbidden');
});

it('serves what is public without a token where anonymous callers are let in', async () => {
  await start({ allowAnonymous: true });
  expect((await server.callTool('help')).status).toBe(200);
  expect((await server.callTool('export-notes')).status).toBe(401);
});

it('lets a handler ask for scopes, which reaches the client as a status', async () => {
  await start({});
  const reader = { scope: 'notes:read' };
  expect((await call('open-note', reader, { id: '7' })).status).toBe(200);
  const refused = await call('open-note', reader, { id: 'secret-7' });
  expect(refused.status).toBe(403);
  expect(parseChallenges(refused.headers.get('www-authenticate') ?? '')[0]?.params).toMatchObject({
    error: 'insufficient_scope',
    scope: 'notes:read notes:secret',
  });
});

it('tells ChatGPT in the result of the tool', async () => {
  await start(chatGpt);
  const token = await server.mint({ scope: 'other' });
  const response = await server.callTool('export-notes', token, {}, { 'user-agent': 'openai-mcp/1.0.0' });
  const { result } = (await response.json()) as { result: { isError: boolean; _meta: Record<string, string[]> } };
  expect([response.status, result.isError]).toEqual([200, true]);
  expect(result._meta['mcp/www_authenticate']?.[0]).toMatch(/^Bearer error="insufficient_scope", .*scope="notes:read"/);
});
