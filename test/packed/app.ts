/**
 * An application as a user would write it, on nothing but the packed library: answers 401, 403 and 200, or exits
 * with an error. The same source is compiled as ESM for Nest 12 and as CommonJS for Nest 11.
 */
import 'reflect-metadata';
import { strict as assert } from 'node:assert';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Delete, Get, Injectable, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import {
  AuthInfo,
  mcpAuthConfig,
  McpAuthModule,
  McpAuthService,
  RequireScopes,
  type McpAuthInfo,
} from 'nestjs-mcp-auth';
import * as library from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';

@Injectable()
class Greeter {
  constructor(private readonly caller: McpAuthService) {}

  async greet(): Promise<string> {
    return `Hello, ${await Promise.resolve(this.caller.authInfo?.subject)}`;
  }
}

@Controller('notes')
class NotesController {
  constructor(private readonly greeter: Greeter) {}

  @Get()
  async list(@AuthInfo() auth: McpAuthInfo): Promise<{ greeting: string; scopes: string[] }> {
    return { greeting: await this.greeter.greet(), scopes: auth.scopes };
  }

  @Delete()
  @RequireScopes('notes:write')
  clear(): { ok: boolean } {
    return { ok: true };
  }
}

@Module({
  imports: [ConfigModule.forRoot({ isGlobal: true }), McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())],
  controllers: [NotesController],
  providers: [Greeter],
})
class AppModule {}

/** Errors of Nest and log lines name classes: bundling must not rename them. */
for (const [name, exported] of Object.entries(library)) {
  if (typeof exported === 'function' && /^[A-Z]/.test(name)) assert.equal(exported.name, name);
}

async function main(): Promise<void> {
  const issuer = await TestIssuer.start();
  const port = await freePort();
  const resource = `http://127.0.0.1:${port}/notes`;
  process.env['MCP_AUTH_RESOURCE'] = resource;
  process.env['MCP_AUTH_ISSUER'] = issuer.issuer;
  const app = await NestFactory.create(AppModule, { logger: ['warn', 'error'] });
  await app.listen(port, '127.0.0.1');

  const call = (method: string, token?: string): Promise<Response> =>
    fetch(resource, { method, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });

  const anonymous = await call('GET');
  assert.equal(anonymous.status, 401);
  const [challenge] = parseChallenges(anonymous.headers.get('www-authenticate') ?? '');
  const metadata: unknown = await (await fetch(challenge?.params['resource_metadata'] ?? '')).json();
  assert.deepEqual(metadata, {
    resource,
    authorization_servers: [issuer.issuer],
    scopes_supported: ['notes:write'],
    bearer_methods_supported: ['header'],
  });

  const reader = await issuer.mint({ aud: resource, scope: 'notes:read' });
  const listed = await call('GET', reader);
  assert.equal(listed.status, 200);
  assert.deepEqual(await listed.json(), { greeting: 'Hello, alice', scopes: ['notes:read'] });

  const refused = await call('DELETE', reader);
  assert.equal(refused.status, 403);
  assert.equal(
    parseChallenges(refused.headers.get('www-authenticate') ?? '')[0]?.params['error'],
    'insufficient_scope',
  );
  assert.equal((await call('DELETE', await issuer.mint({ aud: resource, scope: 'notes:write' }))).status, 200);

  // oidc-provider is an optional peer, and not installed here: the error has to say what to do.
  const development = startDevAuthorizationServer({ resources: [{ resource, scopes: {} }] });
  await assert.rejects(development, /npm i(nstall)? (-D|--save-dev) oidc-provider/);

  await app.close();
  await issuer.close();
  console.log(`401, 403 and 200 on Node ${process.version}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
