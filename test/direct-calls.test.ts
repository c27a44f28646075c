import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Inject,
  Injectable,
  Post,
  Req,
  Res,
  Scope,
  SetMetadata,
  UseGuards,
  type Type,
} from '@nestjs/common';
import { ContextIdFactory, ModuleRef, REQUEST } from '@nestjs/core';
import { McpController, Tool as PatternTool } from '@rekog/mcp-nest';
import {
  AuthInfo,
  Authorize,
  McpAuthError,
  McpAuthGuard,
  McpAuthService,
  Public,
  RequireScopes,
  type McpAuthInfo,
} from 'nestjs-mcp-auth';
import { McpTool } from 'nestjs-mcp-auth/sdk';
import { resetRecorded } from './support/expectations.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';

/** The handlers that ran. */
const ran: string[] = [];

/** A decorator of a framework that calls methods of providers by itself: metadata, and nothing by which Nest would. */
const Tool = (name: string): MethodDecorator => SetMetadata('mcp:tool', { name });
const Prompt = (name: string): MethodDecorator => SetMetadata('mcp:prompt', { name });

@Injectable()
class Handlers {
  constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

  @Tool('plain')
  plain(args: object): object {
    ran.push('plain');
    return { args };
  }

  @Tool('scoped')
  @RequireScopes('a', 'b')
  scoped(args: object, context: object, request: { auth?: McpAuthInfo }): object {
    ran.push('scoped');
    return {
      args,
      isContext: 'mcpRequest' in context,
      request: request.auth?.subject,
      service: this.service.authInfo?.subject,
    };
  }

  @Tool('injected')
  injected(@AuthInfo('subject') subject: string, @AuthInfo() auth: McpAuthInfo | undefined): object {
    ran.push('injected');
    return { subject: subject ?? null, scopes: auth?.scopes ?? null };
  }

  @Tool('by-argument')
  @Authorize(({ args, operation }) => [`${operation?.name}:${(args as { scope: string }).scope}`])
  byArgument(): object {
    ran.push('by-argument');
    return {};
  }

  @Tool('guarded')
  @UseGuards(McpAuthGuard)
  guarded(): object {
    ran.push('guarded');
    return {};
  }

  @Tool('raising')
  @RequireScopes('a')
  raising(): never {
    throw McpAuthError.insufficientScope('a', 'late');
  }

  @Tool('failing')
  @RequireScopes('a')
  failing(): never {
    throw FAILURE;
  }

  @Prompt('prompt')
  @RequireScopes('a')
  prompt(): object {
    ran.push('prompt');
    return { messages: [] };
  }
}

const FAILURE = new Error('The disk is full');

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  constructor(@Inject(REQUEST) private readonly request: unknown) {}

  @Tool('per-request')
  @RequireScopes('a')
  perRequest(@AuthInfo('subject') subject: string): object {
    ran.push('per-request');
    return { subject, hasRequest: this.request !== undefined };
  }
}

class Made {
  @Tool('made')
  @RequireScopes('a')
  made(): object {
    ran.push('made');
    return {};
  }
}

@Injectable()
class Base {
  @Tool('inherited')
  inherited(): object {
    ran.push('inherited');
    return {};
  }
}

@Injectable()
@RequireScopes('b')
class Derived extends Base {}

@Injectable()
@RequireScopes('c')
class DerivedOnceMore extends Derived {}

@Controller()
class OnController {
  @Tool('on-controller')
  @RequireScopes('a')
  onController(): object {
    ran.push('on-controller');
    return {};
  }
}

/** Handlers that Nest calls: they have to be left as they are. */
@McpController()
class PatternHandlers {
  @PatternTool({ name: 'pattern', description: 'x' })
  @RequireScopes('a')
  pattern(): object {
    return { content: [] };
  }
}

@Injectable()
class BridgedHandlers {
  @McpTool()
  @RequireScopes('a')
  bridged(): object {
    return { content: [] };
  }
}

const AS_WRITTEN = [Handlers.prototype.plain, PatternHandlers.prototype.pattern, BridgedHandlers.prototype.bridged];

/** Where the framework finds a handler: the token of the provider, and the name of its method. */
const PLACES: Readonly<Record<string, readonly [token: Type | string, methodName: string]>> = {
  plain: [Handlers, 'plain'],
  scoped: [Handlers, 'scoped'],
  injected: [Handlers, 'injected'],
  'by-argument': [Handlers, 'byArgument'],
  guarded: [Handlers, 'guarded'],
  raising: [Handlers, 'raising'],
  failing: [Handlers, 'failing'],
  prompt: [Handlers, 'prompt'],
  'per-request': [PerRequest, 'perRequest'],
  made: ['MADE', 'made'],
  base: [Base, 'inherited'],
  derived: [Derived, 'inherited'],
  'derived-once-more': [DerivedOnceMore, 'inherited'],
  'on-controller': [OnController, 'onController'],
};

interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: { readonly name: string; readonly arguments: object };
}

interface PlatformRequest {
  readonly raw?: PlatformRequest;
  readonly body: RpcRequest;
}

/** What version 1 of `@rekog/mcp-nest` says of every tool, whatever guards there are. */
const LIST = {
  tools: [
    { name: 'scoped', securitySchemes: [{ type: 'noauth' }] },
    { name: 'unknown', securitySchemes: [] },
  ],
};

/** Calls methods as version 1 of `@rekog/mcp-nest` does: with the arguments, a context, and the request. */
@Injectable()
class Framework {
  /** The transport that contexts name. */
  transport: object = {};

  constructor(@Inject(ModuleRef) private readonly modules: ModuleRef) {}

  async call(mcpRequest: RpcRequest, request: PlatformRequest | undefined): Promise<unknown> {
    if (mcpRequest.method === 'tools/list') return LIST;
    const { name, arguments: args } = mcpRequest.params;
    // By another name than that by which the guard looks it up, a call is taken for something else before dispatch.
    const [token, methodName] = PLACES[name.replace(/^unseen-/, '')] as [Type, string];
    const contextId = ContextIdFactory.create();
    this.modules.registerRequestByContextId(request, contextId);
    const instance = (await this.modules.resolve(token, contextId, { strict: false })) as Record<string, Method>;
    const context = { mcpServer: { server: { transport: this.transport } }, mcpRequest };
    return (instance[methodName] as Method)(args, context, request?.raw ?? request);
  }
}

type Method = (...args: unknown[]) => unknown;

@Controller()
class FrameworkController {
  constructor(@Inject(Framework) private readonly framework: Framework) {}

  @Post('direct')
  direct(@Req() request: PlatformRequest, @Res() response: never): Promise<void> {
    return this.#answer(request, response);
  }

  /** A way around the guard. */
  @Public()
  @Post('around')
  around(@Req() request: PlatformRequest, @Res() response: never): Promise<void> {
    return this.#answer(request, response);
  }

  async #answer(request: PlatformRequest, platformResponse: PlatformResponse): Promise<void> {
    platformResponse.hijack?.();
    const response = platformResponse.raw ?? platformResponse;
    const { id } = request.body;
    let message: object;
    try {
      message = { result: await this.framework.call(request.body, request) };
    } catch (error) {
      message = { error: { message: (error as Error).message } };
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...message }));
  }
}

interface PlatformResponse {
  readonly raw?: PlatformResponse;
  hijack?(): void;
  writeHead(status: number, headers: object): unknown;
  end(text: string): unknown;
}

interface Answer {
  readonly status: number;
  readonly challenge: string | null;
  readonly result?: {
    readonly isError?: boolean;
    readonly content?: readonly { readonly text: string }[];
    readonly _meta?: Readonly<Record<string, readonly string[]>>;
    readonly [member: string]: unknown;
  };
  readonly error?: { readonly message: string };
}

const SETTINGS = {
  issuer: { alg: 'ES256' },
  controllers: [FrameworkController, OnController, PatternHandlers],
  providers: [
    Framework,
    Handlers,
    PerRequest,
    Base,
    Derived,
    DerivedOnceMore,
    BridgedHandlers,
    { provide: 'MADE', useFactory: () => new Made() },
  ],
} as const;

let id = 0;

