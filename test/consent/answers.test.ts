import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { UrlElicitationRequiredError as ErrorOfVersion1 } from '@modelcontextprotocol/sdk/types.js';
import { AuthInfo, McpAuthConsents, type McpAuthInfo } from 'nestjs-mcp-auth';
import { McpPrompt, McpTool } from 'nestjs-mcp-auth/sdk';
import { startSdkServer, type RpcAnswer, type Sdk, type SdkServer } from '../sdk/sdk-server.js';
import {
  CONSENT_SECRET,
  elicitationIn,
  startConsentServer,
  TokenTable,
  type ConsentServer,
} from '../support/consent-server.js';
import { messagesOf } from '../support/expectations.js';
import { mcp2026Headers } from '../support/mcp-2026.js';
import { McpCaller } from '../support/mcp-caller.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const OPENS_URLS = { elicitation: { url: {} } };
const MESSAGE = 'This tool needs access to your account at acme.';

/** Asks as a client of MCP 2026-07-28. */
async function askModern(
  { url, token, capabilities }: { url: string; token: string; capabilities: object },
  method: string,
  params: Readonly<Record<string, unknown>>,
): Promise<RpcAnswer> {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...mcp2026Headers(method, String(params['name'])),
      ...bearer(token),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
  });
  return messagesOf(await response.text()).find((message) => 'id' in (message as object)) as RpcAnswer;
}

const elicitationError = (origin = 'http://127.0.0.1'): object => ({
  code: -32042,
  message: expect.stringContaining(MESSAGE),
  data: {
    elicitations: [
      {
        mode: 'url',
        elicitationId: expect.stringMatching(/^[\da-f-]{36}$/),
        url: expect.stringMatching(new RegExp(`^${origin}/connect\\?consent=[\\w-]+$`)),
        message: MESSAGE,
      },
    ],
  },
});

const inputRequired = {
  resultType: 'input_required',
  inputRequests: {
    'consent-acme': {
      method: 'elicitation/create',
      params: { mode: 'url', url: expect.stringContaining('/connect?consent='), message: MESSAGE },
    },
  },
};

/** The user can open the link by hand. */
const textWithLink = {
  isError: true,
  content: [
    { type: 'text', text: expect.stringMatching(/^This tool needs .* Open http\S+consent=[\w-]+ in a browser/) },
  ],
};

@Injectable()
class AcmeTools {
  constructor(@Inject(McpAuthConsents) private readonly consents: McpAuthConsents) {}

  @McpTool({ name: 'token', description: 'Needs consent' })
  async token(@AuthInfo() caller: McpAuthInfo): Promise<unknown> {
    return this.consents.tokenFor(caller, { to: 'acme' });
  }

  @McpTool({ name: 'by-hand', description: 'Answers with the error of version 1' })
  byHand(@AuthInfo() caller: McpAuthInfo): never {
    throw new ErrorOfVersion1([{ ...this.consents.begin(caller, { to: 'acme' }) }]);
  }

  @McpPrompt({ name: 'ask', description: 'Needs consent' })
  async ask(@AuthInfo() caller: McpAuthInfo): Promise<unknown> {
    return this.consents.tokenFor(caller, { to: 'acme' });
  }
}

