import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Param, type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ResourceTemplate as SdkResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import {
  McpController,
  McpHttpControllerFor,
  McpStrategy,
  Prompt,
  Resource,
  ResourceTemplate,
  StreamableHttpTransport,
  Tool,
} from '@rekog/mcp-nest';
import {
  AuthInfo,
  McpAuthModule,
  ProtectedResource,
  Public,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleExtras,
} from 'nestjs-mcp-auth';
import { McpPrompt, McpResource, McpTool } from 'nestjs-mcp-auth/sdk';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startSdkServer, SDKS, type SdkServer } from './sdk/sdk-server.js';
import { expectRefusal, resetRecorded, messagesOf, type Witness } from './support/expectations.js';
import { freePort } from './support/free-port.js';
import { openLogs, RECORDER } from './support/notes-server.js';
import { adapterFor, PLATFORMS, type Platform } from './support/platforms.js';
import { bearer, rpcTo } from './support/rpc.js';
import { expectReason } from './support/tokens.js';

// What belongs to one protected resource, by `@ProtectedResource()` and nothing else, is not served at another.

const ran: string[] = [];
const text = (value: string): object => {
  ran.push(value);
  return { content: [{ type: 'text', text: value }] };
};
const contents = (value: string): object => {
  ran.push(value);
  return { contents: [{ uri: 'b://', text: value }] };
};
const messages = (value: string): object => {
  ran.push(value);
  return { messages: [{ role: 'user', content: { type: 'text', text: value } }] };
};

@McpController()
@ProtectedResource('b')
class OfB {
  @Tool({ name: 'b-tool', description: 'Of b' })
  tool(): object {
    return text('b-tool');
  }

  @Resource({ uri: 'b://fixed', name: 'b-fixed' })
  fixed(): object {
    return contents('b-fixed');
  }

  @ResourceTemplate({ uriTemplate: 'b://by-id/{id}', name: 'b-by-id' })
  byId(): object {
    return contents('b-by-id');
  }

  @Prompt({ name: 'b-prompt', description: 'Of b' })
  prompt(): object {
    return messages('b-prompt');
  }
}

@McpController()
class OfBoth {
  @Tool({ name: 'common', description: 'Of none in particular' })
  common(): object {
    return text('common');
  }

  @Tool({ name: 'b-method', description: 'Of b, as the method says' })
  @ProtectedResource('b')
  method(): object {
    return text('b-method');
  }
}

@Injectable()
@ProtectedResource('b')
class BridgedOfB {
  @McpTool({ name: 'b-tool' })
  tool(): string {
    ran.push('b-tool');
    return 'b-tool';
  }

  @McpResource({ uri: 'b://fixed' })
  fixed(): object {
    return contents('b-fixed');
  }

  @McpResource({
    uriTemplate: new SdkResourceTemplate('b://by-id/{id}', { list: undefined, complete: { id: () => ['7'] } }),
  })
  byId(): object {
    return contents('b-by-id');
  }

  @McpPrompt({ name: 'b-prompt' })
  prompt(): object {
    return messages('b-prompt');
  }
}

@Injectable()
class BridgedOfBoth {
  @McpTool({ name: 'common' })
  common(): string {
    ran.push('common');
    return 'common';
  }
}

const OF_B: readonly [method: string, params: object, handler: string][] = [
  ['tools/call', { name: 'b-tool', arguments: {} }, 'b-tool'],
  ['resources/read', { uri: 'b://fixed' }, 'b-fixed'],
  ['resources/read', { uri: 'b://by-id/7' }, 'b-by-id'],
  ['prompts/get', { name: 'b-prompt' }, 'b-prompt'],
];
const WITHOUT_HANDLER: readonly [method: string, params: object][] = [
  ['resources/subscribe', { uri: 'b://fixed' }],
  ['resources/unsubscribe', { uri: 'b://by-id/7' }],
  ['subscriptions/listen', { notifications: { resourceSubscriptions: ['b://by-id/7'] } }],
  [
    'completion/complete',
    { ref: { type: 'ref/resource', uri: 'b://by-id/{id}' }, argument: { name: 'id', value: '' } },
  ],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'b-prompt' }, argument: { name: 'x', value: '' } }],
];

