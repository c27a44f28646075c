import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { All, Controller, Req, Res } from '@nestjs/common';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import express, { type Express, type Request, type Response } from 'express';
import type { McpAuthInfo } from 'nestjs-mcp-auth';
import { messagesOf } from './support/expectations.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS, type PlatformRequest, type PlatformResponse } from './support/platforms.js';
import { bearer, rpcTo } from './support/rpc.js';
import { INITIALIZE } from './support/sessions.js';

type WithCaller = Request & { auth?: McpAuthInfo; user?: McpAuthInfo };

const sessions = new Map<string, StreamableHTTPServerTransport>();

function createServer(): McpServer {
  const server = new McpServer({ name: 'inner', version: '1.0.0' });
  server.registerTool('whoami', { description: 'Who calls' }, ({ authInfo }) => ({
    content: [
      { type: 'text', text: JSON.stringify({ subject: (authInfo as McpAuthInfo | undefined)?.subject ?? null }) },
    ],
  }));
  return server;
}

/** Adds an MCP endpoint with sessions, and a route that says who calls, to an application of its own. */
function fill(app: Express): Express {
  app.get('/:app/me', (request: WithCaller, response) => {
    response.json({
      auth: request.auth?.subject ?? null,
      user: request.user?.subject ?? null,
      isSame: request.auth === request.user,
    });
  });
  app.all('/:app/mcp', (request: WithCaller, response) => void serve(request, response));
  return app;
}

async function serve(request: WithCaller, response: Response): Promise<void> {
  const id = request.headers['mcp-session-id'];
  const known = typeof id === 'string' ? sessions.get(id) : undefined;
  if (known) return known.handleRequest(request, response, request.body);
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (session) => void sessions.set(session, transport),
  });
  await createServer().connect(transport as Parameters<McpServer['connect']>[0]);
  await transport.handleRequest(request, response, request.body);
}

/** Applications of Express that a controller hands requests to. */
const APPS: Record<string, Express> = {
  plain: fill(express()),
  parsing: fill(express().use(express.json())),
  sdk: fill(createMcpExpressApp()),
  nested: express().use(fill(express())),
};

@Controller()
class HandingOnController {
  @All([':app/me', ':app/mcp'])
  handOn(@Req() request: PlatformRequest, @Res() response: PlatformResponse): void {
    const { raw, body } = request;
    response.hijack?.();
    if (raw) Object.assign(raw, { body });
    const [, name = ''] = (request.url ?? '').split('/');
    APPS[name]?.(raw ?? request, response.raw ?? response);
  }
}

describe.each(PLATFORMS)('an Express application that a controller hands requests to, on %s', (platform) => {
  let server: NotesServer;
  let alice: string;
  let bob: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, controllers: [HandingOnController] });
    alice = await server.mint({ sub: 'alice' });
    bob = await server.mint({ sub: 'bob' });
  });
  afterAll(async () => {
    for (const transport of sessions.values()) await transport.close();
    await server.close();
  });

  describe.each(Object.keys(APPS))('%s', (name) => {
    it('finds the caller on the request', async () => {
      const response = await fetch(`${server.origin}/${name}/me`, { headers: bearer(alice) });
      expect(await response.json()).toEqual({ auth: 'alice', user: 'alice', isSame: true });
      expect((await fetch(`${server.origin}/${name}/me`)).status).toBe(401);
    });

    it('opens sessions that belong to their owner, whose handlers see the caller', async () => {
      const rpc = rpcTo(`${server.origin}/${name}/mcp`);
      const opened = await rpc('initialize', INITIALIZE, bearer(alice));
      await opened.text();
      const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
      expect(opened.status).toBe(200);
      const answer = await rpc('tools/call', { name: 'whoami', arguments: {} }, { ...bearer(alice), ...session });
      expect(messagesOf(await answer.text())).toMatchObject([
        { result: { content: [{ text: '{"subject":"alice"}' }] } },
      ]);
      expect((await rpc('tools/call', { name: 'whoami', arguments: {} }, { ...bearer(bob), ...session })).status).toBe(
        404,
      );
      // A stream of the session ends with the token that opened it.
      const short = await server.mint({ sub: 'alice', exp: Math.floor(server.clock.now / 1000) + 60 });
      const stream = await fetch(`${server.origin}/${name}/mcp`, {
        headers: { accept: 'text/event-stream', ...bearer(short), ...session },
      });
      expect(stream.status).toBe(200);
      server.clock.now += 61_000;
      await stream.text();
    });
  });
});
