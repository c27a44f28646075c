import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { All, Controller, Get, Req, Res, type Type } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { WebSocket } from 'ws';
import { McpAuthRevocations, RequireScopes } from 'nestjs-mcp-auth';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { McpCaller } from '../support/mcp-caller.js';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type PlatformRequest, type PlatformResponse } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { sseEndpoint, SharedStores } from '../support/state-endpoints.js';
import { openSession } from '../support/sessions.js';

/** What a handler waits for, and how to let it go on. */
class Gate {
  #open: () => void = () => undefined;
  #reached: () => void = () => undefined;
  reached = Promise.resolve();
  open = Promise.resolve();

  close(): void {
    this.reached = new Promise((resolve) => (this.#reached = resolve));
    this.open = new Promise((resolve) => (this.#open = resolve));
  }

  async pass(): Promise<void> {
    this.#reached();
    await this.open;
  }

  release(): void {
    this.#open();
  }
}

const gate = new Gate();

@Controller('slow')
class SlowController {
  @Get('json')
  async json(): Promise<object> {
    await gate.pass();
    return { secret: 'for the caller' };
  }

  @Get('file')
  async file(@Res() response: PlatformResponse): Promise<void> {
    response.hijack?.();
    const raw = response.raw ?? response;
    raw.writeHead(200, { 'content-type': 'application/octet-stream' });
    raw.write('begun, ');
    await gate.pass();
    raw.end('finished');
  }

  /** As of middleware that gives the response methods of its own. */
  @Get('changed')
  async changed(@Res() response: PlatformResponse): Promise<void> {
    response.hijack?.();
    const raw = response.raw ?? response;
    raw.removeHeader = () => {
      throw new Error('not as Node does it');
    };
    await gate.pass();
    raw.end('for the caller');
  }

  @Get('raw')
  async raw(@Res() response: PlatformResponse): Promise<void> {
    response.hijack?.();
    const raw = response.raw ?? response;
    await gate.pass();
    raw.setHeader('x-late', '1');
    raw.writeHead(200, { 'content-type': 'text/plain' });
    raw.write('for ');
    raw.end('the caller');
  }
}

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('scoped')
  @RequireScopes('a')
  scoped(): object {
    return { event: 'scoped', data: 'ran' };
  }
}

/** Sessions of the official SDK, with the tool `slow`, whose answer is a stream or JSON. */
function slowEndpoint(path: string, enableJsonResponse: boolean): Type {
  const transports = new Map<string, StreamableHTTPServerTransport>();

  async function open(): Promise<StreamableHTTPServerTransport> {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse,
      onsessioninitialized: (id) => void transports.set(id, transport),
    });
    const server = new McpServer({ name: 'slow', version: '1' });
    server.registerTool('slow', {}, async () => {
      await gate.pass();
      return { content: [{ type: 'text', text: 'for the caller' }] };
    });
    await server.connect(transport as never);
    return transport;
  }

  @Controller(path)
  class SlowEndpoint {
    @All()
    async handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      response.hijack?.();
      const transport = transports.get(String(request.headers['mcp-session-id'])) ?? (await open());
      await transport.handleRequest(request.raw ?? request, response.raw ?? response, request.body ?? undefined);
    }
  }
  return SlowEndpoint;
}