interface TwoServers {
  readonly a: Witness;
  send(path: 'a' | 'b', body: object): Promise<Response>;
  close(): Promise<void>;
}

const message = (method: string, params: object, id = 1): object => ({ jsonrpc: '2.0', id, method, params });

async function onMcpNest(platform: Platform): Promise<TwoServers> {
  const transport = new StreamableHttpTransport();
  @Controller('a')
  @ProtectedResource('a')
  class A extends McpHttpControllerFor(transport) {}
  @Controller('b')
  @ProtectedResource('b')
  class B extends McpHttpControllerFor(transport) {}
  const issuer = await TestIssuer.start({ alg: 'ES256' });
  const { app, origin, log } = await start(platform, [A, B, OfB, OfBoth], issuer, {}, (application) => {
    const strategy = new McpStrategy({ name: 'both', version: '1.0.0', transports: [transport], logging: false });
    strategy.setHttpAdapter(application.getHttpAdapter());
    application.connectMicroservice({ strategy });
  });
  const tokens = { a: await issuer.mint({ aud: `${origin}/a` }), b: await issuer.mint({ aud: `${origin}/b` }) };
  return {
    a: { ran, log, resource: `${origin}/a` },
    send: (path, body) => post(`${origin}/${path}`, tokens[path], body),
    close: async () => {
      await app.close();
      openLogs.delete(log);
      await issuer.close();
    },
  };
}

async function onSdk(platform: Platform, sdk: (typeof SDKS)[number]): Promise<TwoServers> {
  const server: SdkServer = await startSdkServer(
    {
      sdk,
      platform,
      providers: [BridgedOfB, BridgedOfBoth],
      resources: ['a', 'b'],
      endpoints: { a: { id: 'a' }, b: { id: 'b' } },
    },
    ran,
  );
  const tokenFor = (path: string): Promise<string> => server.mint({ aud: `${server.origin}/${path}` });
  return {
    a: { ran, log: server.log, resource: `${server.origin}/a` },
    send: async (path, body) => post(`${server.origin}/${path}`, await tokenFor(path), body),
    close: () => server.close(),
  };
}

function post(url: string, token: string, body: object): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...bearer(token),
  };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function start(
  platform: Platform,
  controllers: Type[],
  issuer: TestIssuer,
  extras: McpAuthModuleExtras,
  prepare: (app: INestApplication) => void = () => undefined,
): Promise<{ app: INestApplication; origin: string; log: string[] }> {
  const log: string[] = [];
  openLogs.add(log);
  const origin = `http://127.0.0.1:${await freePort()}`;
  const resources = ['a', 'b'].map((id) => ({
    id,
    resource: `${origin}/${id}`,
    authorizationServers: [issuer.issuer],
  }));
  const auth = McpAuthModule.forRoot({ resources, checkAuthorizationServers: false, ...extras });
  const module = await Test.createTestingModule({ imports: [auth], controllers }).compile();
  const app = module.createNestApplication(adapterFor(platform), { logger: RECORDER });
  prepare(app);
  await app.startAllMicroservices();
  await app.listen(new URL(origin).port, '127.0.0.1');
  return { app, origin, log };
}

const HOSTS = PLATFORMS.flatMap((platform) => [
  { host: '@rekog/mcp-nest', platform, open: () => onMcpNest(platform) },
  ...SDKS.map((sdk) => ({ host: `SDK ${sdk}`, platform, open: () => onSdk(platform, sdk) })),
]);

