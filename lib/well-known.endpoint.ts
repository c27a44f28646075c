import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { RequestedResource } from './authorization/requested-resource.js';
import { McpAuthError } from './core/error.js';
import { enterApplication } from './caller/request-marks.js';
import type { HttpRequest } from './request/http-message.js';
import { OperationDeclarations } from './handlers/operation-declarations.js';
import { httpAdapterOf } from './platform/http-adapter.js';
import { ResolvedOptions } from './options/options.js';
import type { ResolvedResource } from './options/resource-options.js';

interface Document {
  readonly body: string;
  readonly etag: string;
}

const ALLOWED_METHODS = 'GET, HEAD, OPTIONS';

/**
 * Serves the protected resource metadata (RFC 9728) of every resource, at the paths that follow from their
 * identifiers and nowhere else.
 *
 * Runs as middleware of the platform, before the routes of the application. The documents must be found at the root whatever
 * prefix or versioning the application has, and be public whatever global guards, interceptors and filters it has. None of
 * these sees the request.
 */
@Injectable()
export class WellKnownEndpoint {
  /** Tenants come and go, so this must not keep them. */
  readonly #documents = new WeakMap<ResolvedResource, Document>();

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly operations: OperationDeclarations,
    private readonly requested: RequestedResource,
    private readonly options: ResolvedOptions,
  ) {}

  /** Starts serving. Does nothing in an application without HTTP. */
  mount(): void {
    const adapter = httpAdapterOf(this.host);
    adapter?.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      enterApplication(request as HttpRequest, this.options);
      // The path is neither decoded nor normalised: `/mcp` and `/mcp/` are one route to routers, but two resources.
      const found = this.requested.documented(request as HttpRequest);
      if (found === undefined) return next();
      if (!(found instanceof Promise)) return this.#answer(found, request, response);
      // The application may have answered in the meantime, as after a time limit of its own.
      const unlessAnswered = (answer: () => void): void => void (response.headersSent || answer());
      void found.then(
        (resource) => unlessAnswered(() => this.#answer(resource ?? 'unknown', request, response)),
        (error: unknown) => unlessAnswered(() => answerUnavailable(error, response)),
      );
    });
  }

  #answer(resource: ResolvedResource | 'unknown', request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Access-Control-Allow-Origin', '*');
    if (resource === 'unknown') return endUncached(response, 404);
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return this.#send(this.#documentOf(resource), request, response);
      case 'OPTIONS':
        return preflight(request, response);
      default:
        response.setHeader('Allow', ALLOWED_METHODS);
        return end(response, 405);
    }
  }

  #send({ body, etag }: Document, { method, headers }: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Cache-Control', 'public, max-age=300');
    response.setHeader('ETag', etag);
    if (matches(headers['if-none-match'], etag)) return end(response, 304);
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('Content-Length', Buffer.byteLength(body));
    return end(response, 200, method === 'HEAD' ? undefined : body);
  }

  /** Built once, since options and decorators do not change while the application runs. */
  #documentOf(resource: ResolvedResource): Document {
    let document = this.#documents.get(resource);
    if (!document) {
      const body = JSON.stringify(this.#metadataOf(resource));
      document = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
      this.#documents.set(resource, document);
    }
    return document;
  }

  /** @see RFC 9728 §2, and §3.2: members without a value are left out */
  #metadataOf(resource: ResolvedResource): Record<string, unknown> {
    const scopes = this.operations.supportedScopes(resource);
    return {
      resource: resource.identifier.value,
      authorization_servers: [...new Set(resource.authorizationServers.map((server) => server.advertisedIssuer))],
      ...(scopes.length > 0 && { scopes_supported: scopes }),
      bearer_methods_supported: ['header'],
      ...(resource.dpop && {
        dpop_signing_alg_values_supported: resource.dpop.algorithms,
        dpop_bound_access_tokens_required: resource.dpop.mode === 'required',
      }),
      ...(resource.mutualTls && { tls_client_certificate_bound_access_tokens: true }),
      ...resource.metadata,
    };
  }
}

/** Answers 503 if the application cannot say whether there is such a tenant. The failure has been reported. */
function answerUnavailable(error: unknown, response: ServerResponse): void {
  const { retryAfterSeconds = 5 } = error instanceof McpAuthError ? error : {};
  response.setHeader('Retry-After', String(Math.ceil(retryAfterSeconds)));
  endUncached(response, 503);
}

function endUncached(response: ServerResponse, status: number): void {
  response.setHeader('Cache-Control', 'no-store');
  end(response, status);
}

/** Allows any page to read the document: it is public, and clients in browsers need it. */
function preflight({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Allow', ALLOWED_METHODS);
  response.setHeader('Access-Control-Allow-Methods', ALLOWED_METHODS);
  response.setHeader('Access-Control-Max-Age', '86400');
  const requestedHeaders = headers['access-control-request-headers'];
  if (requestedHeaders !== undefined) response.setHeader('Access-Control-Allow-Headers', requestedHeaders);
  response.appendHeader('Vary', 'Access-Control-Request-Headers');
  end(response, 204);
}

/** Compares weakly, as RFC 9110 §13.1.2 requires. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((candidate) => ['*', etag].includes(candidate.trim().replace(/^W\//, '')));
}

function end(response: ServerResponse, status: number, body?: string): void {
  response.statusCode = status;
  response.end(body);
}
