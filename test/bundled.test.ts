import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { compiledLibrary } from './support/compiled-library.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(root, 'node_modules', '.bundled-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** An application as it looks inside of a bundle, in JavaScript; prints what its routes answer. */
const APPLICATION = `
import 'reflect-metadata';
import { Controller, Get, Module, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { McpAuthModule, McpAuthError, McpAuthConfigError, RequireScopes, Public } from './lib/index.ts';

const resource = 'http://127.0.0.1:3000/mcp';
const issuer = 'http://127.0.0.1:1/as';
class ApiKeys {
  verify(token) {
    if (token !== 'key-1') throw new Error('unknown key');
    const expiresAt = Math.floor(Date.now() / 1000) + 600;
    return { issuer, audience: [resource], claims: {}, subject: 'svc', clientId: 'svc', scopes: ['a'], expiresAt };
  }
}
class Me {
  me() { return {}; }
  more() { throw McpAuthError.insufficientScope('c'); }
  write() { return {}; }
  open() { return {}; }
}
const method = (name, ...decorators) => {
  const descriptor = Object.getOwnPropertyDescriptor(Me.prototype, name);
  for (const decorate of decorators) decorate(Me.prototype, name, descriptor);
};
method('me', Get(), RequireScopes('a'));
method('more', Get('more'));
method('write', Get('write'), RequireScopes('b'));
method('open', Get('open'), Public());
Controller('mcp')(Me);

const answers = [];
for (const providers of [[ApiKeys], []]) {
  for (const adapter of [new ExpressAdapter(), new FastifyAdapter()]) {
    class App {}
    const options = { resource, authorizationServers: [issuer], checkAuthorizationServers: false, verifier: ApiKeys };
    Module({ imports: [McpAuthModule.forRoot(options)], providers, controllers: [Me] })(App);
    const app = await NestFactory.create(App, adapter, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    const origin = 'http://127.0.0.1:' + app.getHttpServer().address().port + '/mcp';
    const headers = { authorization: 'Bearer key-1' };
    for (const [path, init] of [['', { headers }], ['', {}], ['/write', { headers }], ['/more', { headers }], ['/open', {}]]) {
      answers.push((await fetch(origin + path, init)).status);
    }
    await app.close();
  }
}
class Twice {}
const once = () => McpAuthModule.forRoot({ resource, authorizationServers: [issuer] });
Module({ imports: [once(), once()] })(Twice);
const error = await NestFactory.create(Twice, new ExpressAdapter(), { logger: false, abortOnError: false }).catch((caught) => caught);
// What the library knows without importing it, it must not know by name either.
class Cached { mine() { return {}; } }
Get()(Cached.prototype, 'mine', Object.getOwnPropertyDescriptor(Cached.prototype, 'mine'));
UseInterceptors(CacheInterceptor)(Cached);
Controller('cached')(Cached);
class Caching {}
Module({ imports: [once(), CacheModule.register()], controllers: [Cached] })(Caching);
const shared = await NestFactory.create(Caching, new ExpressAdapter(), { logger: false, abortOnError: false })
  .then((app) => app.init()).catch((caught) => caught);
const isCacheRefused = shared instanceof McpAuthConfigError && shared.problems[0].seen.startsWith('CacheInterceptor');
console.log(JSON.stringify({ answers, isCacheRefused, isRefused: error instanceof McpAuthConfigError }));
`;

describe.each([false, true])('an application in one bundle (minified: %s)', (minify) => {
  it('knows every class by itself, never by its name', async () => {
    const outfile = join(folder, minify ? 'minified.mjs' : 'plain.mjs');
    await build({
      stdin: { contents: APPLICATION, resolveDir: root, loader: 'js' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      minify,
      outfile,
      packages: 'bundle',
      external: [
        '@nestjs/websockets*',
        '@nestjs/microservices*',
        'class-transformer*',
        'class-validator*',
        '@fastify/static',
        '@fastify/view',
        '@fastify/cookie',
        '@fastify/multipart',
        '@nestjs/platform-socket.io',
      ],
      banner: {
        js:
          "import { createRequire as bundle_createRequire } from 'node:module'; import { fileURLToPath as bundle_path } from 'node:url'; import { dirname as bundle_folder } from 'node:path';" +
          'const require = bundle_createRequire(import.meta.url), __filename = bundle_path(import.meta.url), __dirname = bundle_folder(__filename);',
      },
      logLevel: 'error',
      plugins: [compiledLibrary],
    });
    const { stdout, stderr } = spawnSync(process.execPath, [outfile], { cwd: root, encoding: 'utf8' });
    expect(stderr).toBe('');
    const once = [200, 401, 403, 403, 200];
    expect(JSON.parse(stdout)).toEqual({
      answers: [...once, ...once, ...once, ...once],
      isCacheRefused: true,
      isRefused: true,
    });
  }, 60_000);
});
