import { Injectable, UnauthorizedException } from '@nestjs/common';
import { TokenVerifier, type VerifiedToken } from 'nestjs-mcp-auth';
import { AccessTokens } from './access-tokens.service.js';

/**
 * Looks tokens up in the table. Does not check the result: the library checks that the issuer is trusted, that the
 * audience is this resource, and that the expiry is in the future.
 *
 * An exception with status 401 means that the token is bad. Any other error, such as an unreachable database, leads to
 * 503: clients must not discard a token only because the lookup failed.
 */
@Injectable()
export class AccessTokenVerifier extends TokenVerifier {
  constructor(private readonly tokens: AccessTokens) {
    super();
  }

  override async verify(token: string): Promise<VerifiedToken> {
    const record = await this.tokens.find(token);
    if (!record) throw new UnauthorizedException();
    const { issuer, audience, user, scopes, expiresAt } = record;
    return { issuer, audience: [audience], subject: user, scopes, expiresAt, claims: {} };
  }
}
