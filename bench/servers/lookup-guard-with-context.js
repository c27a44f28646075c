/**
 * The lookup guard with an interceptor that keeps the caller in an `AsyncLocalStorage` while the handler runs. It shows the
 * cost of making the caller available to code below the handler.
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
