import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, UseGuards, type ModuleMetadata } from '@nestjs/common';
import { Query, Resolver } from '@nestjs/graphql';
import { MessagePattern } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  AuthInfo,
  Authorize,
  McpAuthGuard,
  McpAuthModule,
  McpAuthService,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireScopes,
  formatAccessMap,
  type McpAuthModuleExtras,
} from 'nestjs-mcp-auth';
import { McpPrompt, McpResource, McpTool } from 'nestjs-mcp-auth/sdk';
import { sdk1Endpoint, sdk2Endpoint } from '../support/sdk-endpoints.js';
import { adapterFor, listen, PLATFORMS } from '../support/platforms.js';
import { startTwoResourcesServer } from '../support/two-resources-server.js';
import { SDKS, startSdkServer, type SdkServer, type SdkServerSettings } from '../sdk/sdk-server.js';

const isOwner = (): boolean => true;

@Injectable()
@RequireScopes('base')
class Notes {
  @McpTool()
  @RequireAnyScope('a', 'b')
  either(): string {
    return 'ran';
  }

  @McpResource({ uriTemplate: 'notes://by-id/{id}' })
  @Authorize(isOwner)
  one(): object {
    return { contents: [] };
  }
}

@Injectable()
class Open {
  @McpTool()
  help(): string {
    return 'help';
  }

  @McpPrompt()
  @Public()
  greeting(): string {
    return 'hello';
  }
}

@Injectable()
@ProtectedResource('two')
class OfTwo {
  @McpTool()
  @RequireScopes('two:write')
  write(): string {
    return 'ran';
  }
}

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('hello')
  hello(): string {
    return 'hello';
  }

  @SubscribeMessage('whoami')
  whoami(@AuthInfo('subject') subject: string): string {
    return subject;
  }
}

@Controller()
class Messages {
  @MessagePattern('pay')
  pay(): string {
    return 'paid';
  }

  @MessagePattern('open')
  @Public()
  open(): string {
    return 'open';
  }
}

@Resolver()
@RequireScopes('orders')
class Orders {
  @Query(() => String)
  @Authorize(isOwner)
  orders(): string {
    return 'orders';
  }
}

const RESOURCE = 'https://mcp.example.com/mcp';

function tableOf(app: { get(service: typeof McpAuthService): McpAuthService }, resource: string): string[] {
  const lines = formatAccessMap(app.get(McpAuthService).accessMap()).replaceAll(resource, 'RESOURCE').split('\n');
  return lines.slice(1).map((line) => line.replaceAll(/ {2,}/g, ' | '));
}

describe.each(PLATFORMS.flatMap((platform) => SDKS.map((sdk) => ({ platform, sdk }))))(
  'the access map with SDK $sdk on $platform',
  ({ platform, sdk }) => {
    let server: SdkServer | undefined;
    afterEach(async () => server?.close());

    async function table(settings: Omit<SdkServerSettings, 'sdk'>): Promise<string[]> {
      server = await startSdkServer({ sdk, platform, ...settings });
      return tableOf(server.app, server.resource);
    }

    it('has a row for every method of the bridge, and one for what else its server has', async () => {
      expect(await table({ providers: [Notes, Open] })).toEqual([
        'route | ALL /mcp | RESOURCE | token | - | -',
        'tool | either | RESOURCE | scopes | base, (a or b) | Notes.either, Notes',
        'tool | help | RESOURCE | token | - | -',
        'resource-template | notes://by-id/{id} | RESOURCE | scopes | base, policy isOwner | Notes.one, Notes',
        'prompt | greeting | RESOURCE | token | - | Open.greeting',
        'operation | any operation without a row | RESOURCE | token | - | -',
      ]);
    });

    it('shows with globalGuard: false what only the endpoint guards', async () => {
      const decorateEndpoint = UseGuards(McpAuthGuard) as ClassDecorator;
      expect(await table({ providers: [Notes, Open], globalGuard: false, decorateEndpoint })).toEqual(
        expect.arrayContaining([
          'route | ALL /mcp | RESOURCE | token | - | -',
          'tool | help | RESOURCE | token | - | -',
        ]),
      );
    });

    it('has a row for each resource at which an operation is served', async () => {
      const endpoints = { one: { id: 'one' }, two: { id: 'two' } };
      const rows = await table({ providers: [OfTwo, Open], endpoints, resources: ['one', 'two'] });
      expect(rows).toEqual([
        'route | ALL /one | one | token | - | McpEndpoint',
        'route | ALL /two | two | token | - | McpEndpoint',
        'tool | help | one | token | - | McpEndpoint',
        'tool | help | two | token | - | McpEndpoint',
        'tool | write | two | scopes | two:write | OfTwo.write, OfTwo, McpEndpoint',
        'prompt | greeting | one | token | - | Open.greeting, McpEndpoint',
        'prompt | greeting | two | token | - | Open.greeting, McpEndpoint',
        'operation | any operation without a row | one | token | - | McpEndpoint',
        'operation | any operation without a row | two | token | - | McpEndpoint',
      ]);
    });
  },
);

