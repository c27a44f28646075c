import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Controller, Get, Injectable, Module, UseGuards, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import { build } from 'esbuild';
import * as one from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { compiledLibrary } from './support/compiled-library.js';
import { bearer } from './support/rpc.js';
import { adapterFor, listen, PLATFORMS } from './support/platforms.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(root, 'node_modules', '.copy-'));
const copy = join(folder, 'node_modules', 'nestjs-mcp-auth');
const resource = 'http://127.0.0.1:3000/mcp';
let two: typeof one;

/** A second copy, as a package of a monorepo or a linked one has it, at a version of its own. */
beforeAll(async () => {
  mkdirSync(copy, { recursive: true });
  writeFileSync(join(copy, 'package.json'), JSON.stringify({ name: 'nestjs-mcp-auth', version: '9.8.7' }));
  const outfile = join(copy, 'index.mjs');
  await build({
    entryPoints: [join(root, 'lib/index.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile,
    logLevel: 'error',
    plugins: [compiledLibrary],
  });
  two = (await import(pathToFileURL(outfile).href)) as typeof one;
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

let app: INestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

describe.each(PLATFORMS)('an application with two copies of the package, on %s', (platform) => {
  const configured = (copyOfModule: typeof one): ReturnType<typeof one.McpAuthModule.forRoot> =>
    copyOfModule.McpAuthModule.forRoot({
      resource,
      authorizationServers: ['https://login.example.com'],
      checkAuthorizationServers: false,
    });

  it('names the copies where a document is to have the security of another one', async () => {
    await start([]);
    expect(() => two.withOpenApiSecurity(app!, () => ({ paths: {} }))).toThrow(
      /withOpenApiSecurity\(\) of another copy of nestjs-mcp-auth than McpAuthModule.*version 9\.8\.7 at /,
    );
  });

  async function start(controllers: readonly Type[], providers: readonly Type[] = []): Promise<string> {
    @Module({ imports: [configured(one)], controllers: [...controllers], providers: [...providers] })
    class AppModule {}
    app = await NestFactory.create(AppModule, adapterFor(platform), { logger: false, abortOnError: false });
    return listen(app);
  }

  /** Each uses something of the other copy, on a tool, a route or a class. */
  const uses: [string, () => { controllers?: Type[]; providers?: Type[] }][] = [
    [
      '@RequireScopes() on a tool',
      () => {
        @McpController()
        class Tools {
          @Tool({ name: 'write', description: 'Writes' })
          @two.RequireScopes('a')
          write(): void {}
        }
        return { controllers: [Tools] };
      },
    ],
    [
      '@RequireScopes() on a route',
      () => {
        @Controller('rest')
        class Rest {
          @Get()
          @two.RequireScopes('a')
          write(): void {}
        }
        return { controllers: [Rest] };
      },
    ],
    [
      '@RequireScopes() on a class',
      () => {
        @Controller('rest')
        @two.RequireScopes('a')
        class Rest {
          @Get()
          write(): void {}
        }
        return { controllers: [Rest] };
      },
    ],
    [
      '@Authorize()',
      () => {
        @Controller('rest')
        class Rest {
          @Get()
          @two.Authorize(() => true)
          write(): void {}
        }
        return { controllers: [Rest] };
      },
    ],
    [
      '@Public()',
      () => {
        @Controller('rest')
        class Rest {
          @Get()
          @two.Public()
          open(): void {}
        }
        return { controllers: [Rest] };
      },
    ],
    [
      '@ProtectedResource()',
      () => {
        @Controller('rest')
        @two.ProtectedResource(resource)
        class Rest {
          @Get()
          open(): void {}
        }
        return { controllers: [Rest] };
      },
    ],
    [
      '@AuthInfo() in a tool',
      () => {
        @McpController()
        class Tools {
          @Tool({ name: 'who', description: 'Who' })
          who(@two.AuthInfo() auth: unknown): unknown {
            return auth;
          }
        }
        return { controllers: [Tools] };
      },
    ],
    [
      '@AuthInfo() in a route',
      () => {
        @Controller('rest')
        class Rest {
          @Get()
          who(@two.AuthInfo('subject') subject: unknown): unknown {
            return subject;
          }
        }
        return { controllers: [Rest] };
      },
    ],
    [
      '@UseGuards(McpAuthGuard)',
      () => {
        @Controller('rest')
        @UseGuards(two.McpAuthGuard)
        class Rest {
          @Get()
          get(): void {}
        }
        return { controllers: [Rest] };
      },
    ],
    [
      'McpAuthService, injected',
      () => {
        const Service = two.McpAuthService;
        @Injectable()
        class Uses {
          constructor(readonly service: InstanceType<typeof Service>) {}
        }
        Reflect.defineMetadata('design:paramtypes', [Service], Uses);
        return { providers: [Uses] };
      },
    ],
  ];

  it.each(uses)('does not start, and names both copies: %s', async (_use, make) => {
    const { controllers = [], providers = [] } = make();
    const error = await start(controllers, providers).then(
      () => undefined,
      (caught: Error) => caught,
    );
    expect(error?.message).toMatch(
      /this process has loaded 2: version \d.* at .*package-copies.*; version 9\.8\.7 at .*index\.mjs/,
    );
    expect(error?.message).toContain(copy);
    expect(error?.message).toContain('peer dependency');
    expect(error?.message).not.toContain("can't resolve dependencies");
  });

  it('does not start with the module of both', async () => {
    @Module({ imports: [configured(one), configured(two)] })
    class AppModule {}
    const starting = NestFactory.create(AppModule, adapterFor(platform), { logger: false, abortOnError: false });
    await expect(starting).rejects.toThrow(
      /McpAuthModule of several copies; .*version 9\.8\.7.*McpAuthModule 2 times/s,
    );
  });

  it('answers with the status of an error that the other copy throws', async () => {
    const issuer = await TestIssuer.start();
    @Controller('rest')
    class Rest {
      @Get()
      get(): never {
        throw two.McpAuthError.insufficientScope('b');
      }
    }
    @Module({
      imports: [
        one.McpAuthModule.forRoot({
          resource,
          authorizationServers: [issuer.issuer],
          checkAuthorizationServers: false,
        }),
      ],
      controllers: [Rest],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, adapterFor(platform), { logger: false, abortOnError: false });
    const response = await fetch(`${await listen(app)}/rest`, {
      headers: bearer(await issuer.mint({ aud: resource })),
    });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('scope="b"'),
    ]);
    await issuer.close();
  });

  it('runs where the other copy is only loaded, and each copy may have an application of its own', async () => {
    @Controller('rest')
    class Rest {
      @Get()
      get(): object {
        return {};
      }
    }
    const origin = await start([Rest]);
    @Module({ imports: [configured(two)], controllers: [Rest] })
    class OtherModule {}
    const other = await NestFactory.create(OtherModule, adapterFor(platform), { logger: false, abortOnError: false });
    expect([(await fetch(`${origin}/rest`)).status, (await fetch(`${await listen(other)}/rest`)).status]).toEqual([
      401, 401,
    ]);
    await other.close();
  });
});
