import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { McpController, Prompt, Resource, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import {
  Authorize,
  McpAuthGuard,
  McpAuthService,
  Public,
  RequireAnyScope,
  RequireAuthentication,
  RequireScopes,
  formatAccessMap,
  type AccessMapRow,
} from 'nestjs-mcp-auth';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

function isOwner(): boolean {
  return true;
}

@McpController()
@RequireScopes('base')
class Declared {
  @Tool({ name: 'both', description: 'By class and method' })
  @RequireScopes('own')
  @RequireAnyScope('x', 'y')
  both(): object {
    return { content: [] };
  }

  @Tool({ name: 'decided', description: 'By a policy' })
  @Authorize(isOwner)
  @Authorize(() => true)
  @RequireAuthentication({ acr: 'mfa', maxAgeSeconds: 300 })
  decided(): object {
    return { content: [] };
  }

  @Resource({ uri: 'notes://all', name: 'all' })
  all(): object {
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'notes://{id}', name: 'one' })
  @RequireScopes('one')
  one(): object {
    return { contents: [] };
  }

  @Prompt({ name: 'summary', description: 'A prompt' })
  summary(): object {
    return { messages: [] };
  }
}

@McpController()
class Open {
  @Tool({ name: 'help', description: 'For everybody' })
  @Public()
  help(): object {
    return { content: [{ type: 'text', text: 'help' }] };
  }
}

@Injectable()
class KeyOrToken implements CanActivate {
  constructor(private readonly guard: McpAuthGuard) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    return (await this.guard.authorize(context), true);
  }
}

@Controller('partner')
@UseGuards(KeyOrToken)
class Partner {
  @Get()
  get(): object {
    return {};
  }
}

