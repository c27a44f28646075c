import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Delete, Get, Injectable, Post, Req, Res } from '@nestjs/common';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { AuthInfo } from 'nestjs-mcp-auth';
import { McpSdkBridge, McpTool } from 'nestjs-mcp-auth/sdk';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startSdkServer, type RpcAnswer, type SdkServer } from './sdk-server.js';

@Injectable()
class Callers {
  @McpTool()
  whoami(@AuthInfo('subject') subject: string): string {
    return subject;
  }
}

/** The usual way to keep sessions with version 1: a transport for each, in a map. */
@Controller('sessions')
class SessionsController {
  readonly #transports = new Map<string, StreamableHTTPServerTransport>();

  constructor(private readonly bridge: McpSdkBridge) {}

  @Post()
  async post(@Req() request: IncomingMessage & { body: unknown }, @Res() response: ServerResponse): Promise<void> {
    const transport = this.#known(request) ?? (await this.#open());
    await transport.handleRequest(request, response, request.body);
  }

  @Get()
  @Delete()
  async other(@Req() request: IncomingMessage, @Res() response: ServerResponse): Promise<void> {
    const transport = this.#known(request);
    if (transport) await transport.handleRequest(request, response);
    else response.writeHead(404).end();
  }

  #known({ headers }: IncomingMessage): StreamableHTTPServerTransport | undefined {
    return this.#transports.get(String(headers['mcp-session-id']));
  }

  async #open(): Promise<StreamableHTTPServerTransport> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: true,
      onsessioninitialized: (id) => void this.#transports.set(id, transport),
    });
    const server = new McpServer({ name: 'test', version: '1.0.0' });
    this.bridge.register(server);
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    return transport;
  }
}

describe('a session of SDK v1', () => {
  let server: SdkServer;
  beforeAll(async () => {
    server = await startSdkServer({ sdk: 'v1', providers: [Callers], controllers: [SessionsController] });
  });
  afterAll(() => server.close());

  const post = async (subject: string, message: object, session?: string): Promise<Response> =>
    fetch(`${server.origin}/sessions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${await server.mint({ sub: subject })}`,
        ...(session !== undefined && { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
    });
  const open = async (subject: string): Promise<string> => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const response = await post(subject, { method: 'initialize', params });
    expect(response.status).toBe(200);
    return response.headers.get('mcp-session-id') ?? '';
  };
  const whoami = { method: 'tools/call', params: { name: 'whoami' } };

  it('knows at each call whose token that one carries, not whose opened it', async () => {
    const [alices, bobs] = [await open('alice'), await open('bob')];
    const answers = await Promise.all([
      post('alice', whoami, alices),
      post('bob', whoami, bobs),
      post('alice', whoami, alices),
    ]);
    const callers = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as RpcAnswer).result?.content?.[0]?.text),
    );
    expect(callers).toEqual(['alice', 'bob', 'alice']);
  });

  it('is nothing to anybody but who opened it', async () => {
    expect((await post('bob', whoami, await open('alice'))).status).toBe(404);
  });
});
