import { Catch, Injectable, Optional, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { of, throwError, type Observable } from 'rxjs';
import { McpAuthError } from './core/error.js';
import type { Refusal } from './response/refusal.js';
import { RefusedRequests } from './authorization/refused-requests.js';
import { callOfContext, callOfRequest } from './caller/call-registry.js';
import { mcpOriginOf } from './request/mcp-origin.js';
import { nodeRequest, type HttpRequest, type HttpResponse } from './request/http-message.js';
import { moduleMissing } from './caller/package-copies.js';
import { DecisionRecorder } from './observability/decision-recorder.js';
import { isHttpResponse } from './handlers/handler-kind.js';
import { ResolvedOptions } from './options/options.js';
import { Responder } from './response/responder.js';
import { HandlerRefusal, messageError, sendException } from './response/refusal-forms.js';

/**
 * What the filter does. One injectable, since decorators have the filter built in the modules of handlers.
 *
 * @internal
 */
@Injectable()
export class ErrorAnswers {
  constructor(
    private readonly refusedRequests: RefusedRequests,
    private readonly responder: Responder,
    private readonly recorder: DecisionRecorder,
    private readonly options: ResolvedOptions,
  ) {}

  answer(error: McpAuthError, host: ArgumentsHost): Observable<unknown> | void {
    switch (host.getType<string>()) {
      case 'http':
        if (isHttpResponse(host.switchToHttp().getResponse())) return this.#answerRequest(error, host);
        break;
      case 'rpc':
        if (mcpOriginOf(host)) return this.#answerMcp(error, host);
        return throwError(() => messageError(this.#refusalOf(error)));
      case 'ws':
        return sendException(host.switchToWs(), this.#refusalOf(error));
      case 'graphql':
        throw HandlerRefusal.refusalOf(error) ? error : new HandlerRefusal(error, this.#refusalOf(error));
    }
    this.#refusalOf(error);
    throw error;
  }

  #answerRequest(error: McpAuthError, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<HttpRequest>();
    const call = callOfRequest(request, this.options);
    const refused = this.refusedRequests.find(nodeRequest(request), call, request.body);
    this.recorder.recordRefusedRequest(error, request, refused);
    return this.responder.refuse(error, request, host.switchToHttp().getResponse<HttpResponse>(), refused);
  }

  #answerMcp(error: McpAuthError, host: ArgumentsHost): Observable<unknown> {
    const call = callOfContext(host, this.options);
    // The answer may not have begun: then it can still get the status of the refusal.
    if (call) call.handlerError = error;
    const rpcContext: unknown = host.switchToRpc().getContext();
    const refused = this.refusedRequests.find(rpcContext, call, undefined);
    this.recorder.recordRefusedCall(error, rpcContext, refused);
    if (isToolCall(rpcContext)) return of(this.responder.toolResult(error, refused));
    return throwError(() => this.responder.rpcError(error, refused));
  }

  /** What the client of a handler outside of HTTP routes and MCP is told. The guard has recorded its own refusals already. */
  #refusalOf(error: McpAuthError): Refusal {
    const known = HandlerRefusal.refusalOf(error);
    if (known) return known;
    const refused = this.refusedRequests.find(undefined);
    this.recorder.recordRefusedHandler(error, undefined, refused);
    return this.responder.refusalOf(error, refused);
  }
}

/**
 * Puts an {@link McpAuthError} into the form its recipient understands: status and challenge on HTTP routes; a result with
 * `isError` for MCP tools, a JSON-RPC error for other MCP handlers, and there, too, the status and challenge, unless the MCP
 * framework has begun to answer with a stream; an error with `extensions` for GraphQL; the event `exception` for WebSocket
 * clients; `{ status, message }` for microservices. In contexts that it does not know, it throws the error on.
 */
@Injectable()
@Catch(McpAuthError)
export class McpAuthFilter implements ExceptionFilter<McpAuthError> {
  readonly #answers: ErrorAnswers;

  constructor(@Optional() answers: ErrorAnswers) {
    // What a decorator binds is built in the module of the handler, where Nest would name only the class that is missing.
    if ((answers as ErrorAnswers | undefined) === undefined) throw moduleMissing('McpAuthFilter');
    this.#answers = answers;
  }

  catch(error: McpAuthError, host: ArgumentsHost): Observable<unknown> | void {
    return this.#answers.answer(error, host);
  }
}

/** Whether the context, which an MCP framework made, stands for a `tools/call`. */
function isToolCall(rpcContext: unknown): boolean {
  const { mcpRequest } = (rpcContext ?? {}) as { mcpRequest?: { method?: unknown } };
  return mcpRequest?.method === 'tools/call';
}