describe.each(HOSTS)('LIB-20: what belongs to another resource, with $host on $platform', ({ open }) => {
  let server: TwoServers;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server.a));

  it.each(OF_B)('is refused before dispatch: %s %j', async (method, params, handler) => {
    await expectRefusal(server.a, await server.send('a', message(method, params)), { status: 403 });
    expectReason(server.a, 'resource_mismatch');
    resetRecorded(server.a);
    const response = await server.send('b', message(method, params));
    expect({ status: response.status, text: await response.text() }).toMatchObject({ status: 200 });
    expect(ran).toEqual([handler]);
  });

  it.each(WITHOUT_HANDLER)('is refused before dispatch: %s %j', async (method, params) => {
    await expectRefusal(server.a, await server.send('a', message(method, params)), { status: 403 });
    expectReason(server.a, 'resource_mismatch');
    resetRecorded(server.a);
    const response = await server.send('b', message(method, params));
    expect(response.status).not.toBe(403);
    await response.body?.cancel();
  });

  it('is refused in a batch, of which nothing runs', async () => {
    const common = message('tools/call', { name: 'common', arguments: {} });
    for (const [method, params] of OF_B) {
      resetRecorded(server.a);
      await expectRefusal(server.a, await server.send('a', [common, message(method, params, 2)]), { status: 403 });
    }
  });

  it('does not keep what belongs to neither from being served at both', async () => {
    for (const path of ['a', 'b'] as const) {
      resetRecorded(server.a);
      const response = await server.send(path, message('tools/call', { name: 'common', arguments: {} }));
      const [answer] = messagesOf(await response.text()) as [{ result: unknown }];
      expect(answer.result).toMatchObject({ content: [{ text: expect.stringContaining('common') }] });
      expect(ran).toEqual(['common']);
    }
  });
});

describe.each(PLATFORMS)('LIB-20: @ProtectedResource() alone, on %s', (platform) => {
  @Controller('routes')
  @ProtectedResource('a')
  class Routes {
    @Get('plain')
    plain(@AuthInfo() auth: McpAuthInfo | undefined): object {
      ran.push('plain');
      return { caller: auth?.subject ?? null };
    }

    @Get('scoped')
    @RequireScopes('a')
    scoped(): object {
      ran.push('scoped');
      return {};
    }

    @Get('open/:id')
    @Public()
    open(@Param('id') id: string): object {
      ran.push('open');
      return { id };
    }
  }

  @Controller('public')
  @Public()
  class PublicRoutes {
    @Get()
    @ProtectedResource('a')
    get(): object {
      ran.push('public');
      return {};
    }
  }

  const closings: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closings.splice(0)) await close();
  });

  const opened: typeof start = async (...settings) => {
    closings.push(() => settings[2].close());
    const started = await start(...settings);
    closings.unshift(() => started.app.close());
    return started;
  };

  it.each([true, 'mcp'] as const)(
    'guards a route, and leaves a public one public, with the global guard %s',
    async (globalGuard) => {
      const issuer = await TestIssuer.start({ alg: 'ES256' });
      const { origin, log } = await opened(platform, [Routes, PublicRoutes], issuer, { globalGuard });
      const get = async (path: string, token?: string): Promise<number> => {
        const response = await fetch(`${origin}/${path}`, { headers: bearer(token) });
        await response.text();
        return response.status;
      };
      resetRecorded({ ran, log });
      const token = await issuer.mint({ aud: `${origin}/a`, scope: 'a' });
      const forB = await issuer.mint({ aud: `${origin}/b`, scope: 'a' });
      for (const path of ['routes/plain', 'routes/scoped']) {
        expect(await get(path)).toBe(401);
        expect(await get(path, forB)).toBe(401);
        expect(await get(path, token)).toBe(200);
      }
      expect(ran).toEqual(['plain', 'scoped']);
      for (const path of ['routes/open/7', 'public']) expect(await get(path)).toBe(200);
    },
  );

  it('protects a tool where no guard is global, by the method and by its class', async () => {
    const transport = new StreamableHttpTransport();
    @Controller('a')
    @ProtectedResource('a')
    class A extends McpHttpControllerFor(transport) {}
    const issuer = await TestIssuer.start({ alg: 'ES256' });
    const { origin, log } = await opened(platform, [A, OfB, OfBoth], issuer, { globalGuard: 'mcp' }, (application) => {
      const strategy = new McpStrategy({ name: 'both', version: '1.0.0', transports: [transport], logging: false });
      strategy.setHttpAdapter(application.getHttpAdapter());
      application.connectMicroservice({ strategy });
    });
    resetRecorded({ ran, log });
    const rpc = rpcTo(`${origin}/a`);
    const token = await issuer.mint({ aud: `${origin}/a` });
    for (const name of ['b-tool', 'b-method'])
      expect((await rpc('tools/call', { name, arguments: {} }, bearer(token))).status).toBe(403);
    expect(ran).toEqual([]);
  });
});