describe.each(PLATFORMS)('a tool whose user must consent first, on %s', (platform) => {
  const running: (ConsentServer | SdkServer)[] = [];
  afterEach(async () => {
    for (const server of running.splice(0)) await server.close();
  });

  async function startNest(): Promise<ConsentServer> {
    const server = await startConsentServer(platform);
    running.push(server);
    return server;
  }

  async function startSdk(sdk: Sdk): Promise<SdkServer> {
    const consent = { url: 'https://mcp.example.com/connect', secret: CONSENT_SECRET, tokenStore: new TokenTable() };
    const server = await startSdkServer({ sdk, platform, options: { consent }, providers: [AcmeTools] });
    running.push(server);
    return server;
  }

  describe('@rekog/mcp-nest 2', () => {
    it.each(['token', 'scoped-token'])('MCP-25-ELIC-01: %s answers with -32042', async (tool) => {
      const { server } = await startNest();
      const token = await server.mint({ sub: 'alice', scope: 'a' });
      const { error } = await new McpCaller(server.resource, token).ask('tools/call', { name: tool, arguments: {} });
      expect(error).toEqual(elicitationError());
      expect(server.log.join('\n')).not.toContain('consent=');
    });

    it('MCP-25-ELIC-01: a prompt answers with -32042', async () => {
      const { server } = await startNest();
      const { error } = await new McpCaller(server.resource, await server.mint()).ask('prompts/get', { name: 'ask' });
      expect(error).toEqual(elicitationError());
    });

    it('asks in the form of MCP 2026-07-28', async () => {
      const { server } = await startNest();
      const client = { url: server.resource, token: await server.mint(), capabilities: OPENS_URLS };
      const { result } = await askModern(client, 'tools/call', { name: 'token', arguments: {} });
      expect(result).toMatchObject(inputRequired);
      expect(JSON.stringify(result)).not.toContain('elicitationId');
    });

    it.each([
      ['cannot open URLs', {}, {}],
      ['declined', OPENS_URLS, { inputResponses: { 'consent-acme': { action: 'decline' } } }],
    ])('gives a client of MCP 2026-07-28 that %s the link as text', async (_what, capabilities, more) => {
      const { server } = await startNest();
      const client = { url: server.resource, token: await server.mint(), capabilities };
      const { result } = await askModern(client, 'tools/call', { name: 'token', arguments: {}, ...more });
      expect(result).toMatchObject(textWithLink);
    });

    it('answers an HTTP route with 403', async () => {
      const { server } = await startNest();
      const response = await fetch(`${server.origin}/route`, { headers: bearer(await server.mint()) });
      expect(response.status).toBe(403);
      expect(response.headers.get('cache-control')).toContain('no-store');
      const { data } = elicitationError() as { data: object };
      expect(await response.json()).toEqual({ error: 'consent_required', message: expect.any(String), ...data });
    });

    it('gives the tool the members of ElicitRequestURLParams, to answer in another way', async () => {
      const server = await startNest();
      const { content } = (await server.call('link', 'alice')).result as { content: [{ text: string }] };
      expect(JSON.parse(content[0].text)).toMatchObject({ mode: 'url', message: MESSAGE });
      expect(elicitationIn(await server.call('token', 'alice'))).toMatchObject({ mode: 'url', message: MESSAGE });
    });
  });

  describe('the official SDK', () => {
    it('MCP-25-ELIC-01: version 2 answers tools and prompts with -32042', async () => {
      const server = await startSdk('v2');
      const settings = { token: await server.mint() };
      const expected = elicitationError('https://mcp.example.com');
      expect((await server.ask('tools/call', { name: 'token', arguments: {} }, settings)).error).toEqual(expected);
      expect((await server.ask('prompts/get', { name: 'ask' }, settings)).error).toEqual(expected);
    });

    it('version 2 asks in the form of MCP 2026-07-28', async () => {
      const server = await startSdk('v2');
      const client = { url: server.resource, token: await server.mint(), capabilities: OPENS_URLS };
      const { result } = await askModern(client, 'tools/call', { name: 'token', arguments: {} });
      expect(result).toMatchObject(inputRequired);
      const { result: prompt } = await askModern(client, 'prompts/get', { name: 'ask', arguments: {} });
      expect(prompt).toMatchObject(inputRequired);
    });

    it.each([
      ['cannot open URLs', {}, {}],
      ['opens only forms', { elicitation: { form: {} } }, {}],
      ['was asked, and is not done', OPENS_URLS, { inputResponses: { 'consent-acme': { action: 'accept' } } }],
      ['declined', OPENS_URLS, { inputResponses: { 'consent-acme': { action: 'decline' } } }],
    ])('version 2 gives a client that %s the link as text', async (_what, capabilities, more) => {
      const server = await startSdk('v2');
      const client = { url: server.resource, token: await server.mint(), capabilities };
      const { result } = await askModern(client, 'tools/call', { name: 'token', arguments: {}, ...more });
      expect(result).toMatchObject(textWithLink);
    });

    it('version 2 asks once for each third party', async () => {
      const server = await startSdk('v2');
      const client = { url: server.resource, token: await server.mint(), capabilities: OPENS_URLS };
      const more = { inputResponses: { 'consent-other': { action: 'accept' } } };
      const { result } = await askModern(client, 'tools/call', { name: 'token', arguments: {}, ...more });
      expect(result).toMatchObject(inputRequired);
    });

    it('version 2 gives a client that cannot open URLs the link as the message of an error, for a prompt', async () => {
      const server = await startSdk('v2');
      const client = { url: server.resource, token: await server.mint(), capabilities: {} };
      const { error } = await askModern(client, 'prompts/get', { name: 'ask', arguments: {} });
      expect(error).toMatchObject({ message: expect.stringMatching(/ Open http\S+consent=[\w-]+ in a browser/) });
      expect(error?.code).not.toBe(-32042);
    });

    it('version 1 answers tools with the link as text, and with -32042 if the tool throws its error', async () => {
      const server = await startSdk('v1');
      const settings = { token: await server.mint() };
      const call = (name: string): Promise<RpcAnswer> => server.ask('tools/call', { name, arguments: {} }, settings);
      expect((await call('token')).result).toMatchObject(textWithLink);
      expect((await call('by-hand')).error).toMatchObject({ code: -32042, data: { elicitations: [{ mode: 'url' }] } });
      expect((await server.ask('prompts/get', { name: 'ask' }, settings)).error).toEqual(
        elicitationError('https://mcp.example.com'),
      );
    });
  });
});
