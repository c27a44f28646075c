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
import { type NotesServer } from './notes-server.js';

/** The handlers that ran. */
export const ran: string[] = [];

/** The decorator of a framework that calls methods of providers itself. It sets metadata that Nest does not use. */
export const Tool = (name: string): MethodDecorator => SetMetadata('mcp:tool', { name });

export const Prompt = (name: string): MethodDecorator => SetMetadata('mcp:prompt', { name });

@Injectable()
export class Handlers {
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

export const FAILURE = new Error('The disk is full');

@Injectable({ scope: Scope.REQUEST })
export class PerRequest {
  constructor(@Inject(REQUEST) private readonly request: unknown) {}

  @Tool('per-request')
  @RequireScopes('a')
  perRequest(@AuthInfo('subject') subject: string): object {
    ran.push('per-request');
    return { subject, hasRequest: this.request !== undefined };
  }
}

export class Made {
  @Tool('made')
  @RequireScopes('a')
  made(): object {
    ran.push('made');
    return {};
  }
}

@Injectable()
export class Base {
  @Tool('inherited')
  inherited(): object {
    ran.push('inherited');
    return {};
  }
}

@Injectable()
@RequireScopes('b')
export class Derived extends Base {}

@Injectable()
@RequireScopes('c')
export class DerivedOnceMore extends Derived {}

@Controller()
export class OnController {
  @Tool('on-controller')
  @RequireScopes('a')
  onController(): object {
    ran.push('on-controller');
    return {};
  }
}

/** Handlers that Nest calls. The library must not wrap them. */
@McpController()
export class PatternHandlers {
  @PatternTool({ name: 'pattern', description: 'x' })
  @RequireScopes('a')
  pattern(): object {
    return { content: [] };
  }
}

@Injectable()
export class BridgedHandlers {
  @McpTool()
  @RequireScopes('a')
  bridged(): object {
    return { content: [] };
  }
}

/** The token of the provider, and the name of the method, of each handler of the framework. */
export const PLACES: Readonly<Record<string, readonly [token: Type | string, methodName: string]>> = {
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

export interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: { readonly name: string; readonly arguments: object };
}

export interface PlatformRequest {
  readonly raw?: PlatformRequest;
  readonly body: RpcRequest;
}

/** The list in which version 1 of `@rekog/mcp-nest` names every tool, whatever guards the tools have. */
export const LIST = {
  tools: [
    { name: 'scoped', securitySchemes: [{ type: 'noauth' }] },
    { name: 'unknown', securitySchemes: [] },
  ],
};

/** Calls methods as version 1 of `@rekog/mcp-nest` does: with arguments, context and request. */
@Injectable()
export class Framework {
  /** The transport in the context of each call. */
  transport: object = {};

  constructor(@Inject(ModuleRef) private readonly modules: ModuleRef) {}

  async call(mcpRequest: RpcRequest, request: PlatformRequest | undefined): Promise<unknown> {
    if (mcpRequest.method === 'tools/list') return LIST;
    const { name, arguments: args } = mcpRequest.params;
    // With the prefix, the guard does not find the handler before dispatch.
    const [token, methodName] = PLACES[name.replace(/^unseen-/, '')] as [Type, string];
    const contextId = ContextIdFactory.create();
    this.modules.registerRequestByContextId(request, contextId);
    const instance = (await this.modules.resolve(token, contextId, { strict: false })) as Record<string, Method>;
    const context = { mcpServer: { server: { transport: this.transport } }, mcpRequest };
    return (instance[methodName] as Method)(args, context, request?.raw ?? request);
  }
}

export type Method = (...args: unknown[]) => unknown;

@Controller()
export class FrameworkController {
  constructor(@Inject(Framework) private readonly framework: Framework) {}

  @Post('direct')
  direct(@Req() request: PlatformRequest, @Res() response: never): Promise<void> {
    return this.#answer(request, response);
  }

  /** A public route to the same handlers. */
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

export interface PlatformResponse {
  readonly raw?: PlatformResponse;
  hijack?(): void;
  writeHead(status: number, headers: object): unknown;
  end(text: string): unknown;
}

export interface Answer {
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

export const SETTINGS = {
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

export async function call(
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
