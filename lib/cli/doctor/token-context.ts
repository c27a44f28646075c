import { McpAuthError } from '../../core/error.js';
import { CLIENT_ID_CLAIMS, SCOPE_CLAIMS, type ClaimNames } from '../../core/token-format.js';
import type { DpopOffer } from './dpop-offer.js';

/** What a sample token is checked against. */
export interface TokenContext {
  /** The issuers that the MCP server trusts. */
  readonly issuers: readonly string[];
  /** The published keys of each issuer; without an entry if they could not be fetched. */
  readonly keys: ReadonlyMap<string, readonly unknown[]>;
  /** The URL of the MCP server; undefined if only an issuer is examined, and the audience cannot be checked. */
  readonly resource: string | undefined;
  /** Audiences that the MCP server accepts besides its own URL. */
  readonly audiences: readonly string[];
  /** The scopes that the challenge asks for. */
  readonly scopes: readonly string[];
  /** What the MCP server says about tokens that are bound to a key; undefined if it accepts none. */
  readonly dpop?: DpopOffer | undefined;
  /** Whether the MCP server says that it accepts tokens that are bound to a certificate. */
  readonly acceptsCertificates?: boolean | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The default claim names of the library, and those in which products put scopes. */
export const CLAIM_NAMES: ClaimNames = {
  scopes: SCOPE_CLAIMS,
  clientId: CLIENT_ID_CLAIMS,
  subject: ['sub'],
  audience: ['aud'],
};
export const TIMES = { toleranceSeconds: 5, maxLifetimeSeconds: 86_400 };
export const PROFILE = 'compatible';

export const REFUSED = 'the token is refused with 401';

/** The reason for which a check of the library refuses the token; undefined if it does not. */
export function refusalOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error instanceof McpAuthError ? error.reason : 'malformed';
  }
}
