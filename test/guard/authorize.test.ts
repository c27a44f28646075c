import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { McpAuthGuard, McpAuthModule, ProtectedResource } from 'nestjs-mcp-auth';
import { generateTestKey, parseChallenges } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, resetRecorded, metadataUrlOf } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { adapterFor, listen, PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { resultOf, challengesOf } from '../support/tool-results.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('McpAuthGuard.authorize() in a guard of the application, on %s', (platform) => {
  /** Takes an API key, or else an OAuth access token. */
  @Injectable()
  class ApiKeyOrOAuthGuard implements CanActivate {
    static readonly callers: unknown[] = [];

    constructor(@Inject(McpAuthGuard) private readonly mcpAuth: McpAuthGuard) {}

    async canActivate(context: ExecutionContext): Promise<boolean> {
      const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
      if (headers['x-api-key'] === 'correct') return true;
      ApiKeyOrOAuthGuard.callers.push((await this.mcpAuth.authorize(context))?.subject);
      return true;
    }
  }

  let server: NotesServer;
  let token: string;
  const key = { 'x-api-key': 'correct' };

  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer,
      options: { globalGuard: 'mcp' },
      providers: [{ provide: APP_GUARD, useClass: ApiKeyOrOAuthGuard }],
    });
    token = await server.mint({ scope: 'a' });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ApiKeyOrOAuthGuard.callers.length = 0;
  });

  it('lets an access token through, and hands the caller to the guard and to the handler', async () => {
    await expectServed(server, await server.callTool('read-note', token), 'read-note');
    resetRecorded(server);
    const plain = await fetch(`${server.origin}/plain`, { headers: bearer(token) });
    expect(await expectServed(server, plain, 'plain')).toBe('{"subject":"alice"}');
    expect(ApiKeyOrOAuthGuard.callers).toEqual(['alice', 'alice']);
  });

  it('lets an API key through to what needs no scope', async () => {
    await expectServed(server, await server.callTool('ping', undefined, {}, key), 'ping');
    resetRecorded(server);
    const plain = await fetch(`${server.origin}/plain`, { headers: key });
    expect(await expectServed(server, plain, 'plain')).toBe('{}');
    expect(ApiKeyOrOAuthGuard.callers).toEqual([]);
  });

  it('throws what becomes the same answers that the guard itself gives', async () => {
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
    await expectRefusal(server, await server.callTool('write-note'), { status: 401, scope: 'a b' });
    const bad = await server.callTool('ping', 'garbage');
    await expectRefusal(server, bad, { status: 401, error: 'invalid_token', token: 'garbage' });
    const poor = await server.callTool('write-note', token);
    await expectRefusal(server, poor, { status: 403, error: 'insufficient_scope', scope: 'a b', token });
    await expectRefusal(server, await server.callTool('forbidden', token), { status: 403, token });
    await expectRefusal(server, await fetch(`${server.origin}/plain`), { status: 401 });
    const wrongKey = await server.callTool('ping', undefined, {}, { 'x-api-key': 'wrong' });
    await expectRefusal(server, wrongKey, { status: 401 });
  });

  it('is asked for nothing on public routes', async () => {
    const response = await fetch(`${server.origin}/open`, { headers: bearer('garbage') });
    expect(await expectServed(server, response, 'open')).toBe('{"caller":null}');
    expect(ApiKeyOrOAuthGuard.callers).toStrictEqual([undefined]);
  });

  it('does not stand in for the scopes of a decorated route: an API key has none', async () => {
    const response = await fetch(`${server.origin}/plain/scoped`, { method: 'POST', headers: key });
    await expectRefusal(server, response, { status: 401, scope: 'a b' });
  });

  it('does not stand in for the scopes of a decorated tool: an API key has none', async () => {
    const result = await resultOf(await server.callTool('read-note', undefined, {}, key));
    expect(result).toMatchObject({ isError: true });
    expect(challengesOf(result)).toMatchObject([{ scheme: 'Bearer', params: { scope: 'a' } }]);
    expect(server.ran).toEqual([]);
  });

  it('keeps what only the caller may see out of shared caches, as the guard itself does', async () => {
    const plain = await fetch(`${server.origin}/plain`, { headers: bearer(token) });
    const called = await server.callTool('ping', token);
    for (const { headers } of [plain, called]) {
      expect(headers.get('cache-control')).toBe('private');
      expect(headers.get('vary')).toMatch(/authorization/i);
    }
  });

  it('lets the caller use the session that it opened, and nobody else', async () => {
    const stateful = await startNotesServer(platform, {
      sharedIssuer: server.issuer,
      options: { globalGuard: 'mcp' },
      providers: [{ provide: APP_GUARD, useClass: ApiKeyOrOAuthGuard }],
      transport: { statefulMode: true, enableJsonResponse: true },
    });
    try {
      const caller = await stateful.mint();
      const clientInfo = { name: 'test', version: '1' };
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
      const opened = await stateful.rpc('initialize', params, bearer(caller));
      const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') as string };
      await expectServed(stateful, await stateful.callTool('ping', caller, {}, session), 'ping');
      resetRecorded(stateful);
      const stolen = await stateful.callTool('ping', await stateful.mint({ sub: 'mallory' }), {}, session);
      await expectRefusal(stateful, stolen, { status: 404, transport: 'session_not_found' });
    } finally {
      await stateful.close();
    }
  });

  it('goes along with the guard that a decorator binds to the same route', async () => {
    const headers = bearer(await server.mint({ scope: 'a b' }));
    const response = await fetch(`${server.origin}/plain/scoped`, { method: 'POST', headers });
    expect([response.status, server.ran, ApiKeyOrOAuthGuard.callers]).toEqual([201, ['scoped'], ['alice']]);
  });
});

describe.each(PLATFORMS)('McpAuthGuard.authorize() with several resources, on %s', (platform) => {
  @Injectable()
  class OAuthGuard implements CanActivate {
    constructor(@Inject(McpAuthGuard) private readonly mcpAuth: McpAuthGuard) {}

    async canActivate(context: ExecutionContext): Promise<boolean> {
      return (await this.mcpAuth.authorize(context)) !== undefined;
    }
  }

  @Controller('notes')
  @ProtectedResource('notes')
  class NotesController {
    @Get()
    get(): object {
      return {};
    }
  }

  @Controller('billing')
  @ProtectedResource('billing')
  class BillingController {
    @Get()
    get(): object {
      return {};
    }
  }

  it('names the metadata of the resource that the route belongs to', async () => {
    const { publicJwk } = await generateTestKey({ alg: 'ES256' });
    const resources = ['notes', 'billing'].map((id) => ({
      id,
      resource: `https://mcp.example.com/${id}/mcp`,
      authorizationServers: [{ issuer: 'https://login.example.com', jwks: { keys: [publicJwk] } }],
    }));
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot({ resources, globalGuard: 'mcp', checkAuthorizationServers: false })],
      controllers: [NotesController, BillingController],
      providers: [{ provide: APP_GUARD, useClass: OAuthGuard }],
    }).compile();
    const app = module.createNestApplication(adapterFor(platform), { logger: false });
    const origin = await listen(app);
    try {
      for (const { id, resource } of resources) {
        const response = await fetch(`${origin}/${id}`);
        const [challenge] = parseChallenges(response.headers.get('www-authenticate') as string);
        expect([response.status, challenge?.params]).toEqual([401, { resource_metadata: metadataUrlOf(resource) }]);
      }
    } finally {
      await app.close();
    }
  });
});