describe.each(PLATFORMS)('the access map on %s', (platform) => {
  it('says what each of several resources needs', async () => {
    const authorizationServers = ['https://login.example.com'];
    const both = await startTwoResourcesServer(platform, {
      notes: { authorizationServers, scopes: { required: ['notes'] } },
      billing: { authorizationServers, scopes: { operations: { tools: { ping: ['billing:ping'] } } } },
    });
    try {
      const table = tableOf(both.app, 'https://nowhere.example.com').filter((line) => line.startsWith('tool'));
      const stray = 'policy anonymous function | StrayTools.stray, StrayTools, NotesEndpoint, options scopes.required';
      expect(table).toEqual([
        'tool | ping | billing | scopes | billing:ping | BillingTools, options scopes.operations, BillingEndpoint',
        'tool | ping | notes | scopes | notes | NotesTools, NotesEndpoint, options scopes.required',
        'tool | shared | billing | scopes | billing:write | BillingTools.shared, BillingTools, BillingEndpoint',
        'tool | shared | notes | scopes | notes, notes:read | NotesTools.shared, NotesTools, NotesEndpoint, options scopes.required',
        `tool | stray | notes | scopes | notes, ${stray}`,
        'tool | whoami | billing | token | - | BillingTools, BillingEndpoint',
        'tool | whoami | notes | scopes | notes | NotesTools, NotesEndpoint, options scopes.required',
      ]);
    } finally {
      await both.close();
    }
  });

  const SERVER = { resource: RESOURCE, authorizationServers: ['https://login.example.com'] };

  async function tableWith(
    extras: McpAuthModuleExtras,
    parts: ModuleMetadata,
    options: object = {},
  ): Promise<string[]> {
    const imports = [McpAuthModule.forRoot({ ...SERVER, checkAuthorizationServers: false, ...options, ...extras })];
    const module = await Test.createTestingModule({ imports, ...parts }).compile();
    const app = module.createNestApplication(adapterFor(platform), { logger: false });
    await listen(app);
    try {
      return tableOf(app, RESOURCE);
    } finally {
      await app.close();
    }
  }

  it.each([
    ['1', sdk1Endpoint],
    ['2', sdk2Endpoint],
  ])('says that nothing is known of an MCP server of the application, SDK %s', async (_version, endpoint) => {
    const options = { scopes: { required: ['mcp'] } };
    expect(await tableWith({}, { controllers: [endpoint('mcp', [])] }, options)).toEqual([
      'route | ALL /mcp | RESOURCE | scopes | mcp | options scopes.required',
      'operation | any operation: none is known to this library | RESOURCE | scopes | mcp | options scopes.required',
    ]);
  });

  it.each([true, 'mcp'] as const)(
    'has a row for handlers that are neither routes nor operations, with globalGuard %s',
    async (globalGuard) => {
      const parts = { controllers: [sdk2Endpoint('mcp', []), Messages], providers: [Gateway, Orders] };
      const table = await tableWith({ globalGuard }, parts);
      const ofCaller = globalGuard === true ? 'RESOURCE | token' : '- | unguarded';
      expect(table.filter((line) => line.startsWith('handler'))).toEqual([
        'handler | Gateway.hello | - | unguarded | - | -',
        `handler | Gateway.whoami | ${ofCaller} | - | -`,
        'handler | Messages.open | - | public | - | Messages.open',
        'handler | Messages.pay | - | unguarded | - | -',
        'handler | Orders.orders | RESOURCE | scopes | orders, policy isOwner | Orders.orders, Orders',
      ]);
    },
  );
});
