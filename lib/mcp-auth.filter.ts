import { Catch, Inject, Injectable, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { of, throwError, type Observable } from 'rxjs';
import { McpAuthError } from './core/error.js';
import { McpAuthAuthorizer } from './mcp-auth.authorizer.js';
import { callOfContext, callOfRequest, nodeRequest, type HttpRequest } from './mcp-auth.context.js';
import { McpAuthDecisions } from './mcp-auth.decisions.js';
import { McpAuthResponder, type HttpResponse } from './mcp-auth.responder.js';

/**
 * Puts an {@link McpAuthError} that was thrown below the guard into the form its recipient understands: status and
 * challenge on HTTP routes, a result with `isError` for MCP tools, a JSON-RPC error for other MCP handlers; and there,
 * too, the status and challenge, unless the MCP framework has begun to answer with a stream.
 */
@Injectable()
@Catch(McpAuthError)
export class McpAuthFilter implements ExceptionFilter<McpAuthError> {
  constructor(
    @Inject(McpAuthAuthorizer) private readonly authorizer: McpAuthAuthorizer,
    @Inject(McpAuthResponder) private readonly responder: McpAuthResponder,
    @Inject(McpAuthDecisions) private readonly decisions: McpAuthDecisions,
  ) {}

  catch(error: McpAuthError, host: ArgumentsHost): Observable<unknown> | void {
    if (host.getType() === 'http') {
      const request = host.switchToHttp().getRequest<HttpRequest>();
      const call = callOfRequest(request);
      const facts = this.authorizer.factsAt(nodeRequest(request), call, request.body);
      this.decisions.refusedRequest(error, request, facts, call?.auth);
      return this.responder.refuse(error, request, host.switchToHttp().getResponse<HttpResponse>(), facts);
    }
    const call = callOfContext(host);
    // The answer may not have begun: then it can still get the status of the refusal.
    if (call) call.raised = error;
    const rpcContext = host.switchToRpc().getContext<object>();
    const facts = this.authorizer.factsAt(rpcContext, call, undefined);
    this.decisions.refusedCall(error, rpcContext, facts, call?.auth);
    if (isToolCall(rpcContext)) return of(this.responder.toolResult(error, facts));
    return throwError(() => this.responder.rpcError(error, facts));
  }
}

/** Whether the context of `@rekog/mcp-nest` stands for a `tools/call`. */
function isToolCall(rpcContext: unknown): boolean {
  const { mcpRequest } = (rpcContext ?? {}) as { mcpRequest?: { method?: unknown } };
  return mcpRequest?.method === 'tools/call';
}