describe.each(PLATFORMS)('the access map, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(async () => server?.close());

  async function mapOf(settings: NotesServerSettings = {}): Promise<readonly AccessMapRow[]> {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, ...settings });
    return server.app.get(McpAuthService).accessMap();
  }

  /** The table, with a name for the resource instead of its URL. */
  async function tableOf(settings: NotesServerSettings = {}): Promise<string[]> {
    const options = { id: 'notes', ...settings.options } as NonNullable<NotesServerSettings['options']>;
    const lines = formatAccessMap(await mapOf({ ...settings, options })).split('\n');
    return lines.map((line) => line.replaceAll(/ {2,}/g, ' | '));
  }

  it('has a row for every route and operation, with what class, method and options declare', async () => {
    const table = await tableOf({
      controllers: [Declared],
      options: {
        scopes: {
          required: ['mcp'],
          operations: { tools: { both: ['listed'], unknown: ['far'] }, resources: { 'notes://{+rest}': ['any'] } },
        },
      } as never,
    });
    expect(table).toEqual([
      'KIND | NAME | RESOURCE | ACCESS | NEEDS | DECLARED AT',
      'route | DELETE /mcp | notes | scopes | mcp | options scopes.required',
      'route | GET /mcp | notes | scopes | mcp | options scopes.required',
      'route | GET /open | - | public | - | OpenController',
      'route | GET /open/mixed | notes | scopes | mcp, a | OpenController.mixed, OpenController, options scopes.required',
      'route | GET /plain | notes | scopes | mcp | options scopes.required',
      'route | POST /mcp | notes | scopes | mcp | options scopes.required',
      'route | POST /plain/scoped | notes | scopes | mcp, a, b | PlainController.scoped, options scopes.required',
      'tool | admin | notes | scopes | mcp, admin | NotesTools.admin, options scopes.required',
      'tool | both | notes | scopes | mcp, base, own, listed, (x or y) | Declared.both, Declared, options scopes.operations, options scopes.required',
      'tool | by-argument | notes | scopes | mcp, a, policy anonymous function | NotesTools.byArgument, options scopes.required',
      'tool | decided | notes | scopes | mcp, base, acr mfa, signed in within 300 s, policy anonymous function, policy isOwner | Declared.decided, Declared, options scopes.required',
      'tool | forbidden | notes | scopes | mcp, policy anonymous function | NotesTools.forbidden, options scopes.required',
      'tool | ping | notes | scopes | mcp | options scopes.required',
      'tool | read-note | notes | scopes | mcp, a | NotesTools.readNote, options scopes.required',
      'tool | unknown | notes | scopes | mcp, far | options scopes.operations, options scopes.required',
      'tool | whoami | notes | scopes | mcp | options scopes.required',
      'tool | write-note | notes | scopes | mcp, a, b | NotesTools.writeNote, options scopes.required',
      'resource | notes://all | notes | scopes | mcp, base, one, any | Declared.one, Declared, options scopes.operations, options scopes.required',
      'resource-template | notes://{+rest} | notes | scopes | mcp, any | options scopes.operations, options scopes.required',
      'resource-template | notes://{id} | notes | scopes | mcp, base, one | Declared.one, Declared, options scopes.required',
      'prompt | summary | notes | scopes | mcp, base | Declared, options scopes.required',
      'operation | any operation without a row | notes | scopes | mcp | options scopes.required',
    ]);
  });

  it('says what works without a token, and where that is said', async () => {
    const table = await tableOf({ controllers: [Open], options: { allowAnonymous: true } });
    expect(table.filter((line) => / (?:help|ping|POST \/mcp|GET \/plain|any operation.*) \|/.test(line))).toEqual([
      'route | GET /plain | notes | token | - | -',
      'route | POST /mcp | notes | anonymous | - | options allowAnonymous',
      'tool | help | notes | anonymous | - | Open.help, options allowAnonymous',
      'tool | ping | notes | token | - | -',
      'operation | any operation without a row | notes | token | - | -',
    ]);
    expect((await tableOf({ controllers: [Open] })).find((line) => line.includes('help'))).toBe(
      'tool | help | notes | token | - | Open.help',
    );
  });

  it('names the policy of the options, and the scopes of annotations', async () => {
    const table = await tableOf({
      options: { authorize: isOwner, scopes: { annotations: { destructiveHint: ['destroy'] } } } as never,
    });
    expect(table).toContain('route | GET /plain | notes | token | - | -');
    expect(table).toContain(
      'tool | ping | notes | scopes | destroy, policy isOwner | options scopes.annotations, options authorize',
    );
    expect(table).toContain(
      'tool | any tool without a row | notes | scopes | destroy, policy isOwner | options scopes.annotations, options authorize',
    );
    expect(table).toContain(
      'operation | any operation without a row | notes | token | policy isOwner | options authorize',
    );
  });

  it('shows no tool as anonymous, if callers without a token may only list', async () => {
    const table = await tableOf({ controllers: [Open], options: { allowAnonymous: { list: true } } });
    expect(table).toContain('tool | help | notes | token | - | Open.help');
  });

  it('adds what the controller of the endpoint requires to every operation', async () => {
    const table = await tableOf({ decorateEndpoint: RequireScopes('endpoint') });
    expect(table).toContain('tool | ping | notes | scopes | endpoint | McpEndpoint');
    expect(table).toContain('tool | read-note | notes | scopes | endpoint, a | NotesTools.readNote, McpEndpoint');
    expect(table).toContain('operation | any operation without a row | notes | scopes | endpoint | McpEndpoint');
  });

  it('shows routes that nothing guards with globalGuard: "mcp"', async () => {
    const table = await tableOf({ options: { globalGuard: 'mcp' }, controllers: [Partner] });
    expect(table.filter((line) => line.startsWith('route'))).toEqual([
      'route | DELETE /mcp | notes | token | - | -',
      'route | GET /mcp | notes | token | - | -',
      'route | GET /open | - | public | - | OpenController',
      'route | GET /open/mixed | notes | scopes | a | OpenController.mixed, OpenController',
      'route | GET /partner | notes | token | - | guard KeyOrToken',
      'route | GET /plain | - | unguarded | - | -',
      'route | POST /mcp | notes | token | - | -',
      'route | POST /plain/scoped | notes | scopes | a, b | PlainController.scoped',
    ]);
    expect(table).toContain('tool | ping | notes | token | - | -');
  });

  it.each<[string, NotesServerSettings]>([
    ['a decorator', { decorateEndpoint: UseGuards(McpAuthGuard) as ClassDecorator }],
    ['a guard that calls it', { decorateEndpoint: UseGuards(KeyOrToken) as ClassDecorator }],
  ])('shows with globalGuard: false what %s guards', async (way, settings) => {
    const table = await tableOf({ ...settings, options: { globalGuard: false } });
    const guard = way === 'a decorator' ? '-' : 'guard KeyOrToken';
    expect(table).toContain(`route | POST /mcp | notes | token | - | ${guard}`);
    expect(table).toContain(`tool | ping | notes | token | - | ${guard}`);
    expect(table).toContain('route | GET /plain | - | unguarded | - | -');
    expect(table).toContain('route | POST /plain/scoped | notes | scopes | a, b | PlainController.scoped');
  });

  it('shows a tool without decorators as open, where MCP lies outside of the guard', async () => {
    const options = { globalGuard: false, allowUnguardedMounts: true } as const;
    const table = await tableOf({ options });
    expect(table).toContain('route | POST /mcp | - | unguarded | - | -');
    expect(table).toContain('tool | ping | - | unguarded | - | -');
    expect(table).toContain('tool | read-note | notes | scopes | a | NotesTools.readNote');
    expect(table).toContain('operation | any operation without a row | - | unguarded | - | -');
  });

  it('says what requests show: each tool with too little is refused, and with enough it runs', async () => {
    const tools = (await mapOf({ controllers: [Declared] })).filter(
      ({ kind, policies, authentications }) => kind === 'tool' && policies.length === 0 && authentications.length === 0,
    );
    const { callTool, mint } = server as NotesServer;
    const statusWith = async (name: string, scopes: readonly string[]): Promise<number> =>
      (await callTool(name, await mint({ scope: scopes.join(' ') }))).status;
    expect(tools.map(({ name }) => name)).toEqual(['admin', 'both', 'ping', 'read-note', 'whoami', 'write-note']);
    for (const { name, scopes, access } of tools) {
      const enough = [...scopes.allOf, ...scopes.anyOf.map(([first = '']) => first)];
      expect([name, access]).toEqual([name, enough.length > 0 ? 'scopes' : 'token']);
      expect([name, (await callTool(name)).status]).toEqual([name, 401]);
      expect([name, await statusWith(name, enough)]).toEqual([name, 200]);
      for (const left of enough) {
        const others = enough.filter((scope) => scope !== left);
        expect([name, left, await statusWith(name, others)]).toEqual([name, left, 403]);
      }
    }
  });

  it('says what requests show: each route is as open as its row says', async () => {
    const map = await mapOf({ options: { globalGuard: 'mcp' } });
    const { origin, mint } = server as NotesServer;
    for (const { name, kind, access, scopes } of map.filter((row) => row.kind === 'route')) {
      const [method = '', path = ''] = name.split(' ');
      const status = async (headers: Record<string, string>): Promise<number> =>
        (await fetch(origin + path, { method, headers })).status;
      const isOpen = access === 'public' || access === 'unguarded';
      expect([kind, name, (await status({})) === 401]).toEqual(['route', name, !isOpen]);
      const token = await mint({ scope: scopes.allOf.join(' ') });
      expect([name, [401, 403].includes(await status(bearer(token)))]).toEqual([name, false]);
    }
  });

  it('is frozen, the same each time, and the same after a round trip through JSON', async () => {
    const map = await mapOf({ controllers: [Declared] });
    const again = (server as NotesServer).app.get(McpAuthService).accessMap();
    expect(JSON.parse(JSON.stringify(map))).toEqual(again);
    expect(formatAccessMap([...again].toReversed())).toBe(formatAccessMap(map));
    const all: unknown[] = [map];
    for (const one of all) {
      expect(Object.isFrozen(one)).toBe(true);
      all.push(...Object.values(one as object).filter((member) => typeof member === 'object' && member !== null));
    }
  });

  it('is refused before the application is initialized', async () => {
    let error: unknown;
    const prepare = (app: INestApplication): void => {
      try {
        app.get(McpAuthService).accessMap();
      } catch (thrown) {
        error = thrown;
      }
    };
    await mapOf({ prepare });
    expect(String(error)).toContain('known once the application is initialized');
  });
});
