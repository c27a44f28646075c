import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheInterceptor, CacheKey, CacheModule } from '@nestjs/cache-manager';
import {
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  Res,
  UseInterceptors,
  type ExecutionContext,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, McpAuthGuard, Public, RequireScopes, type McpAuthInfo } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

// #region caller-cache
@Injectable()
export class CallerCacheInterceptor extends CacheInterceptor {
  protected override async trackBy(context: ExecutionContext) {
    const key = await super.trackBy(context);
    const { auth } = context.switchToHttp().getRequest<{ auth?: McpAuthInfo }>();
    return key && auth ? `${key} for ${auth.principalKey}` : key;
  }
}
// #endregion

/** Does something else, without a key of its own. */
@Injectable()
class NamedAlike extends CacheInterceptor {}

@Injectable()
class Unrelated implements NestInterceptor {
  intercept(...[, next]: Parameters<NestInterceptor['intercept']>): ReturnType<typeof next.handle> {
    return next.handle();
  }

  trackBy(): string {
    return 'always';
  }
}

const ran: string[] = [];

function controllerWith(...interceptors: (Type<NestInterceptor> | NestInterceptor)[]): Type {
  @Controller('mine')
  @UseInterceptors(...interceptors)
  class Mine {
    @Get()
    mine(@AuthInfo('subject') subject: string): object {
      ran.push(subject);
      return { subject };
    }
  }
  return Mine;
}

function globally(interceptor: Type<NestInterceptor>): Type {
  @Module({ imports: [CacheModule.register()], providers: [{ provide: APP_INTERCEPTOR, useClass: interceptor }] })
  class Caching {}
  return Caching;
}

@Controller('notes')
class Undecorated {
  @Get()
  list(): object[] {
    return [];
  }
}

@Controller('news')
class Open {
  @Get()
  @Public()
  list(): object {
    ran.push('news');
    return { of: 'everybody' };
  }

  @Post()
  add(): void {}

  @Get('raw')
  @RequireScopes('a')
  raw(@Res() response: { send(text: string): void }): void {
    response.send('raw');
  }
}

@Controller('catalogue')
@UseInterceptors(CacheInterceptor)
class Catalogue {
  @Get()
  @RequireScopes('a')
  @CacheKey('catalogue')
  list(): object {
    ran.push('catalogue');
    return { same: 'for all' };
  }

  @Get('mine')
  @RequireScopes('a')
  @CacheKey((context) => `mine ${context.switchToHttp().getRequest<{ auth: McpAuthInfo }>().auth.principalKey}`)
  mine(@AuthInfo('subject') subject: string): object {
    return { subject };
  }

  @Get('unprotected')
  unprotected(): object {
    return { as: 'before' };
  }
}

@Controller('keyed')
@UseInterceptors(CacheInterceptor)
class KeyedForAll {
  @Get()
  @CacheKey('keyed')
  mine(@AuthInfo() auth: McpAuthInfo): object {
    return { subject: auth.subject };
  }
}

@McpController()
@UseInterceptors(CacheInterceptor)
class CachedTools {
  @Tool({ name: 'mine', description: 'Mine' })
  @CacheKey('mine')
  mine(@AuthInfo() auth: McpAuthInfo): object {
    return { subject: auth.subject };
  }

  /** Its caller could send `{ method: 'GET', url: '/catalogue' }`. */
  @Tool({ name: 'sent', description: 'Sent' })
  sent(): object {
    return {};
  }

  @Tool({ name: 'same', description: 'Same' })
  @CacheKey('same')
  same(): object {
    return {};
  }
}