describe.each(PLATFORMS)('LIB-27: a revocation ends what is in use, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: { revocation: {} },
      controllers: [
        SlowController,
        slowEndpoint('slow-json', true),
        slowEndpoint('slow-events', false),
        sseEndpoint('sse', new SharedStores()),
      ],
      providers: [Gateway],
      prepare: (app) => void app.useWebSocketAdapter(new WsAdapter(app)),
      transport: { statefulMode: true },
    });
  });
  beforeEach(() => {
    gate.close();
    resetRecorded(server);
  });
  afterAll(() => closeAtOnce(server));

  async function revoke(subject: string): Promise<void> {
    await server.app.get(McpAuthRevocations).revoke({ principal: { issuer: server.issuer.issuer, subject } });
  }

  /** Reads an answer to its end, which comes only if the server ends it. */
  async function textAfterRevocation(response: Response, subject: string): Promise<string> {
    const text = response.text();
    await revoke(subject);
    return text;
  }

  it('LIB-27: the stream that a client opens with GET, and not that of others', async () => {
    const [ann, bob] = [await server.mint({ sub: 'ann' }), await server.mint({ sub: 'bob' })];
    const open = async (token: string): Promise<Response> => {
      const session = await openSession(server, token);
      const headers = { accept: 'text/event-stream', 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
      return fetch(server.resource, { headers: { ...headers, ...bearer(token) } });
    };
    const [hers, his] = [await open(ann), await open(bob)];
    expect([hers.status, his.status]).toEqual([200, 200]);
    let isOver = false;
    const others = his.text().then(() => (isOver = true));
    await textAfterRevocation(hers, 'ann');
    expect(isOver).toBe(false);
    await revoke('bob');
    await others;
  });

  it('LIB-27: the stream of HTTP+SSE', async () => {
    const headers = { accept: 'text/event-stream', ...bearer(await server.mint({ sub: 'carl' })) };
    const response = await fetch(`${server.origin}/sse`, { headers });
    expect(response.status).toBe(200);
    expect(await textAfterRevocation(response, 'carl')).toContain('event: endpoint');
  });

  it.each(['slow-events', 'slow-json'])('LIB-27: the pending answer of a tool, at %s', async (path) => {
    const sub = `dora at ${path}`;
    const caller = await new McpCaller(`${server.origin}/${path}`, await server.mint({ sub })).open();
    const pending = caller.send('tools/call', { name: 'slow', arguments: {} });
    await gate.reached;
    // The head of a stream comes before its messages, that of JSON with its text.
    if (path === 'slow-events') await pending;
    await revoke(sub);
    const response = await pending;
    const text = await response.text();
    gate.release();
    expect(text).not.toContain('for the caller');
    expect(response.status).toBe(path === 'slow-json' ? 401 : 200);
    // The handler goes on, and breaks nothing.
    expect((await server.callTool('ping', await server.mint())).status).not.toBe(500);
  });

  it.each(['json', 'raw'])('LIB-27: the pending answer of a route, written as %s, with the challenge', async (way) => {
    const sub = `eve at ${way}`;
    const token = await server.mint({ sub });
    const pending = fetch(`${server.origin}/slow/${way}`, { headers: bearer(token) });
    await gate.reached;
    await revoke(sub);
    const response = await pending;
    gate.release();
    await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
    expect(server.log.join('\n')).not.toMatch(/ERR_HTTP_HEADERS_SENT|Cannot set headers/);
  });

  it('LIB-27: the answers to others, too, if one cannot be written', async () => {
    const headers = bearer(await server.mint({ sub: 'fay' }));
    const changed = fetch(`${server.origin}/slow/changed`, { headers }).then(
      (response) => response.text(),
      () => 'closed',
    );
    await gate.reached;
    gate.close();
    const other = fetch(`${server.origin}/slow/json`, { headers });
    await gate.reached;
    await revoke('fay');
    expect(await changed).toBe('closed');
    expect((await other).status).toBe(401);
    gate.release();
  });

  it('LIB-27: but not a file that is being sent', async () => {
    const pending = fetch(`${server.origin}/slow/file`, { headers: bearer(await server.mint({ sub: 'finn' })) });
    await gate.reached;
    await revoke('finn');
    gate.release();
    expect(await (await pending).text()).toBe('begun, finished');
  });

  it('LIB-27: an MCP session, also for a later token of its principal', async () => {
    const old = await server.mint({ sub: 'gus' });
    const session = await openSession(server, old);
    const use = (token: string): Promise<Response> => server.callTool('ping', token, {}, { 'mcp-session-id': session });
    expect((await use(old)).status).toBe(200);
    await revoke('gus');
    server.clock.now += 10_000;
    resetRecorded(server);
    await expectRefusal(server, await use(await server.mint({ sub: 'gus' })), {
      status: 404,
      transport: 'session_not_found',
    });
  });

  it('LIB-27: the connection of the official client, which can sign in again', async () => {
    let token = await server.mint({ sub: 'ida' });
    const connect = async (): Promise<Client> => {
      const client = new Client({ name: 'test', version: '1' });
      const requestInit = { headers: bearer(token) };
      await client.connect(new StreamableHTTPClientTransport(new URL(server.resource), { requestInit }) as never);
      return client;
    };
    const client = await connect();
    expect(await client.callTool({ name: 'ping', arguments: {} })).toMatchObject({ content: [{ text: 'pong' }] });
    await revoke('ida');
    await expect(client.callTool({ name: 'ping', arguments: {} })).rejects.toThrow(/401|invalid_token|Unauthorized/i);
    await client.close();
    server.clock.now += 10_000;
    token = await server.mint({ sub: 'ida' });
    const again = await connect();
    expect(await again.callTool({ name: 'ping', arguments: {} })).toMatchObject({ content: [{ text: 'pong' }] });
    await again.close();
  });

  it('LIB-27: a WebSocket connection that used a protected handler', async () => {
    const socket = new WebSocket(server.origin.replace('http', 'ws'), {
      headers: bearer(await server.mint({ sub: 'jack', scope: 'a' })),
    });
    await once(socket, 'open');
    socket.send(JSON.stringify({ event: 'scoped' }));
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(answer.toString())).toEqual({ event: 'scoped', data: 'ran' });
    const closed = once(socket, 'close');
    await revoke('jack');
    await closed;
  });
});
