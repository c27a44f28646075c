import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Inject, Injectable, Post, Req, Res, SetMetadata, type OnModuleInit } from '@nestjs/common';
import { AuthInfo, Authorize, Public, RequireScopes } from 'nestjs-mcp-auth';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** The handlers that ran. */
const ran: string[] = [];

/** What the decorators of `@nestjs-mcp/server` 0.3 leave on a method; `npm run test:hosts` checks the package itself. */
const decorated = (kind: 'tool' | 'resource' | 'prompt', options: object): MethodDecorator =>
  SetMetadata(`__mcp_${kind}__`, options);

@Injectable()
class Notes {
  @decorated('tool', { name: 'add-note', paramsSchema: {} })
  @RequireScopes('a')
  addNote({ text }: { text: string }, @AuthInfo('subject') subject: string): object {
    ran.push('addNote');
    return { text, subject };
  }

  @decorated('tool', { name: 'decided', paramsSchema: {} })
  @Authorize(({ args, operation }) => [`${operation?.kind}:${operation?.name}:${(args as { scope: string }).scope}`])
  byArgument(): object {
    ran.push('byArgument');
    return {};
  }

  @decorated('tool', { name: 'whoami' })
  whoami(@AuthInfo('subject') subject: string): object {
    ran.push('whoami');
    return { subject };
  }

  @decorated('resource', { name: 'all notes', uri: 'notes://all' })
  @RequireScopes('b')
  all(): object {
    ran.push('all');
    return {};
  }

  @decorated('resource', { name: 'one note', template: 'notes://by-owner/{owner}', uri: 'ignored://' })
  @Authorize(({ args }) => (args as { owner?: string } | undefined)?.owner === 'alice')
  byOwner(): object {
    ran.push('byOwner');
    return {};
  }

  @decorated('prompt', { name: 'summary' })
  @RequireScopes('c')
  summary(): object {
    ran.push('summary');
    return {};
  }
}

interface RpcRequest {
  readonly auth?: unknown;
  readonly body: { readonly id: number; readonly params: { readonly arguments?: object } };
}

type Handler = (...args: unknown[]) => unknown;

/** Calls the methods that it found when its module was initialised, with what the official SDK hands to handlers last. */
@Controller()
class Framework implements OnModuleInit {
  readonly #handlers = new Map<string, Handler>();

  constructor(@Inject(Notes) private readonly notes: Notes) {}

  onModuleInit(): void {
    for (const name of ['addNote', 'byArgument', 'whoami', 'all', 'byOwner', 'summary'] as const) {
      this.#handlers.set(name, (this.notes[name] as Handler).bind(this.notes));
    }
  }

  @Post('direct')
  direct(@Req() request: RpcRequest, @Res() response: never): Promise<void> {
    return this.#answer(request, response);
  }

  /** A way around the guard. */
  @Public()
  @Post('around')
  around(@Req() request: RpcRequest, @Res() response: never): Promise<void> {
    return this.#answer(request, response);
  }

  async #answer({ auth, body }: RpcRequest, platformResponse: PlatformResponse): Promise<void> {
    platformResponse.hijack?.();
    const response = platformResponse.raw ?? platformResponse;
    const { handler, before = [] } = body.params as { handler: string; before?: unknown[] };
    const given = before.map((one) => (typeof one === 'string' ? new URL(one) : one));
    const message = await Promise.resolve(
      this.#handlers.get(handler)?.(...given, { authInfo: auth, requestId: body.id }),
    ).then(
      (result) => ({ result }),
      (error: Error) => ({ error: { message: error.message } }),
    );
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: body.id, ...message }));
  }
}

interface PlatformResponse {
  readonly raw?: PlatformResponse;
  hijack?(): void;
  writeHead(status: number, headers: object): unknown;
  end(text: string): unknown;
}

/** A request of MCP, with what the framework makes of it beside. */
interface Call {
  readonly method: string;
  readonly params: object;
}

const CALLS = {
  addNote: {
    method: 'tools/call',
    params: { name: 'add-note', arguments: {}, handler: 'addNote', before: [{ text: 'milk' }] },
  },
  byArgument: {
    method: 'tools/call',
    params: { name: 'decided', arguments: { scope: 'x' }, handler: 'byArgument', before: [{ scope: 'x' }] },
  },
  whoami: { method: 'tools/call', params: { name: 'whoami', handler: 'whoami' } },
  all: { method: 'resources/read', params: { uri: 'notes://all', handler: 'all', before: ['notes://all'] } },
  ofAlice: {
    method: 'resources/read',
    params: {
      uri: 'notes://by-owner/alice',
      handler: 'byOwner',
      before: ['notes://by-owner/alice', { owner: 'alice' }],
    },
  },
  ofBob: {
    method: 'resources/read',
    params: { uri: 'notes://by-owner/bob', handler: 'byOwner', before: ['notes://by-owner/bob', { owner: 'bob' }] },
  },
  summary: { method: 'prompts/get', params: { name: 'summary', handler: 'summary' } },
} satisfies Readonly<Record<string, Call>>;

describe.each(PLATFORMS)('handlers of @nestjs-mcp/server on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [Framework],
      providers: [Notes],
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ran.length = 0;
  });

  function send({ method, params }: Call, token?: string, path = 'direct'): Promise<Response> {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    return fetch(`${server.origin}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization },
      body,
    });
  }

  it.each([
    ['addNote', 'a'],
    ['byArgument', 'tool:decided:x'],
    ['all', 'b'],
    ['summary', 'c'],
  ] as const)('LIB-20: answers 403 for %s before dispatch, naming its scopes', async (name, scope) => {
    await expectRefusal(server, await send(CALLS[name], await server.mint({ scope: '' })), {
      status: 403,
      error: 'insufficient_scope',
      scope,
    });
    expect(ran).toEqual([]);
  });

  it.each(['addNote', 'byArgument', 'all', 'ofAlice', 'summary'] as const)(
    'LIB-20: refuses %s where it is reached around the guard',
    async (name) => {
      const text = await (await send(CALLS[name], undefined, 'around')).text();
      expect(text).toContain('Authorization is required.');
      expect(ran).toEqual([]);
    },
  );

  it.each([
    ['addNote', 'a'],
    ['byArgument', 'tool:decided:x'],
    ['all', 'b'],
    ['summary', 'c'],
  ] as const)('runs %s for a caller who has what it needs', async (name, scope) => {
    expect((await send(CALLS[name], await server.mint({ scope }))).status).toBe(200);
    expect(ran).toEqual([name]);
  });

  it('decides about a template with its variables', async () => {
    const token = await server.mint({ scope: '' });
    await send(CALLS.ofBob, token);
    expect(ran).toEqual([]);
    await send(CALLS.ofAlice, token);
    expect(ran).toEqual(['byOwner']);
  });

  it('injects the caller beside the arguments, and where the SDK puts its own', async () => {
    const token = await server.mint({ scope: 'a' });
    expect(await (await send(CALLS.addNote, token)).json()).toMatchObject({
      result: { text: 'milk', subject: 'alice' },
    });
    expect(await (await send(CALLS.whoami, token)).json()).toMatchObject({ result: { subject: 'alice' } });
  });
});
