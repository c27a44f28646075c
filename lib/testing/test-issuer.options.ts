import type { IncomingHttpHeaders } from 'node:http';
import type { TestIntrospectionOptions } from './test-introspection.js';
import type { TestTokenEndpointOptions } from './test-token-endpoint.js';
import type { TestKeyOptions } from './test-key.js';

/**
 * The places where clients look for the metadata of an issuer, in the order of the MCP specification:
 *
 * - `oauth`: `/.well-known/oauth-authorization-server/tenant` (RFC 8414 §3.1)
 * - `oidc-insert`: `/.well-known/openid-configuration/tenant` (RFC 8414 §5)
 * - `oidc-append`: `/tenant/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §4.1)
 *
 * If the issuer has no path, the last two are the same place.
 */
export type WellKnownForm = 'oauth' | 'oidc-insert' | 'oidc-append';

/** The endpoint of a request. `canary` is the target of the fault `redirect`; `other` answers 404. */
export type TestEndpoint = 'metadata' | 'jwks' | 'introspection' | 'token' | 'canary' | 'other';

/** The endpoints that {@link TestIssuer.fail} breaks. */
export type FaultyEndpoint = 'metadata' | 'jwks' | 'introspection' | 'token';

/** One request to a {@link TestIssuer}. */
export interface RecordedRequest {
  /** Such as `GET`. */
  readonly method: string;
  /** Path and query, as received. */
  readonly url: string;
  /** The headers, as Node parsed them. At the introspection and token endpoints, they contain the credentials of the client. */
  readonly headers: IncomingHttpHeaders;
  /** The endpoint that received the request. */
  readonly endpoint: TestEndpoint;
  /** The body, only for requests to the introspection and token endpoints. */
  readonly body?: string;
}

/** The options of `TestIssuer.start`. All are optional. */
export interface TestIssuerOptions {
  /**
   * The `aud` of minted tokens, normally the resource identifier of the server under test.
   * @default none: tokens have no `aud` unless `mint` is given one, and a correct server refuses them
   */
  readonly audience?: string | readonly string[];
  /**
   * What follows the origin in the issuer identifier: nothing, or a path with a leading slash. A trailing slash stays in the
   * identifier, as in some products.
   * @default ''
   */
  readonly path?: string;
  /**
   * The algorithm of the signing key. Every verifier must support RS256 (RFC 9068 §2.1), but its key delays the start by a
   * tenth of a second or two. ES256 and EdDSA cost nothing.
   * @default 'RS256'
   */
  readonly alg?: NonNullable<TestKeyOptions['alg']>;
  /**
   * Which of the three places serve the metadata; the others answer 404.
   * @default all
   */
  readonly wellKnown?: readonly WellKnownForm[];
  /**
   * Members that are added to the metadata or replace its own; `undefined` removes one. See {@link TestIssuer.metadata} for
   * values that are known only after the start.
   * @default {}
   */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * Adds an introspection endpoint (RFC 7662) for this client; `true` for a client with default credentials.
   * @default none: there is no such endpoint, and no `introspection_endpoint` in the metadata
   */
  readonly introspection?: TestIntrospectionOptions | true;
  /**
   * Adds a token endpoint for this client; `true` for a client with default credentials. It exchanges access tokens of this issuer
   * (RFC 8693; `jwt-bearer` with `requested_token_use=on_behalf_of`), and issues tokens by client credentials. It has no other
   * grants, and gives every token that is asked for.
   * @default none: the `token_endpoint` of the metadata answers 404
   */
  readonly tokenEndpoint?: TestTokenEndpointOptions | true;
  /**
   * The clock of `iat` and `exp`, in milliseconds since 1970.
   * @default Date.now
   */
  readonly now?: () => number;
}
