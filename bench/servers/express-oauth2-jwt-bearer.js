/**
 * `auth` as in the documentation of express-oauth2-jwt-bearer. A filter handles its errors, which Nest does not know and would
 * answer with 500.
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
