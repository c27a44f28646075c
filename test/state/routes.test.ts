import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  Post,
  Req,
  Res,
  Sse,
  type INestApplication,
  type MessageEvent,
} from '@nestjs/common';
import { of, type Observable } from 'rxjs';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { McpCaller } from '../support/mcp-caller.js';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type PlatformResponse } from '../support/platforms.js';
import { stateEndpoint, SharedStores } from '../support/state-endpoints.js';

interface Message {
  readonly id: number;
  readonly method: string;
  readonly params: {
    readonly name?: string;
    readonly arguments?: object;
    readonly task?: object;
    readonly taskId?: string;
  };
}

/** Compresses as middleware does, before which the library sees the answer. */
function squeeze({ headers }: IncomingMessage, response: ServerResponse, next: () => void): void {
  const { end } = response;
  if (headers['x-coding'] === 'middleware') {
    response.end = ((bytes: Buffer) => {
      if (response.headersSent) return end.call(response, bytes, 'utf8');
      response.removeHeader('content-length');
      response.setHeader('content-encoding', 'gzip');
      return end.call(response, gzipSync(bytes), 'utf8');
    }) as ServerResponse['end'];
  }
  next();
}

/** What an application may answer by itself. */
@Controller('own')
class OwnController {
  #idle: ServerResponse | undefined;

  /** Nest writes the answer. */
  @Post()
  @HttpCode(200)
  answer(@Body() { id, method, params }: Message): object {
    if (method === 'tasks/list')
      return { jsonrpc: '2.0', id, result: { tasks: [{ taskId: 'of-alice' }, 'of-nobody', {}, null] } };
    if (params.taskId !== undefined) return { jsonrpc: '2.0', id, result: { taskId: params.taskId } };
    const { taskId } = params.arguments as { taskId: string };
    // A tool of which the caller says what it returns.
    if (!params.task)
      return { jsonrpc: '2.0', id, result: { content: [], task: { taskId }, structuredContent: { taskId } } };
    return { jsonrpc: '2.0', id, result: { task: { taskId, status: 'working' } } };
  }

  /** The head is written with the first piece of the body. */
  @Get()
  stream(@Res() response: PlatformResponse): void {
    response.hijack?.();
    const raw = response.raw ?? response;
    raw.setHeader('Content-Type', 'text/event-stream');
    raw.write('id: own-1\ndata: x\n\n');
    raw.end('id: own-2\ndata: y\n\n');
  }

  /** Ends when somebody asks for that. */
  @Get('idle')
  idle(@Res() response: PlatformResponse): void {
    response.hijack?.();
    this.#idle = response.raw ?? response;
    this.#idle.setHeader('Content-Type', 'text/event-stream');
    this.#idle.writeHead(200);
    this.#idle.write('id: idle-1\ndata: x\n\n');
  }

  @Post('idle/end')
  endIdle(): void {
    this.#idle?.end();
  }

  @Get('busy')
  busy(@Res() response: PlatformResponse): void {
    response.hijack?.();
    const raw = response.raw ?? response;
    raw.setHeader('Content-Type', 'text/event-stream');
    raw.writeHead(200);
    raw.end(Array.from({ length: 6_000 }, (_, index) => `id: busy-${index}\ndata: x\n\n`).join(''));
  }

  /** In a content coding, as plugins for compression send what Nest has written. */
  @Post('coded')
  coded(
    @Body() { id, method, params }: Message,
    @Headers('x-coding') coding: string,
    @Res() response: PlatformResponse,
  ): void {
    response.hijack?.();
    const raw = response.raw ?? response;
    const task = {
      taskId: params.taskId ?? (params.arguments as { taskId?: string } | undefined)?.taskId,
      status: 'working',
    };
    const result = method === 'tasks/list' ? { tasks: [{ taskId: 'coded-gzip' }] } : params.task ? { task } : task;
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result }));
    raw.setHeader('content-type', 'application/json');
    if (coding !== 'identity' && coding !== 'middleware') raw.setHeader('content-encoding', coding);
    const encode = {
      gzip: gzipSync,
      br: brotliCompressSync,
      deflate: deflateSync,
      'x-of-nobody': (text: Buffer) => text.toReversed(),
    }[coding];
    raw.end(encode ? encode(bytes) : bytes);
  }

  @Sse('news')
  news(@Headers('last-event-id') last: string | undefined): Observable<MessageEvent> {
    return of({ id: '7', data: `after ${last}` });
  }

  @Get('plain')
  plain(@Req() request: { readonly headers: Record<string, unknown> }): object {
    return { last: request.headers['last-event-id'] ?? null };
  }
}

