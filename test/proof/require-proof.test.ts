import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { McpController, Prompt, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { Client, DpopSession, StreamableHTTPClientTransport, type OAuthTokens } from '@modelcontextprotocol/client';
import {
  Authorize,
  formatAccessMap,
  McpAuthService,
  RequireProof,
  RequireScopes,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { BindingProvider } from '../support/dpop-client.js';
import { expectChallenges, startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { startNotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

/** How often the policy of the tool was asked. */
const asked: string[] = [];
const ran: string[] = [];

@McpController()
class PayTools {
  @Tool({ name: 'pay', description: 'Only for holders of a key' })
  @RequireProof()
  pay(): object {
    ran.push('pay');
    return { content: [{ type: 'text', text: 'paid' }] };
  }

  @Tool({ name: 'pay-more', description: 'With scopes and a policy, too' })
  @RequireProof()
  @RequireScopes('a', 'b')
  @Authorize(() => asked.push('pay-more') > 0)
  payMore(): object {
    ran.push('pay-more');
    return { content: [] };
  }
}

@McpController()
@RequireProof()
class Vault {
  @ResourceTemplate({ uriTemplate: 'vault://{id}', name: 'vault' })
  read(): object {
    ran.push('vault');
    return { contents: [] };
  }

  @Prompt({ name: 'audit', description: 'A prompt' })
  audit(): object {
    ran.push('audit');
    return { messages: [] };
  }
}

@Controller('vault')
@RequireProof()
class VaultController {
  @Get()
  get(): object {
    ran.push('route');
    return {};
  }
}

const CONTROLLERS = [PayTools, Vault, VaultController];

/** The requests of MCP that use what needs a proof. */
const MESSAGES: readonly [string, string, object][] = [
  ['a tool', 'tools/call', { name: 'pay', arguments: {} }],
  ['a resource', 'resources/read', { uri: 'vault://1' }],
  ['a prompt', 'prompts/get', { name: 'audit' }],
];

const API_KEY = {
  name: 'api-key',
  from: { header: 'x-api-key' },
  verify: () => ({ subject: 'robot', scopes: ['a', 'b'], clientId: 'robot' }),
};

describe.each(PLATFORMS)('@RequireProof(), on %s', (platform) => {
  let dpop: DpopServer;

  beforeAll(async () => {
    const options = { dpop: 'accepted', credentials: [API_KEY] } satisfies Partial<McpAuthModuleOptions>;
    dpop = await startDpopServer(platform, options, { controllers: CONTROLLERS });
  });

  afterAll(() => dpop.close());
  beforeEach(() => void [asked, ran].map((list) => list.splice(0)));

  const callBound = async (tool: string, claims?: Readonly<Record<string, unknown>>): Promise<Response> => {
    const token = await dpop.mintBound(claims);
    return dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) }, tool);
  };

  it.each(MESSAGES)(
    'RFC9728-2-h: refuses %s to a token without a key, and challenges with DPoP alone',
    async (...args) => {
      const [, method, params] = args;
      const response = await dpop.server.rpc(method, params, bearer(await dpop.server.mint()));
      expect(response.headers.get('content-type')).toContain('application/json');
      const challenges = await expectChallenges(dpop, response, { error: 'invalid_token' });
      expect([...challenges.keys()]).toEqual(['DPoP']);
      expect(challenges.get('DPoP')?.params['error_description']).toContain('bound to a key');
      expect(ran).toEqual([]);
    },
  );

  it('RFC9728-2-h: refuses a route to a token without a key, and serves it to one with a proof', async () => {
    const url = `${dpop.server.origin}/vault`;
    const refused = await fetch(url, { headers: bearer(await dpop.server.mint()) });
    expect([...(await expectChallenges(dpop, refused, { error: 'invalid_token' })).keys()]).toEqual(['DPoP']);
    const token = await dpop.mintBound();
    const headers = { authorization: `DPoP ${token}`, dpop: dpop.proof(token, { method: 'GET', url }) };
    expect((await fetch(url, { headers })).status).toBe(200);
    expect(ran).toEqual(['route']);
  });

  it('RFC9728-2-h: serves a tool to a token with its proof, and other tools to a token without a key', async () => {
    expect(await (await callBound('pay')).text()).toContain('paid');
    expect((await dpop.call(bearer(await dpop.server.mint()))).status).toBe(200);
    expect(ran).toEqual(['pay']);
  });

  it('RFC9728-2-h: refuses a batch if one of its messages needs a proof', async () => {
    const call = (name: string, id: number): object => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name, arguments: {} },
    });
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-03-26',
      ...bearer(await dpop.server.mint()),
    };
    const body = JSON.stringify([call('ping', 1), call('pay', 2)]);
    const response = await fetch(dpop.server.resource, { method: 'POST', headers, body });
    await expectChallenges(dpop, response, { error: 'invalid_token' });
    expect(ran).toEqual([]);
  });

  it('adds to scopes and policies, which come after it', async () => {
    const unbound = await dpop.call(bearer(await dpop.server.mint({ scope: 'a b' })), 'pay-more');
    await expectChallenges(dpop, unbound, { error: 'invalid_token' });
    expect(asked).toEqual([]);
    const poor = await callBound('pay-more', { scope: 'a' });
    await expectChallenges(dpop, poor, { status: 403, error: 'insufficient_scope' });
    expect((await callBound('pay-more', { scope: 'a b' })).status).toBe(200);
    expect(ran).toEqual(['pay-more']);
  });

  it('RFC6750-3.1-a: refuses an API key without an error code, since there is no token to renew', async () => {
    const response = await dpop.call({ 'x-api-key': 'k' }, 'pay');
    expect([...(await expectChallenges(dpop, response, {})).keys()]).toEqual(['DPoP']);
    expect(ran).toEqual([]);
  });

  it('stands in the access map', () => {
    const rows = dpop.server.app.get(McpAuthService).accessMap();
    expect(rows.filter(({ needsProof }) => needsProof).map(({ name }) => name)).toEqual([
      'GET /vault',
      'pay',
      'pay-more',
      'vault://{id}',
      'audit',
    ]);
    expect(formatAccessMap(rows)).toMatch(/^tool +pay-more .* a, b, proof of a key, policy /m);
  });

  it('lets the official client call with its key, and refuses it without', async () => {
    const session = await DpopSession.create();
    const cnf = { jkt: session.thumbprint };
    const tokens = async (isBound: boolean): Promise<OAuthTokens> => ({
      access_token: await dpop.server.mint(isBound ? { cnf } : {}),
      token_type: isBound ? 'DPoP' : 'Bearer',
    });
    const outcomeOf = async (isBound: boolean): Promise<string> => {
      const provider = new BindingProvider(session);
      provider.saveTokens(await tokens(isBound));
      const client = new Client({ name: 'a client', version: '1.0.0' });
      const url = new URL(dpop.server.resource);
      try {
        await client.connect(new StreamableHTTPClientTransport(url, { authProvider: provider }));
        return JSON.stringify(await client.callTool({ name: 'pay', arguments: {} }));
      } catch (error) {
        return String(error);
      } finally {
        await client.close();
      }
    };
    expect(await outcomeOf(true)).toContain('paid');
    expect(ran).toEqual(['pay']);
    expect(await outcomeOf(false)).not.toContain('paid');
    expect(ran).toEqual(['pay']);
  });

  it('shows the tool in lists that hide what a token may not use only to a token with a key', async () => {
    const hiding = await startDpopServer(
      platform,
      { dpop: 'accepted', scopes: { listing: 'hide' } },
      { controllers: CONTROLLERS },
    );
    const toolsFor = async (headers: Record<string, string>): Promise<string> =>
      (await hiding.server.rpc('tools/list', {}, headers)).text();
    const token = await hiding.mintBound();
    expect(await toolsFor({ authorization: `DPoP ${token}`, dpop: hiding.proof(token) })).toContain('"pay"');
    const unbound = await toolsFor(bearer(await hiding.server.mint()));
    expect([unbound.includes('"ping"'), unbound.includes('"pay"')]).toEqual([true, false]);
    await hiding.close();
  });

  describe('at the start', () => {
    const started: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      for (const server of started.splice(0)) await server.close();
    });

    it('LIB-20: is refused where the resource accepts no proof', async () => {
      const start = async (): Promise<void> => {
        started.push(await startNotesServer(platform, { controllers: CONTROLLERS, issuer: { alg: 'ES256' } }));
      };
      await expect(start()).rejects.toThrow(
        /@RequireProof\(\) of PayTools\.pay: saw dpop "off".*nobody could call it\. Set the option dpop/,
      );
    });
  });
});
