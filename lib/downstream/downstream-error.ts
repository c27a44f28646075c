/**
 * This server cannot obtain a token for an API, and only its operator can change that: the authorization server does not know its
 * client, does not allow it the grant or the API, or answers with something that is no token for an API. The log says what it
 * answered and what to do.
 *
 * It is no refusal of the caller, so the client gets what the application answers for any error: status 500 on HTTP routes. The
 * message contains nothing of the answer of the authorization server.
 */
export class McpAuthDownstreamError extends Error {
  /** Distinguishes it from other errors. */
  override readonly name = 'McpAuthDownstreamError';

  /** @internal */
  constructor(
    /** The name of the API in the option `downstream`. */
    readonly downstream: string,
  ) {
    super('This server cannot obtain a token for an API behind it. Its log says why');
  }
}
