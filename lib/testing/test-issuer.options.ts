import type { IncomingHttpHeaders } from 'node:http';
import type { TestIntrospectionOptions } from './test-introspection.js';
import type { TestKeyOptions } from './test-key.js';

/**
 * The places where clients look for the metadata of an issuer, in the order of the MCP specification:
 *
 * - `oauth`: `/.well-known/oauth-authorization-server/tenant` (RFC 8414 §3.1)
 * - `oidc-insert`: `/.well-known/openid-configuration/tenant` (RFC 8414 §5)
 * - `oidc-append`: `/tenant/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §4.1)
 *
 * The last two are the same place where the issuer has no path.
 */
export type WellKnownForm = 'oauth' | 'oidc-insert' | 'oidc-append';

/** What a request was for. `canary` is where the fault `redirect` leads; `other` is answered with 404. */
export type TestEndpoint = 'metadata' | 'jwks' | 'introspection' | 'canary' | 'other';

/** The endpoints that {@link TestIssuer.fail} breaks. */
export type FaultyEndpoint = 'metadata' | 'jwks' | 'introspection';

/** One request to a {@link TestIssuer}. */
export interface RecordedRequest {
  /** Such as `GET`. */
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  /** As Node parsed them; those to the introspection endpoint hold the credentials of the client. */
  readonly headers: IncomingHttpHeaders;
  /** What it was for. */
  readonly endpoint: TestEndpoint;
  /** The body; of requests to the introspection endpoint only. */
  readonly body?: string;
}

/** What `TestIssuer.start` takes; all of it may be left out. */
export interface TestIssuerOptions {
  /**
   * The `aud` of minted tokens, normally the resource identifier of the server under test.
   * @default none: tokens have no `aud` unless `mint` is given one, and a correct server refuses them
   */
  readonly audience?: string | readonly string[];
  /**
   * What follows the origin in the issuer identifier: nothing, or a path with a leading slash. A trailing slash stays in the
   * identifier, as with products that have one.
   * @default ''
   */
  readonly path?: string;
  /**
   * The algorithm of the signing key. RS256 is what every verifier must support (RFC 9068 §2.1) and costs a tenth of a second or
   * two at the start; ES256 and EdDSA cost nothing.
   * @default 'RS256'
   */
  readonly alg?: NonNullable<TestKeyOptions['alg']>;
  /**
   * Which of the three places have the metadata; the others answer 404.
   * @default all
   */
  readonly wellKnown?: readonly WellKnownForm[];
  /**
   * Members added to the metadata or replacing its own; `undefined` removes one. See {@link TestIssuer.metadata} for values
   * that are known only after the start.
   * @default {}
   */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * Whether there is an introspection endpoint (RFC 7662), and who may use it: `true` for a client with default credentials.
   * @default none: there is no such endpoint, and no `introspection_endpoint` in the metadata
   */
  readonly introspection?: TestIntrospectionOptions | true;
  /**
   * The clock of `iat` and `exp`, in milliseconds since 1970.
   * @default Date.now
   */
  readonly now?: () => number;
}
