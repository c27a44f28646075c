import assert from 'node:assert/strict';
import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { McpStreamableHttpService } from '@rekog/mcp-nest';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { createApp, freePort } from './app';
import { AppModule } from './app.module';

/**
 * Simulates a mistake: a route to the MCP server that bypasses the guard. It is registered after Nest's own routes,
 * because with it the application would otherwise not start.
 */
@Module({ imports: [AppModule] })
class CheckedModule implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly providers: ModuleRef,
  ) {}

  onModuleInit(): void {
    const mcp = this.providers.get(McpStreamableHttpService, { strict: false });
    this.host.httpAdapter.getInstance().post('/around', (request: { body?: unknown }, response: object) => {
      return mcp.handlePostRequest(request, response, request.body);
    });
  }
}

/** Starts the notes server with an issuer in this process, runs all checks, and ends. */
async function main(): Promise<void> {
  const port = await freePort();
  const resource = `http://127.0.0.1:${port}/mcp`;
  const issuer = await TestIssuer.start({ audience: resource });
  const app = await createApp(resource, issuer.issuer, CheckedModule);
  await app.listen(port, '127.0.0.1');

  await step('A call without a token is refused, and the answer says where to get one', async () => {
    const { status, challenge } = await call(resource, 'whoami');
    assert.equal(status, 401);
    const metadataUrl = `http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp`;
    assert.deepEqual(challenge, { scope: 'notes:read', resource_metadata: metadataUrl });
    const metadata = (await (await fetch(metadataUrl)).json()) as { authorization_servers: string[] };
    assert.deepEqual(metadata.authorization_servers, [issuer.issuer]);
  });

  const reader = await issuer.mint({ sub: 'alice', scope: 'notes:read' });

  await step('With notes:read, tools know their caller', async () => {
    assert.deepEqual(await value(resource, 'whoami', reader), {
      subject: 'alice',
      client: 'test-client',
      scopes: ['notes:read'],
    });
    assert.deepEqual(await value(resource, 'list-notes', reader), { notes: [] });
  });

  await step(
    'add-note is refused before it runs, naming every scope that it needs; with these it succeeds',
    async () => {
      const { status, challenge } = await call(resource, 'add-note', reader, { text: 'Buy milk' });
      assert.deepEqual(
        [status, challenge?.error, challenge?.scope],
        [403, 'insufficient_scope', 'notes:read notes:write'],
      );
      assert.deepEqual(await value(resource, 'list-notes', reader), { notes: [] });
      const steppedUp = await issuer.mint({ sub: 'alice', scope: challenge?.scope ?? '' });
      const added = await value(resource, 'add-note', steppedUp, { text: 'Buy milk' });
      assert.deepEqual(await value(resource, 'list-notes', reader), { notes: [added] });
    },
  );

  await step('Another user sees only their own notes', async () => {
    const other = await issuer.mint({ sub: 'bob', scope: 'notes:read notes:write' });
    assert.deepEqual(await value(resource, 'list-notes', other), { notes: [] });
  });

  await step('Called around the guard, a tool with requirements still refuses', async () => {
    const { status, result } = await call(`http://127.0.0.1:${port}/around`, 'add-note', undefined, {
      text: 'Not mine',
    });
    assert.deepEqual([status, result?.isError, result?.content[0]?.text], [200, true, 'Authorization is required.']);
    const { notes } = (await value(resource, 'list-notes', reader)) as { notes: unknown[] };
    assert.equal(notes.length, 1);
  });

  await app.close();
  await issuer.close();
  console.log('All as expected.');
}

async function step(title: string, work: () => Promise<void>): Promise<void> {
  await work();
  console.log(`✓ ${title}`);
}

interface Result {
  isError?: boolean;
  content: { text: string }[];
}

async function call(url: string, name: string, token?: string, args: object = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }),
  });
  const header = response.headers.get('www-authenticate');
  const challenge = header === null ? undefined : parseChallenges(header)[0]?.params;
  const { result } = (await response.json()) as { result?: Result };
  return { status: response.status, challenge: challenge && { ...challenge }, result };
}

/** The result of a tool, which the framework writes as JSON text. */
async function value(url: string, name: string, token: string, args?: object): Promise<unknown> {
  const { status, result } = await call(url, name, token, args);
  assert.equal(status, 200);
  return JSON.parse(result?.content[0]?.text ?? '');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