describe.each(PLATFORMS)('state on routes of the application, on %s', (platform) => {
  let server: NotesServer;
  let alice: string;
  let bob: string;
  beforeAll(async () => {
    const prepare = (app: INestApplication): void => void (platform === 'express' && app.use(squeeze));
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, controllers: [OwnController], prepare });
    alice = await server.mint({ sub: 'alice' });
    bob = await server.mint({ sub: 'bob' });
  });
  afterAll(() => closeAtOnce(server));
  beforeEach(() => resetRecorded(server));

  const callerWith = (token: string): McpCaller => new McpCaller(`${server.origin}/own`, token);
  const create = (taskId: string): object => ({ name: 'any', arguments: { taskId }, task: {} });

  it('LIB-23: knows a task of which Nest writes the answer', async () => {
    await callerWith(alice).ask('tools/call', create('of-alice'));
    expect((await callerWith(alice).ask('tasks/get', { taskId: 'of-alice' })).result).toEqual({ taskId: 'of-alice' });
    expect((await callerWith(bob).ask('tasks/get', { taskId: 'of-alice' })).error?.code).toBe(-32_602);
    expect((await callerWith(alice).ask('tasks/list', {})).result).toEqual({ tasks: [{ taskId: 'of-alice' }] });
    expect((await callerWith(bob).ask('tasks/list', {})).result).toEqual({ tasks: [] });
  });

  it('LIB-23: gives nobody the task of another by what a tool returns', async () => {
    await callerWith(alice).ask('tools/call', create('hers'));
    await callerWith(bob).ask('tools/call', { name: 'any', arguments: { taskId: 'hers' } });
    await callerWith(bob).ask('tools/call', create('hers'));
    expect((await callerWith(bob).ask('tasks/get', { taskId: 'hers' })).error?.code).toBe(-32_602);
    await callerWith(bob).ask('tools/call', { name: 'any', arguments: { taskId: 'not-yet-created' } });
    expect((await callerWith(bob).ask('tasks/get', { taskId: 'not-yet-created' })).error?.code).toBe(-32_602);
  });

  it('LIB-23: lets no task of another into a batch', async () => {
    await callerWith(alice).ask('tools/call', create('in-batch'));
    const batch = [
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { jsonrpc: '2.0', id: 2, method: 'tasks/get', params: { taskId: 'in-batch' } },
    ];
    const send = (token: string): Promise<Response> =>
      callerWith(token).post(batch, { 'mcp-protocol-version': '2025-03-26' });
    expect(await (await send(bob)).json()).toMatchObject({ id: null, error: { code: -32_602 } });
  });

  it('MCP-25-SES-05: knows the events of a stream whose head is written with its first piece', async () => {
    await (await fetch(`${server.origin}/own`, { headers: callerWith(alice).headers() })).text();
    const resumable = platform === 'express' ? ['own-1', 'own-2'] : ['own-2'];
    for (const id of resumable) expect((await callerWith(alice).resume(id)).status).toBe(200);
    for (const id of ['own-1', 'own-2', 'x']) {
      await expectRefusal(server, await callerWith(bob).resume(id), { status: 404, transport: 'session_not_found' });
    }
  });

  it('MCP-25-SES-05: has a client resume a stream that was silent for long, whatever was sent on others since', async () => {
    const headers = callerWith(alice).headers();
    const idle = await fetch(`${server.origin}/own/idle`, { headers });
    await (await fetch(`${server.origin}/own/busy`, { headers })).text();
    await fetch(`${server.origin}/own/idle/end`, { method: 'POST', headers });
    await idle.text();
    expect((await callerWith(alice).resume('idle-1')).status).toBe(200);
    await expectRefusal(server, await callerWith(alice).resume('busy-0'), {
      status: 404,
      transport: 'session_not_found',
    });
  });

  describe.each([
    ...(platform === 'express' ? ['middleware'] : []),
    'identity',
    'gzip',
    'br',
    'deflate',
    'x-of-nobody',
  ])('of which the answer has the content coding %s', (coding) => {
    const send = (token: string, method: string, params: object): Promise<Response> => {
      const headers = { ...callerWith(token).headers(), 'content-type': 'application/json', 'x-coding': coding };
      return fetch(`${server.origin}/own/coded`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      });
    };
    const isKnown = coding !== 'x-of-nobody';

    it('LIB-23: a task belongs to whom it was created for', async () => {
      const taskId = `coded-${coding}`;
      await (await send(alice, 'tools/call', create(taskId))).arrayBuffer();
      expect(await (await send(alice, 'tasks/get', { taskId })).text()).toContain(
        isKnown ? 'working' : 'Task not found',
      );
      expect(await (await send(bob, 'tasks/get', { taskId })).text()).toContain('Task not found');
    });

    it('LIB-23: lists nobody the tasks of another', async () => {
      expect(await (await send(bob, 'tasks/list', {})).text()).not.toContain('coded-gzip');
    });
  });

  it('LIB-26: leaves the events of an @Sse() route to the application', async () => {
    const headers = { authorization: `Bearer ${bob}`, accept: 'text/event-stream', 'last-event-id': '7' };
    const response = await fetch(`${server.origin}/own/news`, { headers });
    expect(await response.text()).toMatch(/id: ?7\ndata: ?after 7/);
  });
});

describe.each(PLATFORMS)("tasks: 'bound-by-application', on %s", (platform) => {
  it('leaves tasks to the store of the application, and warns of it', async () => {
    const shared = new SharedStores();
    const endpoint = stateEndpoint('tasks', { sessions: false, json: true }, shared);
    const server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [endpoint],
      options: { tasks: 'bound-by-application' },
    });
    expect(server.log.join('\n')).toContain('tasks is "bound-by-application"');
    const alice = new McpCaller(`${server.origin}/tasks`, await server.mint({ sub: 'alice' }));
    const bob = alice.as(await server.mint({ sub: 'bob' }));
    const taskId = await alice.createTask('report');
    expect((await bob.ask('tasks/get', { taskId })).result).toMatchObject({ taskId });
    expect((await bob.ask('tasks/list', {})).result).toMatchObject({ tasks: [{ taskId }] });
    shared.taskStore.cleanup();
    await server.close();
  });
});
