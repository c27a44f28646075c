import { expect, describe, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import { decodeJwt } from 'jose';
import { McpAuthDownstream } from 'nestjs-mcp-auth';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { withKeyedClient } from '../support/dpop-client.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const CLIENT = { clientId: 'notes-server', clientSecret: 'the secret of the notes server' };

describe.each(PLATFORMS)('A caller and an API that both want proofs, on %s', (platform) => {
  it('RFC9449-7.1-j: the official client signs in, and its tool calls the API with a key of the server', async () => {
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}`;
    const nonce = { secret: 'a secret that nobody can guess, of this test' };
    const dpop = { mode: 'required', nonce } as const;
    const api = await startNotesServer(platform, { options: { authorizationServers: [issuer], dpop } });
    const presented: string[] = [];

    @McpController()
    class Tools {
      constructor(private readonly downstream: McpAuthDownstream) {}

      @Tool({ name: 'call', description: 'Calls the API' })
      async call(): Promise<object> {
        const url = `${api.origin}/plain`;
        presented.push((await this.downstream.headersFor('api', { method: 'GET', url })).authorization);
        const response = await this.downstream.fetch('api', url);
        return { content: [{ type: 'text', text: `${response.status} ${await response.text()}` }] };
      }
    }

    const auth = { method: 'client_secret_basic', clientSecret: CLIENT.clientSecret } as const;
    const { clientId } = CLIENT;
    const target = { audience: api.resource, scopes: ['read'], origins: [api.origin] };
    const server = await startNotesServer(platform, {
      options: {
        authorizationServers: [issuer],
        dpop,
        scopes: { required: ['notes:read'] },
        downstream: { api: { grant: 'token-exchange', clientId, auth, ...target, dpop: true } },
      },
      controllers: [Tools],
    });
    const authorizationServer = await startDevAuthorizationServer({
      port,
      resources: [{ resource: server.resource, name: 'Notes', scopes: { 'notes:read': 'Read your notes' } }],
      clients: [{ ...CLIENT, resource: server.resource }],
      apis: [{ resource: api.resource, scopes: { read: ['notes:read'] } }],
      dpop: true,
    });
    try {
      await withKeyedClient(server.resource, async (client, provider) => {
        for (let calls = 0; calls < 2; calls += 1) {
          const text: unknown = expect.stringMatching(/^200 \{"subject":/);
          expect(await client.callTool({ name: 'call', arguments: {} })).toMatchObject({ content: [{ text }] });
        }
        const own = decodeJwt(provider.tokens()?.access_token as string);
        const ofApi = decodeJwt(presented[0]!.replace('DPoP ', ''));
        expect(presented[1]).toBe(presented[0]);
        expect(ofApi).toMatchObject({ sub: own.sub, aud: api.resource, cnf: { jkt: expect.any(String) } });
        expect(ofApi['cnf']).not.toEqual(own['cnf']);
      });
    } finally {
      await server.close();
      await api.close();
      await authorizationServer.close();
    }
  });
});
