import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  applyDecorators,
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  Post,
  Scope,
  SetMetadata,
  type INestApplication,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { LazyModuleLoader, REQUEST } from '@nestjs/core';
import { Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Test } from '@nestjs/testing';
import { SubscribeMessage } from '@nestjs/websockets';
import {
  AuthInfo,
  Authorize,
  McpAuthGuard,
  McpAuthModule,
  ProtectedResource,
  Public,
  RequireAuthentication,
  RequireProof,
  RequireScopes,
} from 'nestjs-mcp-auth';
import { McpTool } from 'nestjs-mcp-auth/sdk';
import { openLogs, RECORDER } from '../support/notes-server.js';
import { adapterFor, PLATFORMS, type Platform } from '../support/platforms.js';
import { decorateMethod } from './cases.js';

const OPTIONS = {
  resource: 'https://mcp.example.com/mcp',
  authorizationServers: ['https://login.example.com'],
  dpop: 'accepted' as const,
  checkAuthorizationServers: false,
};

/** A decorator of a framework that nobody knows. */
const UnknownTool = (): MethodDecorator => SetMetadata('unknown:tool', {});

/** A decorator that puts another function in place of the method, and no metadata. */
const Transactional = (): MethodDecorator => (_target, _key, descriptor) => {
  const original = descriptor.value as (...args: unknown[]) => unknown;
  descriptor.value = function (this: unknown, ...args: unknown[]) {
    return original.apply(this, args);
  } as never;
};

const opened: INestApplication[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

async function start(
  metadata: ModuleMetadata,
  platform: Platform = 'express',
  options: object = {},
): Promise<INestApplication> {
  const imports = [McpAuthModule.forRoot({ ...OPTIONS, ...options }), ...(metadata.imports ?? [])];
  const module = await Test.createTestingModule({ ...metadata, imports }).compile();
  const app = module.createNestApplication(adapterFor(platform), { logger: RECORDER });
  opened.push(app);
  return app.init();
}

const refusal = (metadata: ModuleMetadata, platform?: Platform): Promise<string> =>
  start(metadata, platform).then(
    () => 'it started',
    (error: Error) => error.message,
  );

/** TypeScript accepts our decorators on classes and methods only; programs in JavaScript may put them anywhere. */
const anywhere = (decorator: unknown): never => decorator as never;

describe.each(PLATFORMS)('the start of an application on %s', (platform) => {
  it('LIB-20: is refused where the method of an unknown framework is decorated, naming those that are known', async () => {
    @Injectable()
    class Tools {
      @UnknownTool()
      @RequireScopes('a')
      act(): void {}
    }

    const message = await refusal({ providers: [Tools] }, platform);
    expect(message).toContain('Tools.act: saw @RequireScopes("a") on no handler that is known');
    for (const known of [
      'routes',
      'WebSockets',
      'GraphQL',
      '@rekog/mcp-nest',
      '@nestjs-mcp/server',
      'nestjs-mcp-auth/sdk',
    ]) {
      expect(message).toContain(known);
    }
  });

  it('LIB-20: is refused where a controller has a decorated method without a route', async () => {
    @Controller()
    class Notes {
      @Get()
      all(): void {}

      @Authorize(() => true)
      helper(): void {}
    }

    expect(await refusal({ controllers: [Notes] }, platform)).toContain('Notes.helper: saw @Authorize() on no handler');
  });
});

const DECORATORS: readonly (readonly [name: string, decorator: () => MethodDecorator & ClassDecorator])[] = [
  ['@RequireScopes("a")', () => RequireScopes('a')],
  ['@Authorize()', () => Authorize(() => true)],
  ['@RequireAuthentication()', () => RequireAuthentication({ acr: 'x' })],
  ['@RequireProof()', () => RequireProof()],
  ['@ProtectedResource("https://mcp.example.com/mcp")', () => ProtectedResource('https://mcp.example.com/mcp')],
  ['@Public()', () => Public()],
];

describe.each(DECORATORS.slice(0, -1))('%s', (name, decorator) => {
  it('LIB-20: on a helper that a handler calls stops the start', async () => {
    @Injectable()
    class Helper {
      @decorator()
      act(): void {}
    }

    expect(await refusal({ providers: [Helper] })).toContain(`Helper.act: saw ${name} on no handler`);
    expect(await refusal({ providers: [{ provide: 'MADE', useFactory: () => new Helper() }] })).toContain(
      'Helper.act: saw',
    );
    expect(await refusal({ providers: [{ provide: 'VALUE', useValue: new Helper() }] })).toContain('Helper.act: saw');
  });

  it('LIB-20: on a request-scoped, a transient, an inheriting and a mixed-in helper stops the start', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @decorator()
      act(): void {}
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class Inheriting extends PerRequest {}
    const mixin = (): Type<object> => {
      @Injectable()
      class MixedIn {
        @decorator()
        act(): void {}
      }
      return MixedIn;
    };
    @Injectable()
    class Mixing extends mixin() {}

    for (const [classRef, option] of [
      [PerRequest, 'PerRequest.act'],
      [Inheriting, 'Inheriting.act'],
      [Mixing, 'Mixing.act'],
    ] as const) {
      expect(await refusal({ providers: [classRef] })).toContain(`${option}: saw ${name}`);
    }
  });

  it('LIB-20: on a class without handlers stops the start', async () => {
    @Injectable()
    @decorator()
    class Service {
      act(): void {}
    }

    expect(await refusal({ providers: [Service] })).toContain(`Service: saw ${name} on a class without any handler`);
  });
});

