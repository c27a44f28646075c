/** `requireBearerAuth` of the official SDK. Its user must verify the token; here, jose does. */
import { requireBearerAuth } from '@modelcontextprotocol/express';
import { OAuthError, OAuthErrorCode } from '@modelcontextprotocol/server';
import { joseVerification } from './jose-verification.js';

export default (settings) => {
  const verify = joseVerification(settings);
  const verifier = {
    async verifyAccessToken(token) {
      const claims = await verify(token).catch(() => {
        throw new OAuthError(OAuthErrorCode.InvalidToken, 'The token is not valid');
      });
      return { token, clientId: claims.client_id, scopes: claims.scope?.split(' ') ?? [], expiresAt: claims.exp };
    },
  };
  return { middleware: requireBearerAuth({ verifier }) };
};
