import type { FaultyEndpoint, TestEndpoint, WellKnownForm } from './test-issuer.options.js';

/** The URLs of a `TestIssuer`. */
export class TestAddresses {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly introspectionUri: string;
  readonly tokenUri: string;
  readonly wellKnownUris: Readonly<Record<WellKnownForm, string>>;

  constructor(
    private readonly origin: string,
    path: string,
  ) {
    const bare = path.replace(/\/$/, '');
    this.issuer = `${origin}${path}`;
    this.jwksUri = `${origin}${bare}/jwks`;
    this.introspectionUri = `${origin}${bare}/introspect`;
    this.tokenUri = `${origin}${bare}/token`;
    this.wellKnownUris = {
      oauth: `${origin}/.well-known/oauth-authorization-server${bare}`,
      'oidc-insert': `${origin}/.well-known/openid-configuration${bare}`,
      'oidc-append': `${origin}${bare}/.well-known/openid-configuration`,
    };
  }

  /** The URL of a request, without its query. */
  placeOf(url: string): string {
    return `${this.origin}${url.split('?', 1)[0]}`;
  }

  endpointAt(place: string): TestEndpoint {
    if (place === this.jwksUri) return 'jwks';
    if (place === this.introspectionUri) return 'introspection';
    if (place === this.tokenUri) return 'token';
    if (Object.values(this.wellKnownUris).includes(place)) return 'metadata';
    return place.startsWith(this.#canary) ? 'canary' : 'other';
  }

  /** The target of the fault `redirect` at an endpoint. */
  canaryOf(endpoint: FaultyEndpoint): string {
    return `${this.#canary}${endpoint}`;
  }

  get #canary(): string {
    return `${this.origin}/canary/`;
  }
}

export function assertPath(path: string): void {
  if (path === '' || /^\/[^?#\s]*$/.test(path)) return;
  throw new TypeError(
    `options.path must be '' or begin with a slash and have no query or fragment, such as '/tenant'; got ${JSON.stringify(path)}`,
  );
}
