import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { McpAuthConsentRequiredError } from '../core/consent-required-error.js';
import type { McpAuthError } from '../core/error.js';
import { ChallengeScopes } from './challenge-scopes.js';
import { challengeOf, hasChallenge, toRefusal, type ChallengeContext, type Refusal } from './refusal.js';
import type { AccessRequest } from '../authorization/access-request.js';
import type { RefusedRequest } from '../authorization/refused-requests.js';
import { nodeResponse, type HttpRequest, type HttpResponse } from '../request/http-message.js';
import type { ChallengeForm } from '../options/common-options.js';
import { ResolvedOptions } from '../options/options.js';
import { ProofOfPossession } from '../proof/proof-of-possession.js';

/** Answers refused requests over HTTP, on either platform, and builds the answers of refused MCP handlers. */
@Injectable()
export class Responder {
  /** The header fields by which answers differ. */
  readonly #vary: string;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly challengeScopes: ChallengeScopes,
    private readonly options: ResolvedOptions,
    private readonly proofs: ProofOfPossession,
  ) {
    this.#vary = ['Authorization', ...options.credentials.flatMap(({ header }) => header ?? [])].join(', ');
  }

  /**
   * Answers a refused HTTP request with status, challenge and body. A refused tool call is answered with a tool result if the
   * client acts on these.
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
    // Sent as text, since some middleware and hooks change objects.
    adapter.reply(response, JSON.stringify(refusal.body), refusal.status);
  }

  /** Answers a route whose user must first consent at a third party. */
  askForConsent({ message, data }: McpAuthConsentRequiredError, response: HttpResponse): void {
    const body = { error: 'consent_required', message, ...data };
    this.#send(response, { status: 403, headers: { 'Cache-Control': 'no-store' }, body });
  }

  /**
   * Answers with 204 and no body: for a preflight that no CORS layer has answered, which stops the browser, and for the
   * library's own question at the start.
   */
  answerEmpty(response: HttpResponse): void {
    this.host.httpAdapter.reply(response, undefined, 204);
  }

  /**
   * Keeps the answer for this caller out of shared caches. Sets the headers on Node's response, which also covers frameworks
   * that write there directly; the handler can overwrite them. Keeps the directives that middleware has set, except for those
   * that let a shared cache store the answer.
   */
  markPrivate(response: HttpResponse, { caller, server }: Pick<AccessRequest, 'caller' | 'server'>): void {
    const raw = nodeResponse(response);
    const nonce = caller?.proof?.method === 'dpop' ? this.proofs.nonceFor(server.resource) : undefined;
    if (nonce !== undefined) this.#giveNonce(nonce, response);
    raw.setHeader('Cache-Control', withoutSharing(raw.getHeader('Cache-Control')));
    raw.appendHeader('Vary', this.#vary);
  }

  /**
   * Gives the client the nonce for its next proof (RFC 9449 §8.2), also to scripts of other origins. An answer with a nonce must not
   * be stored.
   */
  #giveNonce(nonce: string, response: HttpResponse): void {
    const adapter = this.host.httpAdapter;
    const raw = nodeResponse(response);
    const exposed = adapter.getHeader?.(response, EXPOSED) as unknown;
    const value = merged(EXPOSED, 'DPoP-Nonce', exposed ?? raw.getHeader(EXPOSED));
    raw.setHeader('DPoP-Nonce', nonce);
    raw.setHeader('Cache-Control', 'no-store');
    raw.setHeader(EXPOSED, value);
    // Otherwise the list of a CORS layer on Fastify, which has its own header fields, replaces this one.
    if (exposed !== undefined) adapter.setHeader(response, EXPOSED, value);
  }

  /** Sets the headers of a refusal on Node's response, for an answer that a framework is about to write there. */
  putHeaders(response: ServerResponse, { headers }: Pick<Refusal, 'headers'>): void {
    for (const [name, value] of Object.entries(headers)) {
      response.setHeader(name, merged(name, value, response.getHeader(name)));
    }
  }

  /** The form in which this client expects refusals. */
  formFor(request: HttpRequest): ChallengeForm {
    return this.options.challenge(request);
  }

  /**
   * A refusal as the result of an MCP tool. The challenge is in `_meta["mcp/www_authenticate"]`, where ChatGPT looks for it.
   */
  toolResult(error: McpAuthError, refused: RefusedRequest): object {
    const challenge = challengeOf(error, this.#challengeContextOf(error, refused));
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

  /** A refusal as an HTTP answer. */
  refusalOf(error: McpAuthError, refused: RefusedRequest): Refusal {
    return toRefusal(error, {
      ...this.#challengeContextOf(error, refused),
      nonce: this.proofs.nonceFor(refused.resource),
      requestId: refused.body.requestId,
      exposeErrorDetails: this.options.exposeErrorDetails,
    });
  }

  #challengeContextOf(error: McpAuthError, refused: RefusedRequest): ChallengeContext {
    const { resource, scheme } = refused;
    const scopes = (): readonly string[] => this.challengeScopes.choose(error, refused);
    return {
      resourceMetadata: resource.metadataUrl,
      scopes,
      scheme,
      dpop: resource.dpop,
      acceptsCertificates: resource.mutualTls !== undefined,
    };
  }

  /** A refused tool call as a tool result; undefined if the client acts on the HTTP status, or if there is no challenge. */
  #asToolResult(error: McpAuthError, request: HttpRequest, refused: RefusedRequest): object | undefined {
    const { body } = refused;
    const [message] = body.messages;
    const isToolCall = !body.isBatch && message?.method === 'tools/call' && body.requestId !== undefined;
    if (!isToolCall || this.formFor(request) !== 'tool-result') return undefined;
    // A client with a key makes another proof only after 401 (SEP-1932).
    if (!hasChallenge(error) || isAboutProof(error)) return undefined;
    const result = this.toolResult(error, refused);
    const type = message.isSessionless ? { resultType: 'complete' } : {};
    return { jsonrpc: '2.0', id: body.requestId, result: { ...type, ...result } };
  }
}

function isAboutProof({ code }: McpAuthError): boolean {
  return code === 'invalid_dpop_proof' || code === 'use_dpop_nonce';
}

/** Names the header fields that scripts of other origins may read. */
const EXPOSED = 'Access-Control-Expose-Headers';

/** The value of a header. Header fields that a CORS layer exposes to scripts stay exposed. */
function merged(name: string, value: string, existing: unknown): string {
  if (name !== EXPOSED) return value;
  const names = [existing ?? []].flat().flatMap(listed);
  const known = new Set(names.map((one) => one.toLowerCase()));
  return [...names, ...listed(value).filter((one) => !known.has(one.toLowerCase()))].join(', ');
}

function listed(value: unknown): string[] {
  return String(value)
    .split(',')
    .map((one) => one.trim());
}

/** Directives that let shared caches store an answer (RFC 9111 §5.2.2), and `private` for some header fields only. */
const SHARING = /^(?:public|s-maxage|private)(?:=|$)/i;

/** A `Cache-Control` that forbids shared caches to store the answer, with the other directives of the application. */
function withoutSharing(existing: unknown): string {
  if (existing === undefined) return 'private';
  const directives = [existing]
    .flat()
    .flatMap((list) => String(list).split(','))
    .map((one) => one.trim());
  if (directives.some((one) => /^no-store$/i.test(one))) return directives.join(', ');
  return ['private', ...directives.filter((one) => one !== '' && !SHARING.test(one))].join(', ');
}
