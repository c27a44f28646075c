/**
 * What an MCP client needs to send its user to a page of this server. Has the members of `ElicitRequestURLParams`.
 *
 * @see MCP 2025-11-25, Elicitation, "URL Mode Elicitation Requests"
 */
export interface ConsentRequest {
  /** The user opens a URL, so that nothing they enter reaches the client. */
  readonly mode: 'url';
  /** Names this request in `notifications/elicitation/complete`. Grants nothing. */
  readonly elicitationId: string;
  /** The page of the option `consent.url`, with a sealed value. Only the user whose tool call made it gets further there. */
  readonly url: string;
  /** Why the user should open it. */
  readonly message: string;
}

/** JSON-RPC error code: the client should send its user to a URL first (MCP 2025-11-25). */
const URL_ELICITATION_REQUIRED = -32042;

/**
 * Under this symbol, the classes of version 2 of the official SDK find their own errors again that another copy of the SDK made.
 * Read in `@modelcontextprotocol/server` 2.4. Without it, the SDK would answer with a tool result, which has no `data`.
 */
const SDK_BRANDS = Symbol.for('mcp.sdk.errorBrands');

/**
 * The user must first consent at a third party. `McpAuthConsents.tokenFor` throws it; let it pass through your tool. Clients get:
 *
 * | client and server | answer |
 * |---|---|
 * | up to MCP 2025-11-25, version 2 of the SDK | the JSON-RPC error -32042 with `data.elicitations` |
 * | MCP 2026-07-28, a client that can open URLs | a result that asks for the elicitation (`input_required`) |
 * | MCP 2026-07-28, another client, or one whose user was asked before | a tool result with `isError` and the URL in its text |
 * | version 1 of the SDK | the same tool result |
 * | HTTP routes of Nest | `403` with `elicitations` |
 */
export class McpAuthConsentRequiredError extends Error {
  /** Distinguishes it from other errors. */
  override readonly name = 'McpAuthConsentRequiredError';
  /** The JSON-RPC error code of MCP 2025-11-25. */
  readonly code = URL_ELICITATION_REQUIRED;
  /** The `data` of the JSON-RPC error. */
  readonly data: {
    /** One: the link that the user should open. */
    readonly elicitations: readonly ConsentRequest[];
  };

  constructor(
    /** The third party. */
    readonly to: string,
    request: ConsentRequest,
  ) {
    super(`${request.message} Open ${request.url} in a browser, and call again when it says that you are done.`);
    this.data = Object.freeze({ elicitations: Object.freeze([request]) });
    const brands = new Set(['mcp.ProtocolError', 'mcp.UrlElicitationRequiredError']);
    Object.defineProperty(this, SDK_BRANDS, { value: brands });
  }

  /** The same as in `data`, under the name that the classes of the SDKs have. */
  get elicitations(): readonly ConsentRequest[] {
    return this.data.elicitations;
  }
}
