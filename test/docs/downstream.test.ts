import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import {
  McpAuthDownstream,
  McpAuthDownstreamError,
  McpAuthService,
  type DownstreamOptions,
  type IntrospectionAuth,
  type McpAuthModuleOptions,
  type SubjectToken,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { decodeJwt } from 'jose';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { CalendarApi, textOfTool } from '../support/downstream-server.js';

const issuer = await TestIssuer.start({ alg: 'ES256', tokenEndpoint: true });
const api = await CalendarApi.start();
const calendarUrl = `${api.origin}/events`;

const SECRET = issuer.tokenClient.clientSecret;

const idTokens = new Map<string, SubjectToken>();

// #region options
const downstream = {
  calendar: {
    grant: 'token-exchange',
    clientId: 'resource-server',
    auth: { method: 'client_secret_basic', clientSecret: SECRET },
    audience: 'https://calendar.example.com',
    scopes: ['calendar.read'],
    origins: [new URL(calendarUrl).origin],
    stepUpScopes: ['calendar'],
  },
} satisfies McpAuthModuleOptions['downstream'];
// #endregion

// #region tool
@McpController()
class CalendarTools {
  constructor(private readonly apis: McpAuthDownstream) {}

  @Tool({ name: 'events', description: 'The events of the caller' })
  async events(): Promise<string> {
    const response = await this.apis.fetch('calendar', calendarUrl, { signal: AbortSignal.timeout(5_000) });
    return response.text();
  }
}
// #endregion

// #region client-of-your-own
@Injectable()
class Mail {
  constructor(private readonly apis: McpAuthDownstream) {}

  async send(client: { send(token: string): Promise<void> }): Promise<void> {
    await client.send(await this.apis.tokenFor('calendar'));
  }
}
// #endregion

// #region entra-id
const graph: DownstreamOptions = {
  grant: 'jwt-bearer',
  clientId: '8b1f6c1e-0000-4000-8000-000000000000',
  auth: { method: 'client_secret_post', clientSecret: SECRET },
  scopes: ['https://graph.microsoft.com/Calendars.Read'],
  origins: ['https://graph.microsoft.com'],
};
// #endregion

// #region keycloak
const inventory: DownstreamOptions = {
  grant: 'token-exchange',
  clientId: 'notes-server',
  auth: { method: 'client_secret_basic', clientSecret: SECRET },
  audience: 'inventory',
  scopes: ['inventory'],
  origins: ['https://inventory.example.com'],
};
// #endregion

// #region id-jag
const partner: DownstreamOptions = {
  grant: 'id-jag',
  // The authorization server of the API, and this server as its client.
  authorizationServer: 'https://auth.partner.example',
  clientId: 'notes-at-partner',
  auth: { method: 'client_secret_basic', clientSecret: SECRET },
  resource: 'https://api.partner.example',
  scopes: ['files.read'],
  origins: ['https://api.partner.example'],
  identityProvider: {
    authorizationServer: 'https://acme.okta.example',
    clientId: 'notes-at-okta',
    auth: { method: 'client_secret_basic', clientSecret: SECRET },
    subjectToken: ({ principalKey }) => idTokens.get(principalKey),
  },
};
// #endregion

const vault = { read: async (name: string): Promise<string> => (name === '' ? '' : SECRET) };

// #region secret
const auth: IntrospectionAuth = {
  method: 'client_secret_basic',
  clientSecret: () => vault.read('notes-server'),
};
// #endregion

// #region itself
const search: DownstreamOptions = {
  grant: 'client-credentials',
  clientId: 'notes-server',
  auth,
  resource: 'https://search.example.com',
  origins: ['https://search.example.com'],
};
// #endregion

let server: NotesServer;
beforeAll(async () => {
  server = await startNotesServer('express', {
    sharedIssuer: issuer,
    options: {
      authorizationServers: [issuer.issuer],
      downstream: { ...downstream, graph, inventory, partner, search },
    },
    controllers: [CalendarTools],
    providers: [Mail],
  });
});
afterAll(async () => {
  await server.close();
  await issuer.close();
  await api.close();
});

it('docs/guides/downstream-apis.md: calls an API on behalf of the caller', async () => {
  const answer = await textOfTool(await server.callTool('events', await server.mint({ sub: 'ada' })));
  expect(answer).toContain('ada');
  expect(decodeJwt(api.calls.at(-1)!.token).aud).toEqual(['https://calendar.example.com']);
});

it.each([
  ['graph', 'jwt-bearer'],
  ['inventory', 'token-exchange'],
  ['search', 'client_credentials'],
])('docs/guides/downstream-tokens.md: requests a token for %s by %s', async (name, grant) => {
  issuer.clearRequests();
  const caller = await server.app.get(McpAuthService).verify(await server.mint());
  const own = { graph, inventory, search }[name]!;
  // This issuer does not know the clients of the page, and records what they ask for.
  await expect(server.app.get(McpAuthDownstream).tokenFor(name, caller)).rejects.toThrow(McpAuthDownstreamError);
  const request = issuer.requests.find(({ endpoint }) => endpoint === 'token');
  const form = new URLSearchParams(request?.body);
  expect(form.get('grant_type')).toContain(grant);
  expect(form.get('scope') ?? undefined).toBe(own.scopes?.join(' '));
});

it('docs/guides/downstream-tokens.md: a caller of whom nothing of the identity provider is known signs in again', async () => {
  const caller = await server.app.get(McpAuthService).verify(await server.mint());
  const asked = server.app.get(McpAuthDownstream).tokenFor('partner', caller);
  await expect(asked).rejects.toMatchObject({ code: 'insufficient_user_authentication', reason: 'downstream_sign_in' });
});
