import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Observable } from 'rxjs';
import { callOfContext, currentCall, runInCall } from './mcp-auth.context.js';

/** Makes the caller known to everything below the handler, for `McpAuthService.authInfo`. */
@Injectable()
export class McpAuthInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const call = callOfContext(context);
    // It runs within the call already where a handler of MCP is reached through a route.
    if (!call || call === currentCall()) return next.handle();
    // The handler runs when its observable is subscribed to, so that is what must happen within the call.
    return new Observable((subscriber) => runInCall(call, () => next.handle().subscribe(subscriber)));
  }
}