describe('@Public()', () => {
  it('may stand on what nothing is known to call, since it asks for nothing', async () => {
    @Injectable()
    @Public()
    class Bot {
      @Public()
      act(): void {}
    }
    expect(await refusal({ providers: [Bot] })).toBe('it started');
  });
});

describe.each(DECORATORS)('%s', (name, decorator) => {
  it('LIB-20: where it can mean nothing stops the start', async () => {
    class Subject {
      static make(): void {}
      readonly arrow = (): void => undefined;
      get value(): number {
        return 1;
      }
      [Symbol.iterator](): void {}
      act(): void {}
    }
    Controller('x')(Subject);
    const target = Subject.prototype;
    const apply = anywhere as unknown as (decorator: unknown) => (...args: unknown[]) => void;
    const places: readonly (readonly [where: string, args: unknown[]])[] = [
      ['Subject.make: saw @ on a static method', [Subject, 'make', Object.getOwnPropertyDescriptor(Subject, 'make')]],
      ['Subject.arrow: saw @ on a property', [target, 'arrow', undefined]],
      ['Subject.value: saw @ on a accessor', [target, 'value', Object.getOwnPropertyDescriptor(target, 'value')]],
      [
        'Subject.Symbol(Symbol.iterator): saw @ on a method with a symbol for a name',
        [target, Symbol.iterator, Object.getOwnPropertyDescriptor(target, Symbol.iterator)],
      ],
      ['Subject.act: saw @ on a parameter', [target, 'act', 0]],
      ['Subject: saw @ on a constructor parameter', [Subject, undefined, 0]],
    ];
    for (const [, args] of places) apply(decorator())(...args);
    const message = await refusal({ controllers: [Subject] });
    for (const [where] of places) expect(message).toContain(where.replace('@', name));
  });

  it('LIB-20: as a decorator of ECMAScript does not load', () => {
    const apply = anywhere(decorator()) as (...args: unknown[]) => void;
    expect(() => apply(() => undefined, { kind: 'method', name: 'act' })).toThrow('experimentalDecorators');
  });

  it('LIB-20: below a decorator that replaces the method stops the start, also among composed ones', async () => {
    @Controller()
    class Notes {
      @Get()
      @Transactional()
      @applyDecorators(decorator(), SetMetadata('x', 1))
      act(): void {}
    }

    const message = await refusal({ controllers: [Notes] });
    expect(message).toContain(`Notes.act: saw ${name}, which another decorator`);
    expect(message).toContain(`Write ${name} above that decorator, as the first line`);
  });

  it('holds above one, on routes and other handlers of Nest, in base classes and in mixins', async () => {
    class Base {
      @decorator()
      @Get('base')
      @Transactional()
      act(): void {}
    }
    @Controller('notes')
    class Notes extends Base {
      @Post('again')
      @decorator()
      again(): void {}
    }
    @Controller('again')
    @decorator()
    class Again extends Notes {}
    expect(await refusal({ controllers: [Notes, Again] })).toBe('it started');
  });
});

describe('handlers of Nest other than routes', () => {
  it('are not called unrecognised', async () => {
    class Gateway {
      @SubscribeMessage('message')
      @RequireScopes('a')
      message(): void {}
    }
    @Resolver()
    class Notes {
      @Query(() => String)
      @RequireScopes('a')
      notes(): string {
        return '';
      }

      @ResolveField()
      @RequireScopes('a')
      author(): string {
        return '';
      }
    }
    for (const classRef of [Gateway, Notes])
      expect(await refusal({ providers: [classRef] })).not.toContain('no handler that is known');
  });
});

describe('@AuthInfo()', () => {
  it('LIB-20: stops the start on a method that nothing is known to call, where it would be what the caller passes', async () => {
    @Injectable()
    class Helper {
      @UnknownTool()
      act(@AuthInfo() _auth: unknown): void {}
    }

    expect(await refusal({ providers: [Helper] })).toContain('Helper.act: saw @AuthInfo() on no handler');
  });

  it('LIB-20: stops the start in a constructor, and on a static method', async () => {
    class Helper {
      static make(): void {}
    }
    const apply = anywhere(AuthInfo()) as (...args: unknown[]) => void;
    apply(Helper, undefined, 0);
    apply(Helper, 'make', 0);
    const message = await refusal({ providers: [Helper] });
    expect(message).toContain('Helper: saw @AuthInfo() on a constructor parameter');
    expect(message).toContain('Helper.make: saw @AuthInfo() on a static method');
  });
});