describe.each(PLATFORMS)('CacheInterceptor of @nestjs/cache-manager, on %s', (platform) => {
  let running: NotesServer | undefined;
  afterEach(async () => {
    await running?.close();
    running = undefined;
    ran.length = 0;
  });

  async function start(settings: NotesServerSettings): Promise<NotesServer> {
    running = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      ...settings,
      imports: [...(settings.imports ?? []), globally(Unrelated)],
    });
    return running;
  }

  async function refused(settings: NotesServerSettings): Promise<string> {
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
    try {
      await start({ sharedIssuer, ...settings });
      return 'started';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await sharedIssuer.close();
    }
  }

  async function get(path: string, token?: string): Promise<unknown> {
    const response = await fetch(`${running!.origin}/${path}`, { headers: bearer(token) });
    return [response.status, response.headers.get('x-cache'), response.ok ? await response.json() : undefined];
  }

  it.each([CacheInterceptor, NamedAlike])('stops the start on a protected route: %p', async (interceptor) => {
    @Module({ imports: [CacheModule.register()], controllers: [controllerWith(interceptor)] })
    class Cached {}
    const message = await refused({ imports: [Cached] });
    expect(message).toContain('Mine.mine: saw CacheInterceptor of @nestjs/cache-manager on a protected handler');
    expect(message).toMatch(/would give the answer for one caller to the others.*trackBy\(\).*@CacheKey/);
  });

  it('stops the start where it is global, and names every route', async () => {
    const message = await refused({ imports: [globally(CacheInterceptor)], controllers: [Undecorated, Open] });
    expect(message).toMatch(/Undecorated\.list/);
    expect(message).not.toMatch(/Open\.|McpEndpoint/);
  });

  it('stops the start where a key is for all, but the handler injects the caller', async () => {
    @Module({ imports: [CacheModule.register()], controllers: [KeyedForAll, CachedTools] })
    class Cached {}
    expect(await refused({ imports: [Cached] })).toMatch(
      /- KeyedForAll\.mine, CachedTools\.mine, CachedTools\.sent: saw/,
    );
  });

  it('does not take a guard that a test has put in its place for one on every route', async () => {
    @Controller('before')
    @UseInterceptors(CacheInterceptor)
    class Before {
      @Get()
      list(): object {
        return { as: 'before' };
      }
    }
    @Module({ imports: [CacheModule.register()], controllers: [Before] })
    class Cached {}
    await start({
      imports: [Cached],
      options: { globalGuard: 'mcp' },
      configure: (builder) => builder.overrideProvider(McpAuthGuard).useValue({ canActivate: () => true }),
    });
    expect(await get('before')).toEqual([200, 'MISS', { as: 'before' }]);
  });

  it('serves nobody the answer for another caller where the key has the caller in it', async () => {
    const server = await start({
      imports: [globally(CallerCacheInterceptor)],
      controllers: [controllerWith(Unrelated), Open],
    });
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((sub) => server.mint({ sub })));
    expect(await get('mine', alice)).toEqual([200, 'MISS', { subject: 'alice' }]);
    expect(await get('mine', bob)).toEqual([200, 'MISS', { subject: 'bob' }]);
    expect(await get('mine', alice)).toEqual([200, 'HIT', { subject: 'alice' }]);
    expect(await get('mine', bob)).toEqual([200, 'HIT', { subject: 'bob' }]);
    expect(await get('mine')).toEqual([401, null, undefined]);
    expect(ran).toEqual(['alice', 'bob']);
    expect(await get('news')).toEqual([200, 'MISS', { of: 'everybody' }]);
    expect(await get('news', alice)).toEqual([200, 'HIT', { of: 'everybody' }]);
  });

  it('gives cached answers only to callers whom the guard admits, and caches other routes as before', async () => {
    @Module({ imports: [CacheModule.register()], controllers: [Catalogue] })
    class Cached {}
    const server = await start({ imports: [Cached], options: { globalGuard: 'mcp' } });
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((sub) => server.mint({ sub, scope: 'a' })));
    expect(await get('catalogue', alice)).toEqual([200, 'MISS', { same: 'for all' }]);
    expect(await get('catalogue', bob)).toEqual([200, 'HIT', { same: 'for all' }]);
    expect(await get('catalogue', await server.mint())).toEqual([403, null, undefined]);
    expect(await get('catalogue')).toEqual([401, null, undefined]);
    expect(ran).toEqual(['catalogue']);
    expect(await get('catalogue/mine', alice)).toEqual([200, 'MISS', { subject: 'alice' }]);
    expect(await get('catalogue/mine', bob)).toEqual([200, 'MISS', { subject: 'bob' }]);
    expect(await get('catalogue/mine', alice)).toEqual([200, 'HIT', { subject: 'alice' }]);
    expect(await get('catalogue/unprotected')).toEqual([200, 'MISS', { as: 'before' }]);
    expect(await get('catalogue/unprotected')).toEqual([200, 'HIT', { as: 'before' }]);
  });
});
