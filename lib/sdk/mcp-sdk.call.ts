import { noteMcpContext } from '../request/mcp-origin.js';

/** The request of the client, in the terms of MCP; the URI of a resource is in normal form. */
export type SdkRequest =
  | {
      /** The JSON-RPC method. */
      readonly method: 'tools/call' | 'prompts/get';
      /** The parameters of this method in MCP. */
      readonly params: {
        /** Name of the tool or prompt. */
        readonly name: string;
        /** The arguments, validated by the schema, if there is one. */
        readonly arguments: unknown;
      };
    }
  | {
      /** The JSON-RPC method. */
      readonly method: 'resources/read';
      /** The parameters of this method in MCP. */
      readonly params: {
        /** URI of the resource, in normal form. */
        readonly uri: string;
      };
    };

/**
 * One call through the bridge. Guards, pipes, interceptors and filters get it as RPC context,
 * `context.switchToRpc().getContext<SdkCall>()`, and the arguments with `getData()`. Request-scoped providers get it
 * with `@Inject(REQUEST)`.
 *
 * @typeParam Context `ServerContext` of version 2 of the SDK, `RequestHandlerExtra` of version 1
 */
export class SdkCall<Context = unknown> {
  readonly #isStdio: boolean;

  constructor(
    /** The request of the client. */
    readonly mcpRequest: SdkRequest,
    /**
     * The arguments, validated by the schema of the tool or prompt. For a resource template, the values of its
     * variables, as in the URI, not decoded. An empty object if there are no arguments.
     */
    readonly args: unknown,
    /** The context that the SDK passed to the handler. */
    readonly sdkContext: Context,
    isStdio = false,
  ) {
    this.#isStdio = isStdio;
    noteMcpContext(this, { isStdio });
  }

  /**
   * The caller that was passed to the transport, if any. Do NOT trust it: any code may have set it. `@AuthInfo()`
   * injects the verified caller.
   */
  get authInfo(): unknown {
    const { authInfo, http } = this.sdkContext as { authInfo?: unknown; http?: { authInfo?: unknown } };
    return http?.authInfo ?? authInfo;
  }

  /** The transport of the call, in the form of other MCP frameworks for Nest. */
  getSession(): {
    /** `stdio` only if the server was registered with `stdio: true`. */
    readonly transport: 'stdio' | 'http';
  } {
    return { transport: this.#isStdio ? 'stdio' : 'http' };
  }
}
