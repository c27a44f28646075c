/**
 * The same, with the caller in an `AsyncLocalStorage` for the time of the handler, as an interceptor does it: what it takes
 * that code below the handler, and the second check at the handler of a session's MCP call, know of whom a request is.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Observable } from 'rxjs';
import lookupGuard from './lookup-guard.js';

const caller = new AsyncLocalStorage();

class CallerInterceptor {
  intercept(context, next) {
    const { user } = context.switchToHttp().getRequest();
    return new Observable((subscriber) => caller.run(user, () => next.handle().subscribe(subscriber)));
  }
}

export default (settings) => ({
  providers: [...lookupGuard(settings).providers, { provide: APP_INTERCEPTOR, useClass: CallerInterceptor }],
});
