import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Observable } from 'rxjs';
import { callWithInstance, currentCall, runInCall } from '../caller/call-registry.js';

/** Makes the caller known below a handler that is reached by no HTTP route of its own, such as a tool over stdio. */
export class CallerInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const found = callWithInstance(context);
    // It runs within the call already where it is reached through a request that is followed.
    if (!found || found.call === currentCall(found.instance)) return next.handle();
    const { call, instance } = found;
    // The handler runs when its observable is subscribed to, so that is what must happen within the call.
    return new Observable((subscriber) => runInCall(call, instance, () => next.handle().subscribe(subscriber)));
  }
}
