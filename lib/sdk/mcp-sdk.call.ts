import { noteMcpContext } from '../request/mcp-origin.js';

/** What the client asked for, in the terms of MCP; for a resource, with its URI in normal form. */
export type SdkRequest =
  | {
      /** The JSON-RPC method. */
      readonly method: 'tools/call' | 'prompts/get';
      /** What MCP names so in requests of this method. */
      readonly params: {
        /** Of the tool or prompt. */
        readonly name: string;
        /** Validated by its schema, if it has one. */
        readonly arguments: unknown;
      };
    }
  | {
      /** The JSON-RPC method. */
      readonly method: 'resources/read';
      /** What MCP names so in requests of this method. */
      readonly params: {
        /** Of the resource, in normal form. */
        readonly uri: string;
      };
    };

/**
 * One call through the bridge. Guards, pipes, interceptors and filters get it as RPC context,
 * `context.switchToRpc().getContext<SdkCall>()`, beside the arguments, `getData()`; request-scoped providers get it by
 * `@Inject(REQUEST)`.
 *
 * @typeParam Context `ServerContext` of version 2 of the SDK, `RequestHandlerExtra` of version 1
 */
export class SdkCall<Context = unknown> {
  readonly #isStdio: boolean;

  constructor(
    /** What the client asked for. */
    readonly mcpRequest: SdkRequest,
    /**
     * Validated by the schema of the tool or prompt; of a resource template the values of its variables, as they
     * stand in the URI, not decoded. An empty object for whatever takes no arguments.
     */
    readonly args: unknown,
    /** What the SDK gave to the handler besides. */
    readonly sdkContext: Context,
    isStdio = false,
  ) {
    this.#isStdio = isStdio;
    noteMcpContext(this, { isStdio });
  }

  /**
   * The caller that the transport was told of, if it was. It may have been told by anybody: who was let in, this
   * library knows by itself, and injects with `@AuthInfo()`.
   */
  get authInfo(): unknown {
    const { authInfo, http } = this.sdkContext as { authInfo?: unknown; http?: { authInfo?: unknown } };
    return http?.authInfo ?? authInfo;
  }

  /** How the call came, in the terms of other MCP frameworks for Nest. */
  getSession(): {
    /** `stdio` only where the server was registered with `stdio: true`. */
    readonly transport: 'stdio' | 'http';
  } {
    return { transport: this.#isStdio ? 'stdio' : 'http' };
  }
}
