import 'reflect-metadata';
import {
  Controller,
  Get,
  Module,
  Post,
  UseGuards,
  VERSION_NEUTRAL,
  Version,
  VersioningType,
  type DynamicModule,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { APP_GUARD, NestFactory, RouterModule } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthGuard, McpAuthModule, Public, RequireScopes, type McpAuthModuleExtras } from 'nestjs-mcp-auth';
import { NestRoutes } from '../../lib/platform/nest-routes.js';
import { recorder, type LogLine } from '../support/log-lines.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { adapterFor, listen, PLATFORMS } from '../support/platforms.js';

const OPTIONS = {
  resource: 'https://mcp.example.com/mcp',
  authorizationServers: ['https://login.example.com'],
  checkAuthorizationServers: false,
};

@Controller('mcp')
class Mcp {
  @Post()
  post(): object {
    return {};
  }
}

@Controller('mcp')
@UseGuards(McpAuthGuard)
class BoundMcp extends Mcp {}

@Controller('orders')
class Orders {
  @Get()
  list(): object {
    return [];
  }

  @Get(':id')
  one(): object {
    return {};
  }

  @Post()
  @RequireScopes('orders:write')
  create(): object {
    return {};
  }

  @Get('status')
  @Public()
  status(): object {
    return {};
  }
}

describe.each(PLATFORMS)('what the guard guards, on %s', (platform) => {
  let app: INestApplication | undefined;
  let server: NotesServer | undefined;
  afterEach(async () => {
    await app?.close();
    await server?.close();
    app = server = undefined;
  });

  async function start(
    extras: McpAuthModuleExtras,
    controllers: readonly Type[],
    providers: NonNullable<DynamicModule['providers']> = [],
    prepare?: (created: INestApplication) => unknown,
  ): Promise<string[]> {
    @Module({})
    class AppModule {}
    const log: LogLine[] = [];
    const root = {
      module: AppModule,
      imports: [McpAuthModule.forRoot({ ...OPTIONS, ...extras })],
      controllers: [...controllers],
      providers,
    };
    app = await NestFactory.create(root, adapterFor(platform), { logger: recorder(log), abortOnError: false });
    prepare?.(app);
    await listen(app);
    const lines = log.filter(({ text }) => text.startsWith('McpAuthGuard guards'));
    expect(lines.map(({ level }) => level)).toEqual(['log']);
    return lines.map(({ text }) => text);
  }

  it.each<[string, McpAuthModuleExtras, readonly Type[], string]>([
    ['true', {}, [Mcp, Orders], 'all 5 routes; 1 is @Public()'],
    ['true', { globalGuard: true }, [Mcp], 'the only route; none is @Public()'],
    [
      'mcp',
      { globalGuard: 'mcp' },
      [Mcp, Orders],
      'the MCP endpoint https://mcp.example.com/mcp and 1 decorated handler; ' +
        "3 routes of this application are not guarded (globalGuard: 'mcp')",
    ],
    [
      'false',
      { globalGuard: false },
      [BoundMcp, Orders],
      '2 decorated handlers; 3 routes of this application are not guarded (globalGuard: false)',
    ],
  ])('is said at the start, in one line, with globalGuard %s', async (_setting, extras, controllers, said) => {
    expect(await start(extras, controllers)).toEqual([`McpAuthGuard guards ${said}`]);
  });

  it.each<[string, NonNullable<DynamicModule['providers']>, (created: INestApplication) => unknown]>([
    ['APP_GUARD', [{ provide: APP_GUARD, useExisting: McpAuthGuard }], () => undefined],
    ['useGlobalGuards()', [], (created) => created.useGlobalGuards(created.get(McpAuthGuard))],
  ])(
    'counts every route with globalGuard false, if the application binds it by %s',
    async (_way, providers, prepare) => {
      const said = await start({ globalGuard: false }, [Mcp, Orders], providers, prepare);
      expect(said).toEqual(['McpAuthGuard guards all 5 routes; 1 is @Public()']);
    },
  );

  it('counts decorated tools among the handlers', async () => {
    server = await startNotesServer(platform, { options: { globalGuard: 'mcp' } });
    const said = server.log.find((line) => line.startsWith('McpAuthGuard guards'));
    // The tools with scopes or policies, POST /plain/scoped and GET /open/mixed.
    expect(said).toMatch(
      /^McpAuthGuard guards the MCP endpoint http:\/\/127.0.0.1:\d+\/mcp and 7 decorated handlers; 2 routes/,
    );
  });

  it('knows the paths of routes as Nest serves them', async () => {
    @Controller({ path: ['cats', 'felines'], version: ['1', VERSION_NEUTRAL] })
    class Cats {
      @Get(['', 'all/'])
      list(): object {
        return [];
      }

      @Post('/:id/feed')
      @Version('2')
      feed(): object {
        return {};
      }
    }
    @Module({ controllers: [Cats] })
    class CatsModule {}
    @Controller('health')
    class Health {
      @Get()
      get(): object {
        return {};
      }

      @Post()
      post(): object {
        return {};
      }
    }
    @Module({
      imports: [
        McpAuthModule.forRoot(OPTIONS),
        CatsModule,
        RouterModule.register([{ path: 'zoo', module: CatsModule }]),
      ],
      controllers: [Health, Mcp],
    })
    class AppModule {}
    const log: LogLine[] = [];
    app = await NestFactory.create(AppModule, adapterFor(platform), { logger: recorder(log) });
    app.setGlobalPrefix('api', { exclude: [{ path: 'health', method: 0 }] });
    app.enableVersioning({ type: VersioningType.URI, defaultVersion: VERSION_NEUTRAL });
    const registered = registeredRoutes(app);
    await listen(app);
    const known = app.get(NestRoutes, { strict: false }).all.map(({ name }) => name);
    expect(known.toSorted()).toEqual(registered.toSorted());
    expect(known).toContain('GET /health');
    expect(known).toContain('POST /api/v2/zoo/felines/:id/feed');
  });
});

/** The routes that Nest registers from now on, as it names them to the platform. */
function registeredRoutes(app: INestApplication): string[] {
  const adapter = app.getHttpAdapter() as unknown as Record<string, (path: unknown, ...handlers: unknown[]) => unknown>;
  const seen: string[] = [];
  for (const verb of ['get', 'post']) {
    const register = adapter[verb]!.bind(adapter);
    adapter[verb] = (path, ...handlers) => {
      seen.push(`${verb.toUpperCase()} ${String(path)}`);
      return register(path, ...handlers);
    };
  }
  return seen;
}
