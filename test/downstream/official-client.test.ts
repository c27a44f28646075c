import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientProvider,
} from '@modelcontextprotocol/client';
import { startDownstreamServer, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** A client that is registered already, has a token, and notes where it would send its user. */
function providerWith(issuer: string, token: string, sent: URL[]): OAuthClientProvider {
  return {
    redirectUrl: 'http://127.0.0.1:33418/callback',
    clientMetadata: { redirect_uris: ['http://127.0.0.1:33418/callback'] },
    clientInformation: () => ({ client_id: 'test-client', issuer }),
    tokens: () => ({ access_token: token, token_type: 'Bearer', scope: 'profile', issuer }),
    saveTokens: () => undefined,
    redirectToAuthorization: (url) => void sent.push(url),
    saveCodeVerifier: () => undefined,
    codeVerifier: () => 'unused',
  };
}

describe.each(PLATFORMS)('The official client, if no token for an API is issued, on %s', (platform) => {
  let server: DownstreamServer;
  beforeAll(async () => {
    server = await startDownstreamServer(platform, { calendar: { stepUpScopes: ['calendar'] } });
  });
  afterAll(() => server.close());

  const callWith = async (
    error: string,
    scope: string,
  ): Promise<{ readonly sent: URL[]; readonly thrown: unknown }> => {
    server.clock.now += 61_000;
    const sent: URL[] = [];
    const client = new Client({ name: 'official', version: '1.0.0' });
    const authProvider = providerWith(server.issuer.issuer, await server.mint({ scope }), sent);
    await client.connect(new StreamableHTTPClientTransport(new URL(server.resource), { authProvider }));
    server.issuer.answerToken = () => Response.json({ error }, { status: 400 });
    try {
      await client.callTool({ name: 'events', arguments: {} });
      return { sent, thrown: undefined };
    } catch (thrown) {
      return { sent, thrown };
    } finally {
      await client.close();
    }
  };

  it.each(['invalid_grant', 'login_required'])('sends its user to sign in after %s', async (error) => {
    const { sent, thrown } = await callWith(error, 'profile calendar');
    expect(thrown).toBeInstanceOf(UnauthorizedError);
    expect(sent.map(({ pathname }) => pathname)).toEqual(['/authorize']);
  });

  it('MCP-26-RS-07: asks its user for the scope of the options after consent_required', async () => {
    const { sent } = await callWith('consent_required', 'profile');
    expect(sent[0]?.searchParams.get('scope')?.split(' ')).toContain('calendar');
  });

  it.each(['invalid_client', 'temporarily_unavailable', 'access_denied'])(
    'leaves its user alone after %s',
    async (error) => {
      const { sent, thrown } = await callWith(error, 'profile calendar');
      expect(sent).toEqual([]);
      expect(JSON.stringify(thrown) + String(thrown)).not.toContain(error);
    },
  );
});
