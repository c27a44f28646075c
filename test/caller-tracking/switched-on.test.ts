import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  forwardRef,
  Get,
  Inject,
  Injectable,
  Module,
  Scope,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type ModuleMetadata,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_INTERCEPTOR, ModuleRef } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { McpController, Tool } from '@rekog/mcp-nest';
import type { Observable } from 'rxjs';
import { AuthInfo, McpAuthModule, McpAuthService, Public } from 'nestjs-mcp-auth';
import { answerOf, expectServed } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { Finder } from './finder.js';
import { closeServers, running, start } from './started-servers.js';

const text = (value: unknown): object => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

afterEach(closeServers);

@Injectable()
class Injecting {
  constructor(@Inject(McpAuthService) readonly service: McpAuthService) {}
}

@McpController()
class FinderTools {
  constructor(@Inject(Finder) private readonly finder: Finder) {}

  @Tool({ name: 'found', description: 'By McpAuthService' })
  async found(): Promise<object> {
    return text(await Promise.all([7, 1, 4].map((turns) => this.finder.subject(turns))));
  }

  @Tool({ name: 'injected', description: 'By @AuthInfo()' })
  injected(@AuthInfo('subject') subject: string): object {
    return text(subject);
  }
}

@Controller('found')
class FinderController {
  constructor(@Inject(Finder) private readonly finder: Finder) {}

  @Get()
  async found(@AuthInfo('subject') subject: string): Promise<object> {
    return { subject, found: await this.finder.subject(5) };
  }

  @Get('open')
  @Public()
  async open(): Promise<object> {
    return { found: await this.finder.subject(3) };
  }
}

const FINDING = { providers: [Finder], controllers: [FinderTools, FinderController] };

describe.each(PLATFORMS)('where nobody injects McpAuthService, on %s', (platform) => {
  it('says that callers are not followed, and what to do', async () => {
    const server = await start(platform, FINDING);
    expect(() => server.app.get(McpAuthService).authInfo).toThrow(/followCaller: true/);
    const response = await fetch(`${server.origin}/found`, { headers: bearer(await server.mint()) });
    expect([response.status, server.log.join('\n')]).toEqual([500, expect.stringContaining('followCaller: true')]);
  });

  it('has the caller in routes and tools by @AuthInfo() as ever', async () => {
    const server = await start(platform, FINDING);
    const token = await server.mint();
    const response = await fetch(`${server.origin}/plain`, { headers: bearer(token) });
    expect(await expectServed(server, response, 'plain')).toBe('{"subject":"alice"}');
    expect(await answerOf(await server.callTool('injected', token))).toBe('alice');
  });

  it('verifies tokens all the same', async () => {
    const server = await start(platform);
    expect((await server.app.get(McpAuthService).verify(await server.mint())).subject).toBe('alice');
  });
});

describe.each(PLATFORMS)('with followCaller: true, on %s', (platform) => {
  it('knows the caller below handlers, whoever asks, and mixes up no concurrent calls', async () => {
    const server = await start(platform, { ...FINDING, options: { followCaller: true } });
    const subjects = Array.from({ length: 12 }, (_, index) => `user-${index}`);
    const answers = await Promise.all(
      subjects.map(async (sub, index) => {
        const token = await server.mint({ sub });
        if (index % 2 === 0) return answerOf(await server.callTool('found', token));
        const response = await fetch(`${server.origin}/found`, { headers: bearer(token) });
        return response.json();
      }),
    );
    expect(answers).toEqual(
      subjects.map((sub, index) => (index % 2 === 0 ? [sub, sub, sub] : { subject: sub, found: sub })),
    );
  });

  it('knows none on public routes, whatever token comes, and none outside of requests', async () => {
    const server = await start(platform, { ...FINDING, options: { followCaller: true } });
    for (const token of [undefined, await server.mint()]) {
      const response = await fetch(`${server.origin}/found/open`, { headers: bearer(token) });
      expect(await response.json()).toEqual({ found: null });
    }
    expect(server.app.get(McpAuthService).authInfo).toBeUndefined();
  });
});

describe.each(PLATFORMS)('with followCaller: false, on %s', (platform) => {
  it('follows nobody, although the service is injected', async () => {
    const server = await start(platform, {
      ...FINDING,
      providers: [Finder, Injecting],
      options: { followCaller: false },
    });
    expect(() => server.app.get(McpAuthService).authInfo).toThrow(/followCaller is false/);
    const response = await fetch(`${server.origin}/found`, { headers: bearer(await server.mint()) });
    expect(response.status).toBe(500);
  });
});