describe('a subclass', () => {
  class Base {
    @Get()
    @RequireScopes('a')
    @Authorize(() => true)
    act(): void {}

    @Get('open')
    @Public()
    open(): void {}
  }

  it('LIB-20: that overrides a handler has to write anew each kind of thing that is declared', async () => {
    @Controller()
    class Derived extends Base {
      @Get()
      @RequireScopes('b')
      override act(): void {}
    }
    @Controller()
    class Whole extends Base {
      @Get()
      @RequireScopes('b')
      @Authorize(() => true)
      override act(): void {}
    }
    const message = await refusal({ controllers: [Derived] });
    expect(message).toContain('Derived.act: saw a method that overrides that of Base, which declares @Authorize()');
    expect(message).not.toContain('declares @RequireScopes');
    expect(await refusal({ controllers: [Whole] })).toBe('it started');
  });

  it('LIB-20: that overrides a handler by something else has nothing to declare', async () => {
    @Controller()
    class Derived extends Base {
      override act(): void {}
      @Get('open')
      override open(): void {}
    }
    expect(await refusal({ controllers: [Derived] })).toBe('it started');
  });

  it('LIB-20: with declarations of its own has to write anew what its base class declares', async () => {
    @RequireScopes('a')
    class Scoped extends Base {}
    @Controller()
    @Authorize(() => true)
    class Derived extends Scoped {}
    @Controller()
    @RequireScopes('b')
    class Other extends Scoped {}
    expect(await refusal({ controllers: [Derived] })).toContain(
      'Derived: saw @RequireScopes("a") on the class, or on one that it',
    );
    expect(await refusal({ controllers: [Other] })).toBe('it started');
  });

  it('may be made by a class decorator, as long as that keeps what was declared', async () => {
    @Controller('traced')
    @RequireScopes('a')
    class Notes extends Base {}
    const traced = class extends Notes {};
    Controller('traced')(traced);
    expect(await refusal({ controllers: [traced] })).toBe('it started');
    const lost = new Proxy(Notes, {});
    Controller('lost')(lost);
    expect(await refusal({ controllers: [lost] })).toContain('Notes: saw @RequireScopes("a") on the class');
  });
});

describe('an instance', () => {
  it('LIB-20: that has a bound function in the place of a decorated handler stops the start', async () => {
    @Controller()
    class Notes {
      constructor() {
        this.act = this.act.bind(this);
      }

      @Get()
      @RequireScopes('a')
      act(): void {}
    }
    expect(await refusal({ controllers: [Notes] })).toContain(
      'Notes.act: saw an instance with another function of that name',
    );
  });

  it('LIB-20: of a request that has one is not served', async () => {
    const ran: string[] = [];

    @Controller()
    class Notes {
      constructor(@Inject(REQUEST) readonly request: unknown) {
        this.act = this.act.bind(this);
      }

      @Get()
      @RequireScopes('a')
      act(): void {
        ran.push('act');
      }
    }
    const app = await start({ controllers: [Notes] });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as { port: number };
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(500);
    expect(ran).toEqual([]);
  });
});

describe('a class that no module lists', () => {
  async function warnings(): Promise<string[]> {
    const log: string[] = [];
    openLogs.add(log);
    await start({});
    openLogs.delete(log);
    return log.filter((line) => line.includes('no module of this application lists its class'));
  }

  it('is warned about once, if nothing is known to call its decorated method, and stops no start', async () => {
    class Forgotten {
      @RequireScopes('a')
      act(): void {}
    }
    expect((await warnings()).join('\n')).toContain('Forgotten.act has @RequireScopes("a")');
    expect((await warnings()).join('\n')).not.toContain(Forgotten.name);
  });

  it('is not warned about with handlers that are known, as it may belong to another application of the process', async () => {
    @Controller()
    @RequireScopes('a')
    class OfAnother {
      @Get()
      @RequireScopes('b')
      act(): void {}
    }
    abstract class Abstract {
      abstract act(): void;
    }
    RequireScopes('a')(Abstract);
    decorateMethod(OfAnother, 'act', [Public()]);
    expect((await warnings()).join('\n')).not.toMatch(/OfAnother|Abstract/);
  });
});

describe('a module that is loaded lazily', () => {
  it('LIB-20: is not looked at at the start, and a handler of it whose declaration was dropped is refused', async () => {
    @Injectable()
    class Notes {
      @McpTool()
      @Transactional()
      @RequireScopes('a')
      act(): void {}
    }
    @Module({ providers: [Notes] })
    class LazyModule {}

    const app = await start({});
    await app.get(LazyModuleLoader).load(() => LazyModule);
    const context = {
      getType: () => 'rpc',
      getClass: () => Notes,
      getHandler: () => Notes.prototype.act,
      switchToRpc: () => ({ getContext: () => ({}) }),
    };
    await expect(async () => app.get(McpAuthGuard).canActivate(context as never)).rejects.toThrow(
      'Notes.act: saw @RequireScopes("a")',
    );
  });
});

describe('an application without HTTP', () => {
  it('LIB-20: does not start either', async () => {
    @Injectable()
    class Helper {
      @RequireScopes('a')
      act(): void {}
    }
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot(OPTIONS)],
      providers: [Helper],
    }).compile();
    await expect(module.init()).rejects.toThrow('Helper.act: saw @RequireScopes("a") on no handler');
    await module.close();
  });
});
