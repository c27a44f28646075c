import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Observable } from 'rxjs';
import { callWithInstance } from '../caller/call-registry.js';
import { currentCall, runInCall } from '../caller/current-call.js';

/** Makes the caller available below a handler that has no HTTP route, such as a tool over stdio. */
export class CallerInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const current = callWithInstance(context);
    // A tracked request already runs within its call.
    if (!current || current.call === currentCall(current.instance)) return next.handle();
    const { call, instance } = current;
    // The handler runs on subscription to its observable, so the subscription must happen within the call.
    return new Observable((subscriber) => runInCall(call, instance, () => next.handle().subscribe(subscriber)));
  }
}
