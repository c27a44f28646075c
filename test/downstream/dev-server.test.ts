import { describe, expect, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import { decodeJwt } from 'jose';
import { McpAuthDownstream, type DownstreamOptions } from 'nestjs-mcp-auth';
import { startDevAuthorizationServer, type DevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { Browser, Client, registerClient } from '../dev-server/flow.js';
import { textOfTool } from '../support/downstream-server.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';

const CLIENT_SECRET = 'a secret of this test';

/** Both servers are applications with this library. The tools of the MCP server call the API, and answer which tokens they got for it. */
async function startBoth(
  platform: Platform,
  issuer: string,
  dpop: boolean,
): Promise<{ notes: NotesServer; calendar: NotesServer }> {
  const options = { authorizationServers: [issuer] };
  const calendar = await startNotesServer(platform, {
    options: { ...options, scopes: { required: ['calendar.read'] }, ...(dpop && { dpop: 'required' }) },
  });

  @McpController()
  class CalendarTools {
    constructor(private readonly apis: McpAuthDownstream) {}

    @Tool({ name: 'events', description: 'Calls the API' })
    async events(): Promise<object> {
      const response = await this.apis.fetch('calendar', `${calendar.origin}/plain`);
      return { content: [{ type: 'text', text: `${response.status} ${await response.text()}` }] };
    }

    @Tool({ name: 'token', description: 'The token itself, as no real tool may' })
    async token(): Promise<object> {
      return { content: [{ type: 'text', text: await this.apis.tokenFor('calendar') }] };
    }
  }

  const downstream: Record<string, DownstreamOptions> = {
    calendar: {
      grant: 'token-exchange',
      clientId: 'notes-server',
      auth: { method: 'client_secret_basic', clientSecret: CLIENT_SECRET },
      resource: calendar.resource,
      scopes: ['calendar.read'],
      origins: [calendar.origin],
      stepUpScopes: ['calendar'],
      ...(dpop && { dpop: true }),
    },
  };
  const notes = await startNotesServer(platform, { options: { ...options, downstream }, controllers: [CalendarTools] });
  return { notes, calendar };
}

async function startAuthorizationServer(
  port: number,
  notes: string,
  calendar: string,
): Promise<DevAuthorizationServer> {
  // #region exchange
  const server = await startDevAuthorizationServer({
    port,
    resources: [
      {
        resource: notes,
        name: 'Notes',
        scopes: { 'notes:read': 'Read your notes', calendar: 'See your calendar' },
      },
    ],
    // Your MCP server as the client that exchanges tokens.
    clients: [{ clientId: 'notes-server', clientSecret: CLIENT_SECRET, resource: notes }],
    // Each scope of the API, with those that the user must have allowed the MCP client.
    apis: [{ resource: calendar, scopes: { 'calendar.read': ['calendar'] } }],
  });
  // #endregion
  return server;
}

/** Binds the tokens for the API to the key of the MCP server. */
function startBinding(port: number, notes: string, calendar: string): Promise<DevAuthorizationServer> {
  return startDevAuthorizationServer({
    port,
    dpop: true,
    resources: [{ resource: notes, scopes: { calendar: 'See your calendar' } }],
    clients: [{ clientId: 'notes-server', clientSecret: CLIENT_SECRET, resource: notes }],
    apis: [{ resource: calendar, scopes: { 'calendar.read': ['calendar'] } }],
  });
}

async function signIn(issuer: string, resource: string, username: string, scope: string): Promise<string> {
  const client = new Client(issuer, await registerClient(issuer));
  const arrival = await new Browser().signInAndAllow(client.authorizationUrl({ scope, resource }), username);
  return (await client.exchange(arrival)).body.access_token;
}

describe.each(PLATFORMS)('Tokens for APIs from the development authorization server, on %s', (platform) => {
  it('MCP-26-RS-03: exchanges the tokens of two users, who reach the API only so', async () => {
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}`;
    const { notes, calendar } = await startBoth(platform, issuer, false);
    const server = await startAuthorizationServer(port, notes.resource, calendar.resource);
    try {
      expect(server.issuer).toBe(issuer);
      for (const user of ['alice', 'bob']) {
        const token = await signIn(issuer, notes.resource, user, 'notes:read calendar');
        expect(await textOfTool(await notes.callTool('events', token))).toBe(`200 {"subject":"${user}"}`);
        const exchanged = await textOfTool(await notes.callTool('token', token));
        expect(decodeJwt(exchanged)).toMatchObject({
          sub: user,
          aud: calendar.resource,
          scope: 'calendar.read',
          act: { sub: 'notes-server' },
        });
        expect((await plain(calendar, token)).status).toBe(401);
        expect((await plain(notes, exchanged)).status).toBe(401);
      }
      const reader = await signIn(issuer, notes.resource, 'alice', 'notes:read');
      const refused = await notes.callTool('events', reader);
      const [challenge] = parseChallenges(refused.headers.get('www-authenticate') ?? []);
      expect({ status: refused.status, params: challenge?.params }).toMatchObject({
        status: 403,
        params: { error: 'insufficient_scope', scope: expect.stringContaining('calendar') },
      });
    } finally {
      await notes.close();
      await calendar.close();
      await server.close();
    }
  });
});

describe.each(PLATFORMS)('Tokens for APIs that are bound to a key, on %s', (platform) => {
  it('RFC9449-5-b: gets them from the development authorization server, for an API that takes no others', async () => {
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}`;
    const { notes, calendar } = await startBoth(platform, issuer, true);
    const server = await startBinding(port, notes.resource, calendar.resource);
    try {
      const token = await signIn(issuer, notes.resource, 'alice', 'calendar');
      expect(await textOfTool(await notes.callTool('events', token))).toBe('200 {"subject":"alice"}');
    } finally {
      await notes.close();
      await calendar.close();
      await server.close();
    }
  });
});

const plain = (server: NotesServer, token: string): Promise<Response> =>
  fetch(`${server.origin}/plain`, { headers: { authorization: `Bearer ${token}` } });
