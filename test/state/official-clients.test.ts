import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { All, Controller, Req, Res, type Type } from '@nestjs/common';
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  CreateMessageResultSchema,
  ElicitRequestSchema,
  ElicitResultSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type PlatformRequest, type PlatformResponse } from '../support/platforms.js';
import { SharedStores } from '../support/state-endpoints.js';

// What the checks of state must not break: servers that ask the client back, and clients that come back for the rest of an answer.

const SCHEMA = { type: 'object', properties: { colour: { type: 'string' } } } as const;

/** Sessions of SDK 1. Tools: `ask` and `sample`, which ask the client; `poll`, whose stream ends before its answer comes. */
function askingEndpoint(shared: SharedStores, resumed: string[]): Type {
  const transports = new Map<string, StreamableHTTPServerTransport>();

  const createServer = (): McpServer => {
    const server = new McpServer({ name: 'asks', version: '1' }, { capabilities: { tools: {} } });
    server.registerTool('ask', {}, async ({ sendRequest }) => {
      const params = { mode: 'form' as const, message: 'Which colour?', requestedSchema: SCHEMA };
      const { content } = await sendRequest({ method: 'elicitation/create', params } as never, ElicitResultSchema);
      return { content: [{ type: 'text', text: String(content?.['colour']) }] };
    });
    server.registerTool('sample', {}, async ({ sendRequest }) => {
      const params = { messages: [{ role: 'user', content: { type: 'text', text: 'Hello' } }], maxTokens: 10 };
      const { content } = await sendRequest(
        { method: 'sampling/createMessage', params } as never,
        CreateMessageResultSchema,
      );
      return { content: [{ type: 'text', text: JSON.stringify(content) }] };
    });
    server.registerTool('poll', {}, async ({ closeSSEStream }) => {
      closeSSEStream?.();
      await new Promise<void>((resolve) => {
        const look = (): void => void (resumed.length > 0 ? resolve() : setImmediate(look));
        look();
      });
      return { content: [{ type: 'text', text: 'after the stream was resumed' }] };
    });
    return server;
  };

  @Controller('asks')
  class AskingEndpoint {
    @All()
    async handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      if (request.headers['last-event-id']) resumed.push(String(request.headers['last-event-id']));
      const known = transports.get(String(request.headers['mcp-session-id']));
      const transport = known ?? (await open());
      await transport.handleRequest(request.raw ?? request, response.raw ?? response, request.body ?? undefined);
    }
  }

  async function open(): Promise<StreamableHTTPServerTransport> {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void transports.set(id, transport),
      eventStore: shared.eventStore,
      retryInterval: 1,
    });
    await createServer().connect(transport as never);
    return transport;
  }
  return AskingEndpoint;
}

interface Connected {
  call(name: string): Promise<unknown>;
  close(): Promise<void>;
}

const CAPABILITIES = { elicitation: {}, sampling: {} };
const SAMPLED = { model: 'm', role: 'assistant' as const, content: { type: 'text' as const, text: 'Hello back' } };

const CLIENTS = {
  'SDK 1': async (url: string, headers: Record<string, string>): Promise<Connected> => {
    const client = new Client1({ name: 'one', version: '1' }, { capabilities: CAPABILITIES });
    client.setRequestHandler(ElicitRequestSchema, async () => ({
      action: 'accept' as const,
      content: { colour: 'blue' },
    }));
    client.setRequestHandler(CreateMessageRequestSchema, async () => SAMPLED);
    await client.connect(new Transport1(new URL(url), { requestInit: { headers } }) as never);
    return { call: (name) => client.callTool({ name, arguments: {} }), close: () => client.close() };
  },
  'SDK 2': async (url: string, headers: Record<string, string>): Promise<Connected> => {
    const client = new Client2(
      { name: 'two', version: '1' },
      { capabilities: CAPABILITIES, versionNegotiation: { mode: 'legacy' } },
    );
    client.setRequestHandler('elicitation/create', async () => ({
      action: 'accept' as const,
      content: { colour: 'blue' },
    }));
    client.setRequestHandler('sampling/createMessage', async () => SAMPLED);
    await client.connect(new Transport2(new URL(url), { requestInit: { headers } }));
    return { call: (name) => client.callTool({ name, arguments: {} }), close: () => client.close() };
  },
} as const;

describe.each(PLATFORMS)('LIB-23: sessions of official clients, on %s', (platform) => {
  const shared = new SharedStores();
  const resumed: string[] = [];
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [askingEndpoint(shared, resumed)],
    });
  });
  afterAll(() => closeAtOnce(server));

  describe.each(Object.entries(CLIENTS))('%s', (_name, connect) => {
    it.each([
      ['ask', 'blue'],
      ['sample', '{"type":"text","text":"Hello back"}'],
      ['poll', 'after the stream was resumed'],
    ])('LIB-23: the tool %s gets its answer', async (tool, text) => {
      resumed.length = 0;
      const client = await connect(`${server.origin}/asks`, {
        authorization: `Bearer ${await server.mint({ sub: 'alice' })}`,
      });
      expect(await client.call(tool)).toMatchObject({ content: [{ type: 'text', text }] });
      expect(resumed.length > 0).toBe(tool === 'poll');
      await client.close();
    });
  });
});
