import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Inject,
  Injectable,
  Post,
  Scope,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type Provider,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { McpAuthGuard, RequireScopes } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';

/** Lets in who has the key, and asks McpAuthGuard about everybody else. */
abstract class KeyOr implements CanActivate {
  abstract otherwise(context: ExecutionContext): Promise<unknown>;

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>();
    if (headers['x-api-key'] === 'good') return true;
    await this.otherwise(context);
    return true;
  }
}

@Injectable()
class KeyOrToken extends KeyOr {
  constructor(@Inject(McpAuthGuard) private readonly guard: McpAuthGuard) {
    super();
  }

  otherwise(context: ExecutionContext): Promise<unknown> {
    return this.guard.authorize(context);
  }
}

@Injectable()
class Tokens {
  constructor(@Inject(McpAuthGuard) readonly guard: McpAuthGuard) {}
}

@Injectable()
class KeyOrTokenOfService extends KeyOr {
  constructor(@Inject(Tokens) private readonly tokens: Tokens) {
    super();
  }

  otherwise(context: ExecutionContext): Promise<unknown> {
    return this.tokens.guard.authorize(context);
  }
}

@Injectable()
class StillMcpAuth extends McpAuthGuard {
  override canActivate(context: ExecutionContext): ReturnType<McpAuthGuard['canActivate']> {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>();
    return headers['x-api-key'] === 'good' ? true : super.canActivate(context);
  }
}

const handles = (): object => ({ served: true });

/** An MCP endpoint at another path than that of the resource. */
@Controller('inner')
class Inner {
  @Post()
  post(): object {
    return handles();
  }
}

function combined(guard: unknown): new () => object {
  @Controller('outer')
  @UseGuards(guard as never)
  class Outer {
    @Post()
    post(): object {
      return handles();
    }
  }
  return Outer;
}

const WAYS: [string, { readonly bound?: unknown; readonly providers?: Provider[] }][] = [
  ['a guard that injects McpAuthGuard', { bound: KeyOrToken }],
  ['a guard that injects it by way of a service', { bound: KeyOrTokenOfService, providers: [Tokens] }],
  ['a guard that extends it', { bound: StillMcpAuth }],
  ['a guard that injects it, and is a provider, too', { bound: KeyOrToken, providers: [KeyOrToken] }],
];

const EVERYWHERE: [string, Provider[]][] = [
  ['of its class', [{ provide: APP_GUARD, useClass: KeyOrToken }]],
  ['that is made for each request', [{ provide: APP_GUARD, useClass: KeyOrToken, scope: Scope.REQUEST }]],
  ['of another provider', [KeyOrToken, { provide: APP_GUARD, useExisting: KeyOrToken }]],
  [
    'of a factory',
    [{ provide: APP_GUARD, useFactory: (guard: McpAuthGuard) => new KeyOrToken(guard), inject: [McpAuthGuard] }],
  ],
  ['of a class that injects it by way of a service', [Tokens, { provide: APP_GUARD, useClass: KeyOrTokenOfService }]],
];

describe.each(PLATFORMS)('LIB-21: globalGuard: "mcp", on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
  });
  afterAll(() => issuer.close());

  async function statuses(
    origin: string,
    paths: readonly string[],
    headers: Record<string, string>,
  ): Promise<number[]> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const sent = {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body,
    };
    return Promise.all(paths.map(async (path) => (await fetch(`${origin}${path}`, sent)).status));
  }

  it.each(WAYS)(
    'leaves what has %s to that, and protects the other MCP endpoints',
    async (_way, { bound, providers = [] }) => {
      const server = await startNotesServer(platform, {
        sharedIssuer: issuer,
        options: { globalGuard: 'mcp' },
        controllers: [Inner, combined(bound)],
        providers,
      });
      try {
        expect(await statuses(server.origin, ['/outer', '/inner', '/mcp'], {})).toEqual([401, 401, 401]);
        expect(await statuses(server.origin, ['/outer', '/inner', '/mcp'], { 'x-api-key': 'good' })).toEqual([
          201, 401, 401,
        ]);
      } finally {
        await server.app.close();
      }
    },
  );

  it.each(EVERYWHERE)('leaves everything to a global guard that combines it, %s', async (_way, providers) => {
    const server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { globalGuard: 'mcp' },
      controllers: [Inner],
      providers,
    });
    try {
      expect(await statuses(server.origin, ['/inner', '/mcp'], {})).toEqual([401, 401]);
      expect(await statuses(server.origin, ['/inner', '/mcp'], { 'x-api-key': 'good' })).toEqual([201, 200]);
    } finally {
      await server.app.close();
    }
  });
});

describe.each(PLATFORMS)('a test that overrides McpAuthGuard, on %s', (platform) => {
  it('starts its application, and is told that nothing is protected', async () => {
    @Controller('other')
    @RequireScopes('a')
    class Other {
      @Post()
      post(): object {
        return handles();
      }
    }
    const server = await startNotesServer(platform, {
      controllers: [Inner, Other],
      configure: (builder) => builder.overrideProvider(McpAuthGuard).useValue({ canActivate: () => true }),
    });
    try {
      const open = await fetch(`${server.origin}/inner`, { method: 'POST' });
      expect(open.status).toBe(201);
      // What a decorator binds is another object.
      expect((await fetch(`${server.origin}/other`, { method: 'POST' })).status).toBe(401);
      expect(server.log.join('\n')).toContain(
        'A test has overridden McpAuthGuard: the requests that it accepts are not protected',
      );
    } finally {
      await server.close();
    }
  });
});
