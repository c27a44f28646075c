import 'reflect-metadata';
import { Controller, Get, Module, Post, UseGuards, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  McpAuthConfigError,
  McpAuthGuard,
  McpAuthModule,
  ProtectedResource,
  RequireScopes,
  type McpAuthModuleExtras,
} from 'nestjs-mcp-auth';
import { adapterFor, listen, PLATFORMS } from '../support/platforms.js';

const RESOURCES = ['one', 'two'].map((id) => ({
  id,
  resource: `https://mcp.example.com/${id}`,
  authorizationServers: ['https://login.example.com'],
}));

class Serving {
  @Post()
  post(): object {
    return {};
  }
}

@Controller('one')
@ProtectedResource('one')
class One extends Serving {}

@Controller('two')
class Two extends Serving {}

@Controller('orders')
class Orders {
  @Get()
  list(): object {
    return [];
  }
}

@Controller('bound')
class Bound {
  @Get()
  @UseGuards(McpAuthGuard)
  get(): object {
    return {};
  }
}

@Controller('scoped')
class Scoped {
  @Get()
  @RequireScopes('a')
  get(): object {
    return {};
  }
}

describe.each(PLATFORMS)('several resources, on %s', (platform) => {
  let app: INestApplication | undefined;
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  async function start(extras: McpAuthModuleExtras, controllers: readonly Type[]): Promise<string> {
    const options = { resources: RESOURCES, checkAuthorizationServers: false, ...extras };
    @Module({ imports: [McpAuthModule.forRoot(options)], controllers: [...controllers] })
    class AppModule {}
    app = await NestFactory.create(AppModule, adapterFor(platform), { logger: false, abortOnError: false });
    return listen(app);
  }

  it.each(['mcp', false] as const)(
    'leave a route alone that nothing guards, with globalGuard %s',
    async (globalGuard) => {
      const origin = await start({ globalGuard }, [One, Orders]);
      expect((await fetch(`${origin}/orders`)).status).toBe(200);
      expect((await fetch(`${origin}/one`, { method: 'POST' })).status).toBe(401);
    },
  );

  it.each<[string, McpAuthModuleExtras, Type]>([
    ['every route', { globalGuard: true }, Orders],
    ['the path of a resource', { globalGuard: 'mcp' }, Two],
    ['a decorator', { globalGuard: 'mcp' }, Scoped],
    ['@UseGuards()', { globalGuard: 'mcp' }, Bound],
    ['@UseGuards() alone', { globalGuard: false }, Bound],
  ])('do not start with a route whose resource is unknown, guarded by %s', async (_way, extras, controller) => {
    const error: unknown = await start(extras, [One, controller]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(McpAuthConfigError);
    expect((error as McpAuthConfigError).problems).toEqual([
      {
        option: `@ProtectedResource() of ${controller.name}`,
        seen: 'nothing',
        why: 'with several resources, each protected route must say whose tokens it accepts',
        write: 'Known are "one", "two"; or declare the route @Public()',
      },
    ]);
  });
});
