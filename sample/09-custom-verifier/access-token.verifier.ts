import { Injectable, UnauthorizedException } from '@nestjs/common';
import { TokenVerifier, type VerifiedToken } from 'nestjs-mcp-auth';
import { AccessTokens } from './access-tokens.service.js';

/**
 * Says what the table says. Whether that is good enough is not decided here: the issuer must be one that is trusted, the
 * audience this resource, the expiry in the future, which is checked of every result.
 *
 * An exception with status 401 means that the token is bad. Any other error, as of a database that is down, is answered with
 * 503, so that no client throws away a token which nobody could look up.
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
