import { McpAuthError } from '../../core/error.js';
import { CLIENT_ID_CLAIMS, SCOPE_CLAIMS, type ClaimNames } from '../../core/token-format.js';

/** What a sample token is judged by. */
export interface TokenContext {
  /** The issuers that the MCP server trusts. */
  readonly issuers: readonly string[];
  /** Their published keys by issuer; without those that could not be had. */
  readonly keys: ReadonlyMap<string, readonly unknown[]>;
  /** The URL of the MCP server; undefined where there is none, and the audience cannot be judged. */
  readonly resource: string | undefined;
  /** What the MCP server accepts as audience besides its own URL. */
  readonly audiences: readonly string[];
  /** That the challenge asks for. */
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The defaults of the library, and where products put scopes. */
export const CLAIM_NAMES: ClaimNames = {
  scopes: SCOPE_CLAIMS,
  clientId: CLIENT_ID_CLAIMS,
  subject: ['sub'],
  audience: ['aud'],
};
export const TIMES = { toleranceSeconds: 5, maxLifetimeSeconds: 86_400 };
export const PROFILE = 'compatible';

export const REFUSED = 'the token is refused with 401';

/** The reason why a check of the library refuses; undefined where it does not. */
export function refusalOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error instanceof McpAuthError ? error.reason : 'malformed';
  }
}