async function call(
  server: NotesServer,
  name: string,
  settings: { token?: string; args?: object; path?: string; method?: string } = {},
): Promise<Answer> {
  const { token, args = {}, path = 'direct', method = 'tools/call' } = settings;
  const response = await fetch(`${server.origin}/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params: { name, arguments: args } }),
  });
  const message = (await response.json()) as Pick<Answer, 'result' | 'error'>;
  return { status: response.status, challenge: response.headers.get('www-authenticate'), ...message };
}

describe.each(PLATFORMS)('handlers that an MCP framework calls as plain methods, on %s', (platform) => {
  let server: NotesServer;

  beforeAll(async () => {
    server = await startNotesServer(platform, SETTINGS);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    ran.length = 0;
  });

  it.each([
    ['scoped', 'a', 'a b'],
    ['per-request', 'b', 'a'],
    ['made', 'b', 'a'],
    ['on-controller', 'b', 'a'],
  ])('decides about %s before dispatch', async (name, scope, needed) => {
    const { status, challenge } = await call(server, name, { token: await server.mint({ scope }) });
    expect({ status, challenge }).toEqual({ status: 403, challenge: expect.stringContaining(`scope="${needed}"`) });
    expect(ran).toEqual([]);
  });

  it.each([
    ['scoped', 'a b'],
    ['per-request', 'a'],
    ['made', 'a'],
    ['on-controller', 'a'],
    ['derived', 'b'],
    ['derived-once-more', 'c'],
    ['guarded', undefined],
  ])('refuses %s at the handler where it is reached around the guard', async (name, needed) => {
    const { status, result } = await call(server, name, { path: 'around' });
    expect(status).toBe(200);
    expect(result).toMatchObject({ isError: true, content: [{ text: 'Authorization is required.' }] });
    const [challenge] = result?._meta?.['mcp/www_authenticate'] ?? [];
    expect(challenge?.includes('scope=')).toBe(needed !== undefined);
    if (needed !== undefined) expect(challenge).toContain(`scope="${needed}"`);
    expect(ran).toEqual([]);
  });

  it('refuses prompts there as errors, since only tools have results that say so', async () => {
    const { error } = await call(server, 'prompt', { path: 'around', method: 'prompts/get' });
    expect(error?.message).toBe('Authorization is required.');
    expect(ran).toEqual([]);
  });

  it('decides at the handler about what was taken for something else before, and answers with 403', async () => {
    const token = await server.mint({ scope: 'a' });
    const { status, challenge } = await call(server, 'unseen-scoped', { token });
    expect({ status, challenge }).toEqual({ status: 403, challenge: expect.stringContaining('scope="a b"') });
    expect(ran).toEqual([]);
    await call(server, 'unseen-scoped', { token: await server.mint({ scope: 'a b' }) });
    expect(ran).toEqual(['scoped']);
  });

  it('tells policies the operation and its arguments at the handler too', async () => {
    const token = await server.mint({ scope: 'by-argument:x' });
    expect((await call(server, 'unseen-by-argument', { token, args: { scope: 'y' } })).status).toBe(403);
    expect(ran).toEqual([]);
    await call(server, 'unseen-by-argument', { token, args: { scope: 'x' } });
    expect(ran).toEqual(['by-argument']);
  });

  it('runs what the caller may do as the framework calls it, with the caller known below', async () => {
    const { result } = await call(server, 'scoped', {
      token: await server.mint({ scope: 'a b' }),
      args: { text: 'milk' },
    });
    expect(result).toEqual({ args: { text: 'milk' }, isContext: true, request: 'alice', service: 'alice' });
  });

  it('injects the caller in the place of what the client sent', async () => {
    const { result } = await call(server, 'injected', {
      token: await server.mint({ scope: 'a' }),
      args: { subject: 'mallory' },
    });
    expect(result).toEqual({ subject: 'alice', scopes: ['a'] });
  });

  it('injects nothing, rather than what the client sent, where nobody was let in', async () => {
    const { result } = await call(server, 'injected', { path: 'around', args: { subject: 'mallory' } });
    expect(result).toEqual({ subject: null, scopes: null });
  });

  it('serves request-scoped providers, each call with an instance of its own', async () => {
    const { result } = await call(server, 'per-request', { token: await server.mint({ scope: 'a' }) });
    expect(result).toEqual({ subject: 'alice', hasRequest: true });
  });

  it('checks an inherited handler by the class it is reached at', async () => {
    const token = await server.mint({ scope: 'b' });
    await call(server, 'base', { token });
    await call(server, 'derived', { token });
    expect(ran).toEqual(['inherited', 'inherited']);
    expect((await call(server, 'derived-once-more', { token })).challenge).toContain('scope="c"');
    expect(ran).toEqual(['inherited', 'inherited']);
  });

  it('answers 403 naming the scopes that a handler itself finds missing', async () => {
    const { status, challenge, result } = await call(server, 'raising', { token: await server.mint({ scope: 'a' }) });
    expect({ status, challenge }).toEqual({ status: 403, challenge: expect.stringContaining('scope="a late"') });
    expect(result).toMatchObject({ isError: true });
  });

  it('leaves other errors to the framework', async () => {
    expect((await call(server, 'failing', { token: await server.mint({ scope: 'a' }) })).error?.message).toBe(
      FAILURE.message,
    );
  });

  it('corrects what the framework says a tool needs, in both places, of the tools it knows', async () => {
    const { result } = await call(server, '', { token: await server.mint(), method: 'tools/list' });
    const securitySchemes = [{ type: 'oauth2', scopes: ['a', 'b'] }];
    expect(result).toEqual({ tools: [{ name: 'scoped', securitySchemes, _meta: { securitySchemes } }, LIST.tools[1]] });
  });

  it('lets run what declares nothing, wherever it is reached', async () => {
    expect((await call(server, 'plain', { path: 'around', args: { any: 'thing' } })).result).toEqual({
      args: { any: 'thing' },
    });
  });

  it('does not take the request that a framework hands over for that of the call', async () => {
    const request = { auth: { subject: 'alice', scopes: ['a', 'b'] } };
    const instance = server.app.get(Handlers) as unknown as Record<string, Method>;
    const answer = await instance['scoped']?.({}, { mcpRequest: { method: 'tools/call' } }, request);
    expect(answer).toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });
});

describe('what stands in for a handler', () => {
  let server: NotesServer;

  beforeAll(async () => {
    server = await startNotesServer('express', SETTINGS);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    ran.length = 0;
  });

  it('is nothing where nothing was declared, or where Nest calls the handler', () => {
    expect([Handlers.prototype.plain, PatternHandlers.prototype.pattern, BridgedHandlers.prototype.bridged]).toEqual(
      AS_WRITTEN,
    );
  });

  it('bears the name and the metadata of the handler, by which frameworks find it', () => {
    const { scoped } = Handlers.prototype;
    expect(scoped.name).toBe('scoped');
    expect(Reflect.getOwnMetadataKeys(scoped)).toEqual(expect.arrayContaining(['mcp:tool', '__guards__']));
    expect(Object.keys(Handlers.prototype)).toEqual([]);
  });

  it('decides by the application that let the caller in, where several use the class', async () => {
    const scopes = { hierarchy: { all: ['a', 'b'] } };
    const other = await startNotesServer('express', { ...SETTINGS, options: { scopes } });
    const calls = [
      call(server, 'unseen-scoped', { token: await server.mint({ scope: 'all' }) }),
      call(other, 'unseen-scoped', { token: await other.mint({ scope: 'all' }) }),
    ];
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([403, 200]);
    await other.close();
  });
});

describe('handlers that an MCP framework calls over stdio', () => {
  /** As the one of the official SDK, by whatever name a bundler gives it. */
  class OverStandardInput {
    readonly input = process.stdin;
  }

  const TOKEN_ENV = 'NESTJS_MCP_AUTH_TEST_TOKEN';

  afterAll(() => {
    delete process.env[TOKEN_ENV];
  });
  beforeEach(() => {
    ran.length = 0;
  });

  async function callOverStdio(
    stdio: 'deny' | 'trust' | { tokenEnv: string },
    transport: object,
    token?: string,
  ): Promise<unknown> {
    const server = await startNotesServer('express', { ...SETTINGS, options: { stdio } });
    if (token !== undefined) process.env[TOKEN_ENV] = await server.mint({ scope: token });
    const framework = server.app.get(Framework);
    framework.transport = transport;
    const answer = await framework.call(
      { id: 1, method: 'tools/call', params: { name: 'per-request', arguments: {} } },
      undefined,
    );
    await server.close();
    return answer;
  }

  it.each(['deny', 'trust'] as const)('are refused over anything that is not stdio, also with %j', async (stdio) => {
    class OtherTransport {}
    await expect(callOverStdio(stdio, new OtherTransport())).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });

  it('LIB-18: are refused over a transport that has nothing but the name of the one for stdio', async () => {
    class StdioServerTransport {}
    await expect(callOverStdio('trust', new StdioServerTransport())).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });

  it('are refused unless the options say otherwise', async () => {
    await expect(callOverStdio('deny', new OverStandardInput())).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });

  it('run for whoever started the process, if that is what the options say', async () => {
    await expect(callOverStdio('trust', new OverStandardInput())).resolves.toEqual({ hasRequest: false });
  });

  it('run for the caller whose token is in the environment, if it says enough', async () => {
    const tokenEnv = { tokenEnv: TOKEN_ENV };
    await expect(callOverStdio(tokenEnv, new OverStandardInput(), 'a')).resolves.toMatchObject({ subject: 'alice' });
    await expect(callOverStdio(tokenEnv, new OverStandardInput(), 'b')).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual(['per-request']);
  });
});
