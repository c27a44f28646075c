import type { ResourceVariables } from './resource-template.js';
import type { PrincipalKind } from './principal-kind.js';

/**
 * The verified caller of a request. Has the shape of `AuthInfo` of the official MCP SDKs, which accept it, and also
 * names the issuer, subject and audience of the token.
 *
 * Identify users by `principalKey`, or by `issuer` and `subject` together: a subject is unique only at its issuer (RFC
 * 8725 §3.8).
 */
export interface McpAuthInfo {
  /**
   * The access token as received. Not enumerable: logging, spreading or serialising this object never leaks it.
   * `util.inspect` prints it only with `customInspect: false` and `getters: true`. Do NOT send it to another service:
   * it was issued for this one (MCP, "Token Passthrough").
   *
   * For another {@link credential}, this is not what the client sent: it is text that stands for it, such as
   * `credential:api-key:…`. It differs for each credential and in each process, and opens nothing.
   */
  readonly token: string;
  /** The client that acts; empty if the token names no client. */
  readonly clientId: string;
  /** The granted scopes, without implied ones. */
  readonly scopes: string[];
  /** Seconds since the epoch. For another {@link credential}, at most `maxTokenLifetimeSeconds` after its verification. */
  readonly expiresAt: number;
  /** The protected resource for which the token was accepted: that of the tenant, if the option `resource` has variables. */
  readonly resource: URL;
  /**
   * The values of the variables in the option `resource`, such as `{ tenant: 'acme' }` for `https://{tenant}.example.com/mcp`;
   * empty if it has none. Frozen.
   */
  readonly resourceVariables: ResourceVariables;
  /** The issuer of the token, exactly as configured. For another {@link credential}, `credential:` and its name. */
  readonly issuer: string;
  /** The `name` of the entry of `credentials` by which the caller came; undefined for an access token. */
  readonly credential: string | undefined;
  /** The subject at that issuer; undefined if the token names none. */
  readonly subject: string | undefined;
  /** Stable key of issuer and subject (or client, if there is no subject): a SHA-256 of 43 characters, base64url. */
  readonly principalKey: string;
  /**
   * Whether the token belongs to a user, or to the client itself (client credentials). `unknown` if the token does not
   * show it, and never guessed: a subject alone may be a user, a service account or a workload. If only users may do
   * something, require `'user'`.
   *
   * `client`: the subject is the client or is missing, or the product says so (Entra ID `idtyp`, Auth0 `gty`, service
   * accounts of Keycloak without a session). `user`: the token shows a sign-in (`auth_time`, `amr`, `sid`,
   * `session_state`), an introspection answer has a `username`, or the product says so; but not if the token could be that
   * of a service account of Keycloak. The option `kindOf` of an authorization server
   * overrides all of this.
   */
  readonly kind: PrincipalKind;
  /** The party acting for the subject: the outermost `act` only; nested ones are history (RFC 8693 §4.1). */
  readonly actor: Readonly<Record<string, unknown>> | undefined;
  /**
   * How the caller proved that the token is theirs; undefined for a token that works for whoever has it.
   * @see RFC 9449, RFC 8705
   */
  readonly proof: CallerProof | undefined;
  /** The complete `aud` of the token. The resource accepted one of its values. */
  readonly audience: readonly string[];
  /** Every claim of the token, verified. Read own properties only. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The proof of a key that came with a request: a signature in the request, or the TLS connection. */
export type CallerProof = DpopCallerProof | MutualTlsCallerProof;

/** DPoP (RFC 9449), perhaps over a connection with the certificate to which the token is bound, too. */
export interface DpopCallerProof {
  /** Tells it from mutual TLS. */
  readonly method: 'dpop';
  /** The SHA-256 thumbprint of the public key (RFC 7638), base64url. */
  readonly keyThumbprint: string;
  /** That of the certificate, as in {@link MutualTlsCallerProof}; undefined if the token is bound to none. */
  readonly certificateThumbprint: string | undefined;
}

/** A TLS connection with the certificate of the client (RFC 8705). */
export interface MutualTlsCallerProof {
  /** Tells it from DPoP. */
  readonly method: 'mtls';
  /** There is none. */
  readonly keyThumbprint: undefined;
  /** The SHA-256 of the certificate in DER (`x5t#S256`), base64url. */
  readonly certificateThumbprint: string;
}
