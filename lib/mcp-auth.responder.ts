import type { ServerResponse } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { McpAuthError } from './core/error.js';
import { challengeOf, toRefusal, type Refusal } from './core/refusal.js';
import type { RefusalFacts } from './mcp-auth.authorizer.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions } from './mcp-auth.options.js';

/** Express hands out Node's response itself; Fastify wraps it. */
export type HttpResponse = ServerResponse & { readonly raw?: ServerResponse };

/** Puts decisions into responses: of HTTP, on either platform, and of MCP handlers. */
@Injectable()
export class McpAuthResponder {
  readonly #logger = new Logger('McpAuth');

  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /** Answers a refused HTTP request with status, challenge and body. */
  refuse(error: McpAuthError, response: HttpResponse, facts: RefusalFacts): void {
    const refusal = this.#refusal(error, facts);
    const adapter = this.host.httpAdapter;
    for (const [name, value] of Object.entries(refusal.headers)) {
      adapter.setHeader(response, name, this.#merged(response, name, value));
    }
    adapter.setHeader(response, 'Content-Type', 'application/json; charset=utf-8');
    // As text: a number of middlewares and hooks change objects on their way out.
    adapter.reply(response, JSON.stringify(refusal.body), refusal.status);
  }

  /**
   * Answers a preflight that no CORS layer has answered: without CORS headers, so that the browser goes no further.
   */
  answerPreflight(response: HttpResponse): void {
    this.host.httpAdapter.reply(response, undefined, 204);
  }

  /**
   * Keeps what only this caller may see out of shared caches. Set on Node's response, where it holds for frameworks
   * that write there directly, and gives way to whatever the handler sets.
   */
  markPrivate(response: HttpResponse): void {
    const { raw = response } = response;
    raw.setHeader('Cache-Control', 'private');
    raw.appendHeader('Vary', 'Authorization');
  }

  /**
   * A refusal as the result of an MCP tool. The challenge stands where ChatGPT looks for it, in
   * `_meta["mcp/www_authenticate"]`.
   */
  toolResult(error: McpAuthError, facts: RefusalFacts): object {
    const challenge = challengeOf(error, { resourceMetadata: facts.resource.metadataUrl, scopes: facts.scopes });
    return {
      content: [{ type: 'text', text: this.#refusal(error, facts).description }],
      isError: true,
      ...(challenge !== undefined && { _meta: { 'mcp/www_authenticate': [challenge] } }),
    };
  }

  /** A refusal as an error that MCP frameworks turn into a JSON-RPC error, for handlers other than tools. */
  rpcError(error: McpAuthError, facts: RefusalFacts): Error & { readonly code: number } {
    const { description, status } = this.#refusal(error, facts);
    return Object.assign(new Error(description), { code: status });
  }

  #refusal(error: McpAuthError, { resource, scopes, requestId }: RefusalFacts): Refusal {
    const refusal = toRefusal(error, {
      resourceMetadata: resource.metadataUrl,
      scopes,
      requestId,
      exposeErrorDetails: this.options.exposeErrorDetails,
    });
    this.#logger.debug(`Refused with ${refusal.status}: ${error.message}`);
    return refusal;
  }

  /** What a CORS layer already lets scripts read stays readable. */
  #merged(response: HttpResponse, name: string, value: string): string {
    if (name !== 'Access-Control-Expose-Headers') return value;
    const existing: unknown = this.host.httpAdapter.getHeader?.(response, name);
    return existing === undefined ? value : [existing, value].flat().join(', ');
  }
}
