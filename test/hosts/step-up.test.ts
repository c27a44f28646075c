import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Note } from '../../sample/01-quick-start/notes.service.js';
import { startNotesServer } from '../../sample/notes-server/servers.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { CLIENTS, type Session } from './clients.js';
import { HOSTS } from './hosts.js';

const ANY_PORTS = { mcp: 0, authorizationServer: 0 };

const ON_ALL_PLATFORMS = HOSTS.flatMap((host) => PLATFORMS.map((platform) => ({ ...host, platform })));

/** Whatever serves MCP, and whatever calls it: nothing here tells a client what to do. */
describe.each(ON_ALL_PLATFORMS)('$name on $platform', ({ createApp, platform, speaks }) => {
  let servers: Awaited<ReturnType<typeof startNotesServer>>;
  let session: Session;

  beforeAll(async () => {
    servers = await startNotesServer(() => createApp(adapterFor(platform)), ANY_PORTS);
  });
  afterAll(() => servers.close());
  afterEach(() => session.close());

  const clients = CLIENTS.filter(({ revision }) => speaks.includes(revision));

  it.each(clients)('lets the $name sign in and step up by itself, in $revision', async ({ revision, newSession }) => {
    const { resource, issuer, users } = servers;
    const resource_metadata = new URL('/.well-known/oauth-protected-resource/mcp', resource).href;
    session = newSession(resource, users[0] as (typeof users)[number]);

    await expect(session.needsUser(() => session.connect())).resolves.toBe(true);
    const [refused, ...followed] = session.exchanges.take();
    expect(refused).toMatchObject({ status: 401, challenge: { scope: 'notes:read', resource_metadata } });
    expect(followed[0]).toMatchObject({ method: 'GET', url: new URL(resource_metadata), status: 200 });
    expect(followed.at(-1)).toMatchObject({
      method: 'POST',
      url: expect.objectContaining({ origin: issuer }),
      status: 201,
    });
    expect(scopeAskedFor(session)).toBe('notes:read');

    await session.authorize();
    await session.connect();
    expect(session.protocolVersion).toBe(revision);
    const { notes: before } = await session.call<{ notes: Note[] }>('list-notes');
    session.exchanges.take();

    const text = `Written in ${revision}`;
    await expect(session.needsUser(() => session.call('add-note', { text }))).resolves.toBe(true);
    expect(session.exchanges.next()).toMatchObject({
      operation: 'tools/call add-note',
      status: 403,
      challenge: { error: 'insufficient_scope', scope: 'notes:read notes:write', resource_metadata },
    });
    expect(scopeAskedFor(session)).toBe('notes:read notes:write');

    await session.authorize();
    const added = await session.call<Note>('add-note', { text });
    expect(added.text).toBe(text);
    // On the same connection, and once: the refused call left no note, the repeated one a single note.
    await expect(session.call('list-notes')).resolves.toEqual({ notes: [...before, added] });
    expect(operationsOf(session)).toEqual(['tools/call add-note: 200', 'tools/call list-notes: 200']);
  });
});

function operationsOf({ exchanges }: Session): string[] {
  return exchanges
    .take()
    .flatMap(({ operation, status }) => (operation === undefined ? [] : `${operation}: ${status}`));
}

function scopeAskedFor({ oauth }: Session): string | null | undefined {
  return oauth.authorizationUrl?.searchParams.get('scope');
}
