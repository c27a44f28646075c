import { Catch, Injectable, Optional, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { defer, of, throwError, type Observable } from 'rxjs';
import { McpAuthConsentRequiredError } from './core/consent-required-error.js';
import { McpAuthError } from './core/error.js';
import { consentResult } from './response/consent-answer.js';
import type { Refusal } from './response/refusal.js';
import { RefusedRequests } from './authorization/refused-requests.js';
import { callOfContext } from './caller/call-registry.js';
import { callOfRequest } from './caller/request-marks.js';
import { mcpOriginOf } from './request/mcp-origin.js';
import { nodeRequest, type HttpRequest, type HttpResponse } from './request/http-message.js';
import { moduleMissing } from './caller/package-copies.js';
import { DecisionRecorder } from './observability/decision-recorder.js';
import { isHttpResponse } from './handlers/handler-kind.js';
import { ResolvedOptions } from './options/options.js';
import { Responder } from './response/responder.js';
import { HandlerRefusal, messageError, sendException } from './response/refusal-forms.js';

/**
 * Does the work of the filter. It is one injectable, since Nest builds the filter of a decorator in the module of the handler.
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

  answer(error: McpAuthError | McpAuthConsentRequiredError, host: ArgumentsHost): Observable<unknown> | void {
    return error instanceof McpAuthError ? this.#answerRefusal(error, host) : this.#askForConsent(error, host);
  }

  #answerRefusal(error: McpAuthError, host: ArgumentsHost): Observable<unknown> | void {
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

  /** Nothing was refused, so nothing is recorded. */
  #askForConsent(error: McpAuthConsentRequiredError, host: ArgumentsHost): Observable<unknown> | void {
    if (mcpOriginOf(host)) {
      return defer(() => {
        const result = consentResult(error, host.switchToRpc().getContext());
        return result ? of(result) : throwError(() => error);
      });
    }
    const response = host.getType() === 'http' ? host.switchToHttp().getResponse<HttpResponse>() : undefined;
    if (!isHttpResponse(response)) throw error;
    return this.responder.askForConsent(error, response as HttpResponse);
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
    // If the answer has not begun, it still gets the status of the refusal.
    if (call) call.handlerError = error;
    const rpcContext: unknown = host.switchToRpc().getContext();
    const refused = this.refusedRequests.find(rpcContext, call, undefined);
    this.recorder.recordRefusedCall(error, rpcContext, refused);
    if (isToolCall(rpcContext)) return of(this.responder.toolResult(error, refused));
    return throwError(() => this.responder.rpcError(error, refused));
  }

  /** The refusal for the client of a handler outside HTTP routes and MCP. The guard has already recorded its own refusals. */
  #refusalOf(error: McpAuthError): Refusal {
    const known = HandlerRefusal.refusalOf(error);
    if (known) return known;
    const refused = this.refusedRequests.find(undefined);
    this.recorder.recordRefusedHandler(error, undefined, refused);
    return this.responder.refusalOf(error, refused);
  }
}

/**
 * Answers an {@link McpAuthError} in the form that the client understands: status and challenge on HTTP routes; a result with
 * `isError` for MCP tools, and a JSON-RPC error for other MCP handlers; an error with `extensions` for GraphQL; the event
 * `exception` for WebSocket clients; `{ status, message }` for microservices. MCP answers have the status and the challenge,
 * too, unless the MCP framework has begun to answer with a stream. In other contexts, the filter throws the error again. Answers a
 * {@link McpAuthConsentRequiredError} as that class says.
 */
@Injectable()
@Catch(McpAuthError, McpAuthConsentRequiredError)
export class McpAuthFilter implements ExceptionFilter<McpAuthError | McpAuthConsentRequiredError> {
  readonly #answers: ErrorAnswers;

  constructor(@Optional() answers: ErrorAnswers) {
    // Nest builds the filter of a decorator in the module of the handler. Its own error would name only the missing class.
    if ((answers as ErrorAnswers | undefined) === undefined) throw moduleMissing('McpAuthFilter');
    this.#answers = answers;
  }

  catch(error: McpAuthError | McpAuthConsentRequiredError, host: ArgumentsHost): Observable<unknown> | void {
    return this.#answers.answer(error, host);
  }
}

/** Whether the RPC context of an MCP framework belongs to a `tools/call`. */
function isToolCall(rpcContext: unknown): boolean {
  const { mcpRequest } = (rpcContext ?? {}) as { mcpRequest?: { method?: unknown } };
  return mcpRequest?.method === 'tools/call';
}
