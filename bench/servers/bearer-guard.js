import { UnauthorizedException } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';

/**
 * The global guard of many tutorials.
 *
 * @param {(token: string) => unknown} verify returns the claims of a token, or throws
 */
export function bearerGuard(verify) {
  class BearerGuard {
    async canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const [scheme, token] = request.headers.authorization?.split(' ') ?? [];
      if (scheme !== 'Bearer' || !token) throw new UnauthorizedException();
      try {
        request.user = await verify(token);
      } catch {
        throw new UnauthorizedException();
      }
      return true;
    }
  }
  return { provide: APP_GUARD, useClass: BearerGuard };
}
