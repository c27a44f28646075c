import type { PrincipalKind } from './principal-kind.js';

/**
 * The verified caller of a request. Has the shape of `AuthInfo` of the official MCP SDKs, so that it can be handed
 * to them, and says besides who issued the token and for whom.
 *
 * Identify users by `principalKey`, or by `issuer` and `subject` together: a subject means something only at its
 * issuer (RFC 8725 §3.8).
 */
export interface McpAuthInfo {
  /**
   * The access token as received. Not enumerable, so that logging, spreading or serialising this object never
   * leaks it; `util.inspect` prints it only where it is told to pass by what objects say of themselves
   * (`customInspect: false`) and to call getters. Must not be sent to another service: it was issued for this one (MCP, "Token Passthrough").
   */
  readonly token: string;
  /** The client acting; empty where the token names none. */
  readonly clientId: string;
  /** As granted; implied scopes are not added. */
  readonly scopes: string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** The protected resource the token was accepted for. */
  readonly resource: URL;
  /** Who issued the token, exactly as configured. */
  readonly issuer: string;
  /** The subject at that issuer; undefined where the token names none. */
  readonly subject: string | undefined;
  /** Stable key of issuer and subject (or client, where there is no subject): 43 characters, base64url, SHA-256. */
  readonly principalKey: string;
  /**
   * Whether a user stands behind the token, or only the client itself (client credentials); `unknown` where nothing shows
   * it, and never guessed: a subject alone may be a user, a service account or a workload. Whatever only users may do, allow
   * for `'user'` alone.
   *
   * `client`: the subject is the client or is missing, or the product says so (Entra ID `idtyp`, Auth0 `gty`, service
   * accounts of Keycloak). `user`: somebody has signed in (`auth_time`, `amr`, `sid`, `session_state`), an introspection answer
   * has a `username`, or the product says so. The option `kindOf` of an authorization server decides before all that.
   */
  readonly kind: PrincipalKind;
  /** The party acting for the subject: the outermost `act` only; nested ones are history (RFC 8693 §4.1). */
  readonly actor: Readonly<Record<string, unknown>> | undefined;
  /** For whom the token was issued: its whole `aud`, of which one value was accepted. */
  readonly audience: readonly string[];
  /** Every claim of the token, verified. Read own properties only. */
  readonly claims: Readonly<Record<string, unknown>>;
}
