import { randomUUID } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import type { TestAddresses } from './test-addresses.js';
import type { TestIssuerOptions, WellKnownForm } from './test-issuer.options.js';
import type { TestKey } from './test-key.js';
import { CLIENT_AUTHENTICATION, TOKEN_GRANTS } from './test-token-endpoint.js';

const LIFETIME_SECONDS = 300;

const WELL_KNOWN_FORMS: readonly WellKnownForm[] = ['oauth', 'oidc-insert', 'oidc-append'];

/** The documents that a `TestIssuer` publishes, and the default claims of its tokens. */
export class TestDocuments {
  published: readonly unknown[];
  /** The key that signs. */
  key: TestKey;

  constructor(
    private readonly addresses: TestAddresses,
    private readonly options: TestIssuerOptions,
    key: TestKey,
  ) {
    this.published = [key.publicJwk];
    this.key = key;
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return (this.options.now ?? Date.now)();
  }

  keySet(): JSONWebKeySet {
    return { keys: this.published } as JSONWebKeySet;
  }

  /** @param changes members that are added or replaced; `undefined` removes one */
  metadata(changes: Readonly<Record<string, unknown>>): object {
    const { issuer, jwksUri, introspectionUri, tokenUri } = this.addresses;
    const hasTokens = this.options.tokenEndpoint !== undefined;
    const base = issuer.replace(/\/$/, '');
    return {
      issuer,
      authorization_endpoint: `${base}/authorize`,
      token_endpoint: tokenUri,
      jwks_uri: jwksUri,
      ...(this.options.introspection !== undefined && { introspection_endpoint: introspectionUri }),
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token', ...(hasTokens ? TOKEN_GRANTS : [])],
      token_endpoint_auth_methods_supported: ['none', ...(hasTokens ? CLIENT_AUTHENTICATION : [])],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [this.key.alg],
      ...changes,
    };
  }

  /** The metadata at a URL; undefined if the options do not serve it there. */
  metadataAt(place: string, changes: Readonly<Record<string, unknown>>): object | undefined {
    const served = this.options.wellKnown ?? WELL_KNOWN_FORMS;
    const isServed = served.some((form) => this.addresses.wellKnownUris[form] === place);
    return isServed ? this.metadata(changes) : undefined;
  }

  claims(): Record<string, unknown> {
    const now = Math.floor(this.now / 1000);
    return {
      iss: this.addresses.issuer,
      sub: 'alice',
      client_id: 'test-client',
      aud: this.options.audience,
      iat: now,
      exp: now + LIFETIME_SECONDS,
      jti: randomUUID(),
    };
  }
}
