import { importJWK, jwtVerify, type JWK } from 'jose';

/** A client of a `TestIssuer`, and how it proves that it is that one. */
export interface TestClientSettings {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The public key for `private_key_jwt`; undefined if the client has none. */
  readonly clientKey?: JWK | undefined;
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Authenticates the one client that an endpoint of a `TestIssuer` knows. */
export class TestClient {
  constructor(
    private readonly settings: TestClientSettings,
    private readonly host: {
      readonly issuer: string;
      /** Milliseconds since 1970. */
      readonly now: () => number;
    },
  ) {}

  /** Whether the client is authenticated, by exactly one method (RFC 6749 §2.3). */
  async isAuthenticated(authorization: string | undefined, form: URLSearchParams): Promise<boolean> {
    const assertion = form.get('client_assertion');
    const secret = form.get('client_secret');
    const used = [authorization, assertion, secret].filter(
      (credential) => credential !== undefined && credential !== null,
    );
    if (used.length !== 1) return false;
    if (authorization !== undefined) return this.#isBasic(authorization);
    if (form.get('client_id') !== this.settings.clientId) return false;
    if (secret !== null) return secret === this.settings.clientSecret;
    return form.get('client_assertion_type') === ASSERTION_TYPE && this.#isAssertion(assertion ?? '');
  }

  #isBasic(authorization: string): boolean {
    const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/.exec(authorization)?.[1] ?? '';
    const credentials = Buffer.from(encoded, 'base64').toString().split(':').map(formDecoded);
    return (
      credentials.length === 2 &&
      credentials[0] === this.settings.clientId &&
      credentials[1] === this.settings.clientSecret
    );
  }

  async #isAssertion(assertion: string): Promise<boolean> {
    if (!this.settings.clientKey) return false;
    try {
      const { payload } = await jwtVerify(assertion, await importJWK(this.settings.clientKey), {
        issuer: this.settings.clientId,
        subject: this.settings.clientId,
        audience: this.host.issuer,
        requiredClaims: ['exp', 'jti'],
        currentDate: new Date(this.host.now()),
      });
      return typeof payload.jti === 'string';
    } catch {
      return false;
    }
  }
}

function formDecoded(text: string): string {
  return new URLSearchParams(`text=${text}`).get('text') ?? '';
}