describe('that McpAuthService is injected', () => {
  @Injectable()
  class ByType {
    constructor(readonly service: McpAuthService) {}
  }

  @Injectable()
  class ByForwardRef {
    constructor(@Inject(forwardRef(() => McpAuthService)) readonly service: unknown) {}
  }

  @Injectable()
  class ByProperty {
    @Inject() readonly service!: McpAuthService;
  }

  @Injectable()
  class ByNamedProperty {
    @Inject(McpAuthService) readonly service!: unknown;
  }

  @Injectable()
  class ByForwardedProperty {
    @Inject(forwardRef(() => McpAuthService)) readonly service!: unknown;
  }

  @Injectable()
  class ByBaseClass extends ByType {}

  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {
    constructor(readonly service: McpAuthService) {}
  }

  @Controller('by-controller')
  class ByController {
    constructor(readonly service: McpAuthService) {}
  }

  @Injectable()
  class CallerInterceptor implements NestInterceptor {
    constructor(readonly service: McpAuthService) {}

    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle();
    }
  }

  @Controller('intercepted')
  @UseInterceptors(CallerInterceptor)
  class InterceptedController {
    @Get()
    get(): object {
      return {};
    }
  }

  @Module({ providers: [ByType] })
  class FeatureModule {}

  @Injectable()
  class Unrelated {
    constructor(@Inject(ModuleRef) readonly modules: ModuleRef) {}
  }

  const useFactory = (): object => ({});
  const BASE = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] };

  /** The service of an application with this in it. */
  async function serviceIn(metadata: ModuleMetadata): Promise<McpAuthService> {
    const imports = [McpAuthModule.forRoot({ ...BASE, checkAuthorizationServers: false }), ...(metadata.imports ?? [])];
    const module = await Test.createTestingModule({ ...metadata, imports }).compile();
    running.push(module);
    return module.get(McpAuthService);
  }

  it.each<[string, ModuleMetadata]>([
    ['into a constructor, by type', { providers: [ByType] }],
    ['into a constructor, by @Inject(McpAuthService)', { providers: [Injecting] }],
    ['into a constructor, by forwardRef()', { providers: [ByForwardRef] }],
    ['into a property, by its type', { providers: [ByProperty] }],
    ['into a property, by @Inject(McpAuthService)', { providers: [ByNamedProperty] }],
    ['into a property, by forwardRef()', { providers: [ByForwardedProperty] }],
    ['into the constructor of a base class', { providers: [ByBaseClass] }],
    ['into a class under another token', { providers: [{ provide: 'CALLER', useClass: ByType }] }],
    ['into a factory', { providers: [{ provide: 'CALLER', useFactory, inject: [McpAuthService] }] }],
    [
      'into a factory that can do without',
      { providers: [{ provide: 'CALLER', useFactory, inject: [{ token: McpAuthService, optional: true }] }] },
    ],
    [
      'into a factory, by forwardRef()',
      { providers: [{ provide: 'CALLER', useFactory, inject: [forwardRef(() => McpAuthService) as never] }] },
    ],
    ['under another name', { providers: [{ provide: 'CALLER', useExisting: McpAuthService }] }],
    ['into a provider of a request', { providers: [PerRequest] }],
    ['into a controller', { controllers: [ByController] }],
    ['into an interceptor that a decorator binds', { controllers: [InterceptedController] }],
    ['into a global interceptor', { providers: [{ provide: APP_INTERCEPTOR, useClass: CallerInterceptor }] }],
    ['in another module', { imports: [FeatureModule] }],
  ])('is noticed: %s', async (_how, metadata) => {
    expect((await serviceIn(metadata)).authInfo).toBeUndefined();
  });

  it.each<[string, ModuleMetadata]>([
    ['there is nothing else', {}],
    ['others are injected', { providers: [Unrelated, { provide: 'OTHER', useFactory, inject: [Unrelated] }] }],
    ['a factory needs nothing', { providers: [{ provide: 'OTHER', useFactory }] }],
    [
      'there are values',
      {
        providers: [
          { provide: 'OTHER', useValue: McpAuthService },
          { provide: 'NONE', useValue: null },
        ],
      },
    ],
  ])('is not assumed where %s', async (_what, metadata) => {
    const service = await serviceIn(metadata);
    expect(() => service.authInfo).toThrow('followCaller');
  });
});
