import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, HttpCode, Post, Query, Res, type Type } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { McpCaller } from '../support/mcp-caller.js';
import type { NotesServer } from '../support/notes-server.js';
import { ASKERS, startWithTwoIssuers, tokenOf } from '../support/owners.js';
import { PLATFORMS, type PlatformResponse } from '../support/platforms.js';
import { sseEndpoint, SharedStores } from '../support/state-endpoints.js';
import { INITIALIZE } from '../support/sessions.js';
import { MCP_2026_META } from '../support/mcp-2026.js';

/** A stream of HTTP+SSE that is read in the background. */
class Stream {
  text = '';
  readonly #abort = new AbortController();
  #heard: () => void = () => undefined;

  static async open(url: string, token: string): Promise<Stream> {
    const stream = new Stream();
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers, signal: stream.#abort.signal });
    expect(response.status).toBe(200);
    void stream.#read(response);
    await stream.has('event: endpoint');
    return stream;
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        this.text += decoder.decode(piece, { stream: true });
        this.#heard();
      }
    } catch {
      // Closed by the test.
    }
  }

  /** Waits until the stream has said something. */
  async has(words: string): Promise<void> {
    while (!this.text.includes(words)) await new Promise<void>((resolve) => (this.#heard = resolve));
  }

  get endpoint(): string {
    return /^data: (\/.*)$/m.exec(this.text)?.[1] ?? '';
  }

  close(): void {
    this.#abort.abort();
  }
}

/** A transport of the application's own, which has its own name for the session. */
function channelEndpoint(asked: string[]): Type {
  @Controller('channel')
  class ChannelEndpoint {
    @Get()
    open(@Res() response: PlatformResponse): void {
      response.hijack?.();
      const raw = response.raw ?? response;
      raw.writeHead(200, { 'content-type': 'text/event-stream' });
      raw.write(`event: endpoint\ndata: /channel/messages?v=2&channel=${randomUUID()}\n\n`);
    }

    @Post('messages')
    @HttpCode(202)
    message(@Query('channel') channel: unknown): void {
      asked.push(`message in ${String(channel)}`);
    }
  }
  return ChannelEndpoint;
}

describe.each(PLATFORMS)('HTTP+SSE of SDK 1, on %s', (platform) => {
  const shared = new SharedStores();
  let server: NotesServer;
  let other: TestIssuer;
  let close: () => Promise<void>;
  let alice: string;
  let stream: Stream;
  beforeAll(async () => {
    ({ server, other, close } = await startWithTwoIssuers(platform, {
      controllers: [sseEndpoint('sse', shared), channelEndpoint(shared.asked)],
      // It reads names in brackets.
      prepare: (app) =>
        void (platform === 'express' && (app as NestExpressApplication).set('query parser', 'extended')),
    }));
    alice = await server.mint({ sub: 'alice', scope: 'reports' });
  });
  afterAll(async () => {
    await close();
    shared.taskStore.cleanup();
  });
  beforeEach(async () => {
    shared.asked.length = 0;
    resetRecorded(server);
    stream = await Stream.open(`${server.origin}/sse`, alice);
  });
  afterEach(() => stream.close());

  const callerAt = (endpoint: string, token: string | undefined): McpCaller =>
    new McpCaller(server.origin + endpoint, token);
  const say = { name: 'say', arguments: {} };

  it.each(ASKERS)('MCP-25-SES-02: takes messages of the session from its owner only: $name', async (asker) => {
    const caller = callerAt(stream.endpoint, await tokenOf(asker, server, other, 'reports'));
    const requests: [string, object][] = [
      ['initialize', INITIALIZE],
      ['tools/call', say],
      ['tools/call', { ...say, _meta: MCP_2026_META }],
    ];
    for (const [method, params] of requests) {
      const response = await caller.send(method, params);
      if (asker.isOwner) expect(response.status).toBe(202);
      else await expectRefusal(server, response, { status: 404, transport: 'session_not_found' });
    }
    // A message of the owner comes after all that somebody else could have caused.
    if (!asker.isOwner)
      await callerAt(stream.endpoint, alice).post({ jsonrpc: '2.0', id: `after ${asker.name}`, method: 'ping' });
    await stream.has(asker.isOwner ? 'said for alice' : `after ${asker.name}`);
    if (!asker.isOwner) {
      expect(shared.asked).toEqual([]);
      expect(stream.text).not.toMatch(/said for|serverInfo/);
    }
  });

  it('MCP-25-SES-01: takes the session for no authentication', async () => {
    await expectRefusal(server, await callerAt(stream.endpoint, undefined).send('ping', {}), { status: 401 });
  });

  it.each([
    ['an unknown one', (session: string) => `?sessionId=x${session}`],
    ['that of alice in a second parameter', (session: string, own: string) => `?sessionId=${own}&sessionId=${session}`],
    ['that of alice in a first parameter', (session: string, own: string) => `?sessionId=${session}&sessionId=${own}`],
    ['that of alice in brackets', (session: string) => `?sessionId[]=${session}`],
    ['that of alice in a name in brackets', (session: string) => `?[sessionId]=${session}`],
    [
      'that of alice in a name in encoded brackets',
      (session: string, own: string) => `?sessionId=${own}&%5BsessionId%5D=${session}`,
    ],
    ['that of alice by another name', (session: string) => `?transport=sse&SessionID=${session}`],
    ['that of alice by any name', (session: string) => `?s=${session}`],
    ['that of alice in an encoded name', (session: string) => `?%73essionI%64=${session}`],
    ['that of alice after other parameters', (session: string) => `?a=b&sessionId=${session}&c`],
  ])('MCP-25-SES-02: refuses a session however it is written: %s', async (_how, query) => {
    const bob = await server.mint({ sub: 'bob' });
    const own = await Stream.open(`${server.origin}/sse`, bob);
    const idIn = (endpoint: string): string => new URL(endpoint, server.origin).searchParams.get('sessionId') ?? '';
    const target = `/sse/messages${query(idIn(stream.endpoint), idIn(own.endpoint))}`;
    const response = await callerAt(target, bob).send('tools/call', say);
    own.close();
    await expectRefusal(server, response, { status: 404, transport: 'session_not_found' });
    expect(shared.asked).toEqual([]);
  });

  it('MCP-25-SES-02: knows a session that has a name of its own in the URL', async () => {
    const own = await Stream.open(`${server.origin}/channel`, alice);
    expect((await callerAt(own.endpoint, alice).send('tools/call', say)).status).toBe(202);
    const ofBob = callerAt(own.endpoint, await server.mint({ sub: 'bob' }));
    await expectRefusal(server, await ofBob.send('tools/call', say), { status: 404, transport: 'session_not_found' });
    expect(shared.asked).toHaveLength(1);
    own.close();
  });

  it('MCP-25-SES-04: forgets the session with its stream', async () => {
    const short = await Stream.open(`${server.origin}/sse`, alice);
    const caller = callerAt(short.endpoint, alice);
    expect((await caller.send('ping', {})).status).toBe(202);
    short.close();
    // The server learns of it when it does.
    let response = await caller.send('ping', {});
    while (response.status === 202) response = await caller.send('ping', {});
    await expectRefusal(server, response, { status: 404, transport: 'session_not_found' });
  });

  it('LIB-23: neither lists tasks there, which come on another stream, nor knows any', async () => {
    const caller = callerAt(stream.endpoint, alice);
    await expectRefusal(server, await caller.send('tasks/list', {}), { status: 403 });
    expect((await (await caller.send('tasks/get', { taskId: 'x' })).json()) as unknown).toMatchObject({
      error: { code: -32_602 },
    });
  });
});
