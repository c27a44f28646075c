import type { OperationKind } from '../core/operation.js';

/** What the client asked for, in the terms of MCP; for a resource, with its URI in normal form. */
export type SdkRequest =
  | { readonly method: 'tools/call'; readonly params: { readonly name: string; readonly arguments: unknown } }
  | { readonly method: 'prompts/get'; readonly params: { readonly name: string; readonly arguments: unknown } }
  | { readonly method: 'resources/read'; readonly params: { readonly uri: string } };

/**
 * One call through the bridge. Guards, pipes, interceptors and filters get it as RPC context,
 * `context.switchToRpc().getContext<SdkCall>()`, beside the arguments, `getData()`; request-scoped providers get it by
 * `@Inject(REQUEST)`.
 *
 * @typeParam Context `ServerContext` of version 2 of the SDK, `RequestHandlerExtra` of version 1
 */
export class SdkCall<Context = unknown> {
  constructor(
    readonly mcpRequest: SdkRequest,
    /**
     * Validated by the schema of the tool or prompt; of a resource template the values of its variables, as they
     * stand in the URI, not decoded. An empty object for whatever takes no arguments.
     */
    readonly args: unknown,
    /** What the SDK gave to the handler besides. */
    readonly sdkContext: Context,
  ) {}

  /**
   * The caller, if the transport was given one. Nothing but a hint: whether somebody was let in, this library knows
   * by itself.
   */
  get authInfo(): unknown {
    const { authInfo, http } = this.sdkContext as { authInfo?: unknown; http?: { authInfo?: unknown } };
    return http?.authInfo ?? authInfo;
  }
}

/** The request for a tool or a prompt, by its name. */
export function requestFor(kind: Extract<OperationKind, 'tool' | 'prompt'>, name: string, args: unknown): SdkRequest {
  return { method: kind === 'tool' ? 'tools/call' : 'prompts/get', params: { name, arguments: args } };
}
