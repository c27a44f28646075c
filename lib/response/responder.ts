import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { McpAuthError } from '../core/error.js';
import { challengeOf, toRefusal, type Refusal } from './refusal.js';
import type { RefusedRequest } from '../authorization/refused-requests.js';
import { nodeResponse, type HttpRequest, type HttpResponse } from '../request/http-message.js';
import type { ChallengeForm } from '../options/common-options.js';
import { ResolvedOptions } from '../options/options.js';

/** Puts decisions into responses: of HTTP, on either platform, and of MCP handlers. */
@Injectable()
export class Responder {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * Answers a refused HTTP request with status, challenge and body; or, where the client is one that acts on tool
   * results, a refused tool call with such a result.
   */
  refuse(error: McpAuthError, request: HttpRequest, response: HttpResponse, refused: RefusedRequest): void {
    const result = this.#asToolResult(error, request, refused);
    if (result) return this.#send(response, { status: 200, headers: { 'Cache-Control': 'no-store' }, body: result });
    this.#send(response, this.refusalOf(error, refused));
  }

  #send(response: HttpResponse, refusal: Pick<Refusal, 'headers' | 'body'> & { readonly status: number }): void {
    const adapter = this.host.httpAdapter;
    for (const [name, value] of Object.entries(refusal.headers)) {
      adapter.setHeader(response, name, merged(name, value, adapter.getHeader?.(response, name)));
    }
    adapter.setHeader(response, 'Content-Type', 'application/json; charset=utf-8');
    // As text: a number of middlewares and hooks change objects on their way out.
    adapter.reply(response, JSON.stringify(refusal.body), refusal.status);
  }

  /**
   * Answers with nothing: a preflight that no CORS layer has answered, so that the browser goes no further; and the question
   * of the library itself, at the start.
   */
  answerEmpty(response: HttpResponse): void {
    this.host.httpAdapter.reply(response, undefined, 204);
  }

  /**
   * Keeps what only this caller may see out of shared caches. Set on Node's response, where it holds for frameworks
   * that write there directly, and gives way to whatever the handler sets. What middleware has set stays, as far as it
   * lets no shared cache keep the answer.
   */
  markPrivate(response: HttpResponse): void {
    const raw = nodeResponse(response);
    raw.setHeader('Cache-Control', withoutSharing(raw.getHeader('Cache-Control')));
    raw.appendHeader('Vary', 'Authorization');
  }

  /** Puts the headers of a refusal on Node's response, for an answer that a framework is about to write there. */
  putHeaders(response: ServerResponse, { headers }: Pick<Refusal, 'headers'>): void {
    for (const [name, value] of Object.entries(headers)) {
      response.setHeader(name, merged(name, value, response.getHeader(name)));
    }
  }

  /** How refusals reach this client. */
  formFor(request: HttpRequest): ChallengeForm {
    return this.options.challenge(request);
  }

  /**
   * A refusal as the result of an MCP tool. The challenge stands where ChatGPT looks for it, in
   * `_meta["mcp/www_authenticate"]`.
   */
  toolResult(error: McpAuthError, refused: RefusedRequest): object {
    const challenge = challengeOf(error, { resourceMetadata: refused.resource.metadataUrl, scopes: refused.scopes });
    return {
      content: [{ type: 'text', text: this.refusalOf(error, refused).description }],
      isError: true,
      ...(challenge !== undefined && { _meta: { 'mcp/www_authenticate': [challenge] } }),
    };
  }

  /** A refusal as an error that MCP frameworks turn into a JSON-RPC error, for handlers other than tools. */
  rpcError(error: McpAuthError, refused: RefusedRequest): Error & { readonly code: number } {
    const { description, status } = this.refusalOf(error, refused);
    return Object.assign(new Error(description), { code: status });
  }

  /** A refusal as it goes over HTTP. */
  refusalOf(error: McpAuthError, { resource, scopes, body }: RefusedRequest): Refusal {
    return toRefusal(error, {
      resourceMetadata: resource.metadataUrl,
      scopes,
      requestId: body.requestId,
      exposeErrorDetails: this.options.exposeErrorDetails,
    });
  }

  /** Undefined where an HTTP status is what the client acts on, or nothing but a tool result would say what it has to. */
  #asToolResult(error: McpAuthError, request: HttpRequest, refused: RefusedRequest): object | undefined {
    const { body } = refused;
    const [message] = body.messages;
    const isToolCall = !body.isBatch && message?.method === 'tools/call' && body.requestId !== undefined;
    if (!isToolCall || this.formFor(request) !== 'tool-result') return undefined;
    if (challengeOf(error, { resourceMetadata: refused.resource.metadataUrl, scopes: refused.scopes }) === undefined)
      return undefined;
    const result = this.toolResult(error, refused);
    const type = message.isSessionless ? { resultType: 'complete' } : {};
    return { jsonrpc: '2.0', id: body.requestId, result: { ...type, ...result } };
  }
}

/** What a CORS layer already lets scripts read stays readable. */
function merged(name: string, value: string, existing: unknown): string {
  if (name !== 'Access-Control-Expose-Headers') return value;
  const names = [existing ?? []].flat().flatMap((list) =>
    String(list)
      .split(',')
      .map((one) => one.trim()),
  );
  return names.some((one) => one.toLowerCase() === value.toLowerCase())
    ? names.join(', ')
    : [...names, value].join(', ');
}

/** Directives that let shared caches keep an answer (RFC 9111 §5.2.2), and `private` for some header fields only. */
const SHARING = /^(?:public|s-maxage|private)(?:=|$)/i;

/** A `Cache-Control` that lets no shared cache keep the answer, with what else the application says in its own. */
function withoutSharing(existing: unknown): string {
  if (existing === undefined) return 'private';
  const directives = [existing]
    .flat()
    .flatMap((list) => String(list).split(','))
    .map((one) => one.trim());
  if (directives.some((one) => /^no-store$/i.test(one))) return directives.join(', ');
  return ['private', ...directives.filter((one) => one !== '' && !SHARING.test(one))].join(', ');
}
