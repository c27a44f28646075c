import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createApp } from '../../sample/01-quick-start/app.js';
import { McpSession, signIn } from '../../sample/demo-client/mcp-session.js';
import { platform } from '../../sample/notes-server/platform.js';
import { startNotesServer } from '../../sample/notes-server/servers.js';

describe('sample 01-quick-start, with both preferred ports taken', () => {
  let occupants: Server[];
  let servers: Awaited<ReturnType<typeof startNotesServer>>;
  const notices: string[] = [];
  const sessions: McpSession[] = [];

  beforeAll(async () => {
    occupants = await Promise.all([occupyPort(), occupyPort()]);
    const [mcp, authorizationServer] = occupants.map(portOf) as [number, number];
    servers = await startNotesServer(
      async () => createApp(await platform()),
      { mcp, authorizationServer },
      { onNotice: (notice) => notices.push(notice) },
    );
  });

  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await servers.close();
    for (const occupant of occupants) occupant.close();
  });

  function newSession(username: string): McpSession {
    const user = servers.users.find((candidate) => candidate.username === username);
    if (!user) throw new Error(`There is no user ${username}`);
    const session = new McpSession(servers.resource, user, { pin: '2026-07-28' });
    sessions.push(session);
    return session;
  }

  async function signedIn(username: string): Promise<McpSession> {
    const session = newSession(username);
    await signIn(session);
    session.exchanges.take();
    return session;
  }

  it('starts on other ports, and says so', () => {
    const taken = occupants.map(portOf);
    const used = [servers.resource, servers.issuer].map((url) => Number(new URL(url).port));
    expect(used.filter((port) => taken.includes(port))).toEqual([]);
    for (const [i, port] of taken.entries()) expect(notices[i]).toContain(`${port} is taken`);
  });

  it('answers 401 naming the metadata and the baseline scope where there is no token', async () => {
    const session = newSession('alice');

    await expect(session.needsUser(() => session.connect())).resolves.toBe(true);

    const resource_metadata = new URL('/.well-known/oauth-protected-resource/mcp', servers.resource).href;
    expect(session.exchanges.next()).toMatchObject({
      status: 401,
      challenge: { resource_metadata, scope: 'notes:read' },
    });
  });

  it('answers 403 naming every scope that the call needs, and does it once the client stepped up', async () => {
    const session = await signedIn('alice');

    await expect(session.needsUser(() => session.call('add-note', { text: 'Buy milk' }))).resolves.toBe(true);

    const challenge = expect.objectContaining({ error: 'insufficient_scope', scope: 'notes:read notes:write' });
    expect(session.exchanges.next()).toMatchObject({ status: 403, challenge });
    await expect(session.call('list-notes')).resolves.toEqual({ notes: [] });

    await session.authorize();
    const note = await session.call('add-note', { text: 'Buy milk' });
    await expect(session.call('list-notes')).resolves.toEqual({ notes: [note] });
  });

  it('shows a caller no notes but their own', async () => {
    const alice = await signedIn('alice');
    await expect(alice.needsUser(() => alice.call('add-note', { text: 'Mine' }))).resolves.toBe(true);
    await alice.authorize();
    await alice.call('add-note', { text: 'Mine' });

    const bob = await signedIn('bob');

    await expect(bob.call('whoami')).resolves.toMatchObject({ subject: 'bob', scopes: ['notes:read'] });
    await expect(bob.call('list-notes')).resolves.toEqual({ notes: [] });
  });
});

async function occupyPort(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
