import 'reflect-metadata';
import { IncomingMessage } from 'node:http';
import {
  Controller,
  Get,
  Inject,
  Module,
  Req,
  Res,
  UseGuards,
  type DynamicModule,
  type ExecutionContext,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AuthInfo,
  McpAuthGuard,
  McpAuthModule,
  McpAuthService,
  Public,
  RequireScopes,
  type McpAuthInfo,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { bearer } from './support/rpc.js';
import {
  adapterFor,
  listen,
  PLATFORMS,
  type Platform,
  type PlatformRequest,
  type PlatformResponse,
} from './support/platforms.js';

const FIRST = 'http://127.0.0.1:3000/first/mcp';
const SECOND = 'http://127.0.0.1:3000/second/mcp';

function moduleFor(resource: string, issuer: string, more: { globalGuard?: boolean } = {}): DynamicModule {
  return McpAuthModule.forRoot({ resource, authorizationServers: [issuer], checkAuthorizationServers: false, ...more });
}

async function create(platform: Platform, module: Type): Promise<INestApplication> {
  return NestFactory.create(module, adapterFor(platform), { logger: false, abortOnError: false });
}

describe.each(PLATFORMS)('LIB-25: an application that imports the module more than once, on %s', (platform) => {
  const A = 'https://mcp.example.com/a/mcp';
  const B = 'https://mcp.example.com/b/mcp';
  const login = 'https://login.example.com';
  const asynchronous = (resource: string): DynamicModule =>
    McpAuthModule.forRootAsync({ useFactory: () => Promise.resolve({ resource, authorizationServers: [login] }) });

  const ways: [string, () => DynamicModule, () => DynamicModule, RegExp][] = [
    [
      'for two resources',
      () => moduleFor(A, login),
      () => moduleFor(B, login),
      /in FeatureA for "https:\/\/mcp\.example\.com\/a\/mcp"; in FeatureB for "https:\/\/mcp\.example\.com\/b\/mcp"/,
    ],
    ['for one resource', () => moduleFor(A, login), () => moduleFor(A, login), /in FeatureA for .*; in FeatureB for/],
    [
      'with a factory',
      () => moduleFor(A, login),
      () => asynchronous(B),
      /in FeatureA for "https:\/\/mcp\.example\.com\/a\/mcp"; in FeatureB;/,
    ],
    ['with two factories', () => asynchronous(A), () => asynchronous(B), /in FeatureA; in FeatureB;/],
    [
      'once without the global guard',
      () => moduleFor(A, login),
      () => moduleFor(B, login, { globalGuard: false }),
      /in FeatureA/,
    ],
  ];

  it.each(ways)('does not start: %s', async (_way, first, second, names) => {
    @Module({ imports: [first()] })
    class FeatureA {}
    @Module({ imports: [second()] })
    class FeatureB {}
    @Module({ imports: [FeatureA, FeatureB] })
    class AppModule {}
    const refusal = expect(create(platform, AppModule)).rejects;
    await refusal.toThrow(names);
    await expect(create(platform, AppModule)).rejects.toThrow(
      /McpAuthModule 2 times.*list every protected resource under the option `resources`/s,
    );
  });

  it('says that a second import needs no options, and where the first one is', async () => {
    @Module({ imports: [McpAuthModule] })
    class Feature {}
    @Module({ imports: [moduleFor(A, login), Feature] })
    class AppModule {}
    await expect(create(platform, AppModule)).rejects.toThrow(
      /without options, in Feature; .* Leave this import out.*as in AppModule/,
    );
  });

  it('says that the only import lacks its options', async () => {
    @Module({ imports: [McpAuthModule] })
    class AppModule {}
    await expect(create(platform, AppModule)).rejects.toThrow(
      /without options, in AppModule; .*McpAuthModule\.forRoot\(/,
    );
  });

  it('says that the module is missing where only a decorator binds the guard', async () => {
    @Controller('rest')
    class Rest {
      @Get()
      @RequireScopes('a')
      get(): void {}
    }
    @Module({ controllers: [Rest] })
    class AppModule {}
    await expect(create(platform, AppModule)).rejects.toThrow(
      /McpAuthGuard, .* in an application without McpAuthModule; .*McpAuthModule\.forRoot\(/,
    );
  });

  it('starts where two modules import the very same dynamic module', async () => {
    const shared = moduleFor(A, login);
    @Module({ imports: [shared] })
    class FeatureA {}
    @Module({ imports: [shared] })
    class FeatureB {}
    @Module({ imports: [FeatureA, FeatureB] })
    class AppModule {}
    const app = await create(platform, AppModule);
    await expect(app.init()).resolves.toBe(app);
    await app.close();
  });
});

const ran: string[] = [];

/** A controller that both applications have. */
@Controller('shared')
class Shared {
  constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

  @Get('guarded')
  guarded(@AuthInfo() auth: McpAuthInfo | undefined, @Req() request: { auth?: McpAuthInfo }): object {
    ran.push('guarded');
    return { parameter: nameOf(auth), request: nameOf(request.auth), service: nameOf(this.service.authInfo) };
  }

  @Get('scoped')
  @RequireScopes('b')
  scoped(@AuthInfo() auth: McpAuthInfo | undefined): object {
    ran.push('scoped');
    return { parameter: nameOf(auth) };
  }

  @Get('open')
  @Public()
  open(@AuthInfo() auth: McpAuthInfo | undefined, @Req() request: { auth?: McpAuthInfo; user?: McpAuthInfo }): object {
    return {
      parameter: nameOf(auth),
      request: nameOf(request.auth ?? request.user),
      service: nameOf(this.service.authInfo),
    };
  }
}

/** For which resource somebody is the caller. */
function nameOf(auth: McpAuthInfo | undefined): string | null {
  return auth?.resource.href ?? null;
}

let second: INestApplication;

/** Has the second application serve a request of the first one. */
function handOn(request: PlatformRequest, response: PlatformResponse): void {
  const source = request.raw ?? request;
  response.hijack?.();
  source.url = source.url?.replace('/hand-on', '');
  delete (source as { originalUrl?: string }).originalUrl;
  // What Fastify's middleware writes, the prototype that Express gives to requests does not take.
  Object.setPrototypeOf(source, IncomingMessage.prototype);
  second.getHttpServer().emit('request', source, response.raw ?? response);
}

@Controller('hand-on/shared')
class GuardedRelay {
  @Get(':what')
  relay(@Req() request: PlatformRequest, @Res() response: PlatformResponse): void {
    handOn(request, response);
  }
}

@Controller('hand-on/shared')
@Public()
class PublicRelay extends GuardedRelay {}

/** The first application has let the caller in for the very handler that the second one then serves. */
@Controller('hand-on/shared')
@UseGuards(McpAuthGuard, {
  canActivate: (context: ExecutionContext): Promise<never> => {
    handOn(context.switchToHttp().getRequest(), context.switchToHttp().getResponse());
    return new Promise<never>(() => undefined);
  },
})
class SameHandlerRelay extends Shared {}

const RELAYS: [string, Type][] = [
  ['a guarded handler', GuardedRelay],
  ['a public handler', PublicRelay],
  ['a guard on the same handler', SameHandlerRelay],
];
const MEETINGS = PLATFORMS.flatMap((first) =>
  PLATFORMS.flatMap((other) => RELAYS.map(([name, relay]) => [first, other, name, relay] as const)),
);

describe.each(MEETINGS)(
  'LIB-25: a request that an application on %s hands to one on %s, from %s',
  (platform, other, _name, relay) => {
    let issuer: TestIssuer;
    let first: INestApplication;
    let origin: string;

    beforeAll(async () => {
      issuer = await TestIssuer.start();
      @Module({ imports: [moduleFor(FIRST, issuer.issuer)], controllers: [relay] })
      class FirstModule {}
      @Module({ imports: [moduleFor(SECOND, issuer.issuer)], controllers: [Shared] })
      class SecondModule {}
      second = await create(other, SecondModule);
      await listen(second);
      first = await create(platform, FirstModule);
      origin = await listen(first);
    });

    afterAll(async () => {
      await first.close();
      await second.close();
      await issuer.close();
    });

    async function get(
      path: string,
      claims?: Record<string, unknown>,
    ): Promise<{ status: number; challenge: string; body: unknown }> {
      ran.length = 0;
      const headers = claims ? bearer(await issuer.mint(claims)) : {};
      const response = await fetch(`${origin}/hand-on/shared/${path}`, { headers });
      const text = await response.text();
      return {
        status: response.status,
        challenge: response.headers.get('www-authenticate') ?? '',
        body: response.ok ? JSON.parse(text) : text,
      };
    }

    it('is refused there with a token for the first application alone', async () => {
      const { status, challenge } = await get('guarded', { aud: FIRST });
      expect([status, ran]).toEqual([401, []]);
      expect(challenge).toContain('error="invalid_token"');
      expect(challenge).toContain('/oauth-protected-resource/second/mcp"');
    });

    it('is let in there as who its token says it is for the second application', async () => {
      const { status, body } = await get('guarded', { aud: [FIRST, SECOND] });
      expect([status, ran]).toEqual([200, ['guarded']]);
      expect(body).toEqual({ parameter: SECOND, request: SECOND, service: SECOND });
    });

    it('needs the scopes there', async () => {
      expect((await get('scoped', { aud: [FIRST, SECOND], scope: 'a' })).status).toBe(403);
      expect(ran).toEqual([]);
      expect((await get('scoped', { aud: [FIRST, SECOND], scope: 'b' })).body).toEqual({ parameter: SECOND });
    });

    it('has no caller on a public route there', async () => {
      expect((await get('open', { aud: FIRST })).body).toEqual({ parameter: null, request: null, service: null });
    });
  },
);

describe.each(PLATFORMS)(
  'LIB-25: an application without the global guard, on %s, to which another one hands a request',
  (platform) => {
    it('has no caller on a route that nobody guards, whomever the other one has let in', async () => {
      const issuer = await TestIssuer.start();
      @Controller('shared')
      class Unguarded {
        @Get('guarded')
        get(@AuthInfo() auth: McpAuthInfo | undefined, @Req() request: { auth?: unknown; user?: unknown }): object {
          return { parameter: nameOf(auth), request: request.auth ?? request.user ?? null };
        }
      }
      @Module({ imports: [moduleFor(FIRST, issuer.issuer)], controllers: [GuardedRelay] })
      class FirstModule {}
      @Module({ imports: [moduleFor(SECOND, issuer.issuer, { globalGuard: false })], controllers: [Unguarded] })
      class SecondModule {}
      second = await create(platform, SecondModule);
      await listen(second);
      const first = await create(platform, FirstModule);
      const response = await fetch(`${await listen(first)}/hand-on/shared/guarded`, {
        headers: bearer(await issuer.mint({ aud: FIRST })),
      });
      expect(await response.json()).toEqual({ parameter: null, request: null });
      await first.close();
      await second.close();
      await issuer.close();
    });
  },
);
