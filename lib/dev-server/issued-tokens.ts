import { createPublicKey } from 'node:crypto';
import { jwtVerify, type JWTPayload } from 'jose';
import type Provider from 'oidc-provider';
import type { AccessToken, ClientCredentials, JWK } from 'oidc-provider';
import { MemoryAdapter } from './memory-adapter.js';

/** An access token that this server issued, and that is still valid. */
export interface IssuedToken {
  /** The user; undefined if the client acts for itself. */
  readonly user: { readonly accountId: string; readonly grantId: string } | undefined;
  readonly clientId: string;
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** When the user signed in, in seconds since 1970. */
  readonly authTime: unknown;
}

/**
 * Finds the access tokens that this server issued, opaque or JWT. The provider does not store JWTs, so this remembers the grant of
 * each: a token counts only as long as its grant exists.
 */
export class IssuedTokens {
  readonly #grants = new MemoryAdapter();
  readonly #key;

  constructor(
    private readonly provider: Provider,
    signingKey: JWK,
  ) {
    const { n = '', e = '' } = signingKey;
    this.#key = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
    // Only of JWTs: the provider saves opaque tokens.
    provider.on('access_token.issued', ({ jti, grantId, remainingTTL }: AccessToken) => {
      void this.#grants.upsert(jti, { grantId }, remainingTTL);
    });
  }

  /** The token; undefined if it is not of this server, expired, revoked, or its grant was revoked. */
  async find(value: string): Promise<IssuedToken | undefined> {
    const { AccessToken, ClientCredentials, Grant } = this.provider;
    const opaque = (await AccessToken.find(value)) ?? (await ClientCredentials.find(value));
    const token = opaque ? ofModel(opaque) : await this.#ofJwt(value);
    if (token?.user && !(await Grant.find(token.user.grantId))) return undefined;
    return token;
  }

  async #ofJwt(value: string): Promise<IssuedToken | undefined> {
    const claims = await this.#verified(value);
    if (!claims) return undefined;
    const { jti = '', sub = '', aud, exp = 0, client_id: clientId, scope, auth_time: authTime } = claims;
    const grant = await this.#grants.find(jti);
    const user = grant?.grantId === undefined ? undefined : { accountId: sub, grantId: grant.grantId };
    return {
      user,
      clientId: String(clientId),
      audience: String(aud),
      scopes: scopesIn(scope),
      expiresAt: exp,
      authTime,
    };
  }

  async #verified(value: string): Promise<JWTPayload | undefined> {
    const rules = {
      issuer: this.provider.issuer,
      typ: 'at+jwt',
      algorithms: ['RS256'],
      requiredClaims: ['jti', 'exp'],
    };
    try {
      return (await jwtVerify(value, this.#key, rules)).payload;
    } catch {
      return undefined;
    }
  }
}

function ofModel(token: AccessToken | ClientCredentials): IssuedToken {
  const { clientId = '', aud, scope, exp, extra } = token;
  const user = token.kind === 'AccessToken' ? { accountId: token.accountId, grantId: token.grantId } : undefined;
  const audience = String(aud);
  return { user, clientId, audience, scopes: scopesIn(scope), expiresAt: exp ?? 0, authTime: extra?.['auth_time'] };
}

function scopesIn(scope: unknown): ReadonlySet<string> {
  return new Set(typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []);
}
