import { Controller, Inject, Post, Req, Res, SetMetadata, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, ExternalContextCreator, MetadataScanner } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { Public } from 'nestjs-mcp-auth';
import type { PlatformRequest, PlatformResponse } from './platforms.js';

/** An MCP framework for Nest that no version of the library knows. It is invented. */

const PROMPT = Symbol('acme:prompt');

export const AcmeTool = (id: string): MethodDecorator => SetMetadata('acme:operation', { is: 'tool', id });
export const AcmeResource = (uri: string): MethodDecorator =>
  SetMetadata('acme:operation', { is: uri.includes('{') ? 'template' : 'resource', id: uri });
export const AcmePrompt = (): MethodDecorator => SetMetadata(PROMPT, true);
export const ACME_PROMPT: symbol = PROMPT;

/** What its handlers get beside what the client sent. */
export interface AcmeContext {
  readonly caller?: unknown;
  readonly http?: unknown;
}

type Handler = (input: unknown, context: AcmeContext) => unknown;
type HandsOn = 'caller' | 'request' | 'nothing';

interface RpcRequest extends PlatformRequest {
  readonly auth?: unknown;
  readonly body: { readonly id: number; readonly params: { readonly handler: string; readonly input?: unknown } };
}

/** Calls the methods of all providers that its decorators mark: directly, or through Nest with its guards. */
export function acmeServer(handsOn: HandsOn, throughNest: boolean): new (...args: never[]) => object {
  @Controller()
  class AcmeServer implements OnModuleInit {
    readonly #handlers = new Map<string, Handler>();

    constructor(
      @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
      @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
      @Inject(ExternalContextCreator) private readonly creator: ExternalContextCreator,
    ) {}

    onModuleInit(): void {
      for (const { instance } of this.discovery.getProviders() as { instance: Record<string, Handler> | undefined }[]) {
        if (typeof instance !== 'object' || instance === null) continue;
        for (const name of this.scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object)) {
          const method = instance[name]!;
          if (!['acme:operation', PROMPT].some((key) => Reflect.hasMetadata(key, method))) continue;
          this.#handlers.set(name, throughNest ? this.#created(instance, name) : method.bind(instance));
        }
      }
    }

    #created(instance: Record<string, Handler>, name: string): Handler {
      const type = 'acme' as string;
      return this.creator.create(
        instance,
        instance[name] as (...args: unknown[]) => unknown,
        name,
        undefined,
        undefined,
        undefined,
        undefined,
        {
          guards: true,
          interceptors: true,
          filters: true,
        },
        type,
      ) as Handler;
    }

    @Post('acme')
    serve(@Req() request: RpcRequest, @Res() response: PlatformResponse): Promise<void> {
      return this.#answer(request, response);
    }

    /** A way around the guard. */
    @Public()
    @Post('around')
    around(@Req() request: RpcRequest, @Res() response: PlatformResponse): Promise<void> {
      return this.#answer(request, response);
    }

    async #answer(request: RpcRequest, platformResponse: PlatformResponse): Promise<void> {
      platformResponse.hijack?.();
      const response = platformResponse.raw ?? platformResponse;
      const { id, params } = request.body;
      const message = await this.#call(params.handler, params.input, contextOf(request, handsOn)).then(
        (result) => ({ result }),
        (error: Error) => ({ error: { message: error.message } }),
      );
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...message }));
    }

    async #call(name: string, input: unknown, context: AcmeContext): Promise<unknown> {
      const result = await this.#handlers.get(name)?.(input, context);
      return isObservable(result) ? lastValueFrom(result) : result;
    }
  }
  return AcmeServer;
}

function contextOf(request: RpcRequest, handsOn: HandsOn): AcmeContext {
  if (handsOn === 'caller') return { caller: request.auth };
  return handsOn === 'request' ? { http: request } : {};
}
