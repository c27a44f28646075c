import 'reflect-metadata';
import { Controller, Get, Injectable, Module, type DynamicModule } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthModule, RequireScopes, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { PLATFORMS } from '../support/platforms.js';
import { RESOURCE, GOOD, METADATA, start, stop, refusal, expectHelpful } from './started-app.js';

@Injectable()
class Settings {
  readonly resource: string = RESOURCE;
}

@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

@Module({ providers: [{ provide: Settings, useValue: { resource: 'elsewhere' } }], exports: [Settings] })
class BrokenSettingsModule {}

@Injectable()
class OptionsFactory {
  constructor(private readonly settings: Settings) {}
  createMcpAuthOptions(): McpAuthModuleOptions {
    return { ...GOOD, resource: this.settings.resource };
  }
}

@Module({ imports: [SettingsModule], providers: [OptionsFactory], exports: [OptionsFactory] })
class FactoryModule {}

@Module({ imports: [BrokenSettingsModule], providers: [OptionsFactory], exports: [OptionsFactory] })
class BrokenFactoryModule {}

type AsyncOptions = Parameters<typeof McpAuthModule.forRootAsync>[0];

describe.each(PLATFORMS)('ways to give options, on %s', (platform) => {
  afterEach(stop);

  const useFactory = (settings: Settings): McpAuthModuleOptions => ({ ...GOOD, resource: settings.resource });
  const GIVEN: readonly (readonly [how: string, module: () => DynamicModule])[] = [
    ['forRoot', () => McpAuthModule.forRoot(GOOD)],
    ['useFactory', () => McpAuthModule.forRootAsync({ useFactory: () => GOOD })],
    ['useFactory with a promise', () => McpAuthModule.forRootAsync({ useFactory: () => Promise.resolve(GOOD) })],
    [
      'useFactory with imports and inject',
      () => McpAuthModule.forRootAsync({ imports: [SettingsModule], inject: [Settings], useFactory }),
    ],
    ['useClass', () => McpAuthModule.forRootAsync({ imports: [SettingsModule], useClass: OptionsFactory })],
    ['useExisting', () => McpAuthModule.forRootAsync({ imports: [FactoryModule], useExisting: OptionsFactory })],
  ];

  it.each(GIVEN)('starts with good ones: %s', async (_, module) => {
    const { origin } = await start(module(), [], platform);
    expect(await (await fetch(origin + METADATA)).json()).toMatchObject({ resource: RESOURCE });
  });

  const BROKEN: readonly (readonly [how: string, module: () => DynamicModule])[] = [
    ['forRoot', () => McpAuthModule.forRoot({ ...GOOD, resource: 'elsewhere' })],
    ['useFactory', () => McpAuthModule.forRootAsync({ useFactory: () => ({ ...GOOD, resource: 'elsewhere' }) })],
    [
      'useFactory with a promise',
      () => McpAuthModule.forRootAsync({ useFactory: async () => ({ ...GOOD, resource: 'elsewhere' }) }),
    ],
    [
      'useFactory with imports and inject',
      () => McpAuthModule.forRootAsync({ imports: [BrokenSettingsModule], inject: [Settings], useFactory }),
    ],
    ['useClass', () => McpAuthModule.forRootAsync({ imports: [BrokenSettingsModule], useClass: OptionsFactory })],
    ['useExisting', () => McpAuthModule.forRootAsync({ imports: [BrokenFactoryModule], useExisting: OptionsFactory })],
  ];

  it.each(BROKEN)('refuses to start with bad ones: %s', async (_, module) => {
    const error = await refusal(module, [], platform);
    expect(error.problems).toEqual([expect.objectContaining({ option: 'resource', seen: '"elsewhere"' })]);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'https://mcp.example.com/mcp'],
    ['a list', [GOOD]],
  ])('refuses to start with a factory that returns %s', async (_, returned) => {
    const error = await refusal(
      () => McpAuthModule.forRootAsync({ useFactory: () => returned } as unknown as AsyncOptions),
      [],
      platform,
    );
    expect(error.problems.map(({ option }) => option)).toEqual(['options', 'resource', 'authorizationServers']);
    expectHelpful(error);
  });

  it('refuses to start where the factory fails, with its own error', async () => {
    const failure = new Error('The vault is sealed');
    await expect(
      start(McpAuthModule.forRootAsync({ useFactory: () => Promise.reject(failure) }), [], platform),
    ).rejects.toBe(failure);
  });

  it('refuses globalGuard among the options of a factory, which come too late for it', async () => {
    const error = await refusal(
      () => McpAuthModule.forRootAsync({ useFactory: () => ({ ...GOOD, globalGuard: false }) }),
      [],
      platform,
    );
    expect(error.problems.map(({ option }) => option)).toEqual(['globalGuard']);
  });

  @Controller('notes')
  class NotesController {
    @Get()
    list(): string[] {
      return [];
    }

    @Get('scoped')
    @RequireScopes('notes:read')
    scoped(): string[] {
      return [];
    }
  }

  const guarded = async (module: DynamicModule): Promise<number[]> => {
    const { origin } = await start(module, [NotesController], platform);
    return [(await fetch(`${origin}/notes`)).status, (await fetch(`${origin}/notes/scoped`)).status];
  };

  it.each([
    ['left out', {}],
    ['true', { globalGuard: true }],
    ['undefined', { globalGuard: undefined }],
  ])('protects every route where globalGuard is %s', async (_, extras) => {
    expect(await guarded(McpAuthModule.forRoot({ ...GOOD, ...extras } as McpAuthModuleOptions))).toEqual([401, 401]);
    expect(await guarded(McpAuthModule.forRootAsync({ useFactory: () => GOOD, ...extras } as AsyncOptions))).toEqual([
      401, 401,
    ]);
  });

  it.each(['mcp', false] as const)('protects only what is decorated where globalGuard is %s', async (globalGuard) => {
    expect(await guarded(McpAuthModule.forRoot({ ...GOOD, globalGuard }))).toEqual([200, 401]);
    expect(await guarded(McpAuthModule.forRootAsync({ useFactory: () => GOOD, globalGuard }))).toEqual([200, 401]);
  });

  it.each([
    ['null', null],
    ['0', 0],
    ['""', ''],
    ['"MCP"', 'MCP'],
    ['"false"', 'false'],
    ['an object', {}],
  ])(
    'refuses to start where globalGuard is %s, and reports that with all other problems',
    async (seen, globalGuard) => {
      const extras = { globalGuard } as unknown as { globalGuard: false };
      const broken = { ...GOOD, resource: 'elsewhere' };
      const ways = [
        () => McpAuthModule.forRoot({ ...broken, ...extras }),
        () => McpAuthModule.forRootAsync({ useFactory: () => broken, ...extras }),
      ];
      for (const way of ways) {
        const error = await refusal(way, [NotesController], platform);
        expect(error.problems.map((problem) => [problem.option, problem.seen])).toEqual([
          ['resource', '"elsewhere"'],
          ['globalGuard', seen],
        ]);
        expectHelpful(error);
        expect(error.message).toContain('Write true, "mcp" or false');
      }
    },
  );
});
