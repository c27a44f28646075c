/**
 * `auth` as the documentation of express-oauth2-jwt-bearer has it. Nest answers its errors with 500, since they are none of
 * Nest's own, so that it takes a filter besides.
 */
import { Catch } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { auth, UnauthorizedError } from 'express-oauth2-jwt-bearer';

class UnauthorizedFilter {
  catch({ status, headers, message }, host) {
    host.switchToHttp().getResponse().status(status).set(headers).json({ message });
  }
}
Catch(UnauthorizedError)(UnauthorizedFilter);

export default ({ resource, issuer }) => ({
  middleware: auth({ issuerBaseURL: issuer, audience: resource }),
  providers: [{ provide: APP_FILTER, useClass: UnauthorizedFilter }],
});
