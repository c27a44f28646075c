import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { RequestedResource } from './authorization/requested-resource.js';
import { Clock } from './core/clock.js';
import { McpAuthError } from './core/error.js';
import { ResolvedOptions } from './options/options.js';
import type { ResolvedResource } from './options/resource-options.js';
import { httpAdapterOf } from './platform/http-adapter.js';
import { formField } from './request/form-body.js';
import type { HttpRequest } from './request/http-message.js';
import { ResourceServers } from './resource-servers/resource-servers.js';
import { BackChannelLogout } from './revocation/back-channel-logout.js';
import { LogoutTokenError } from './revocation/logout-token.js';
import { Revocations } from './revocation/revocations.js';
import { StoreReports } from './shared-state/store-reports.js';

/** The answer to a request with a logout token. */
interface LogoutAnswer {
  readonly status: 200 | 400 | 404 | 405;
  readonly error?: 'invalid_request' | 'temporarily_unavailable';
  readonly description?: string;
}

const NO_TOKEN = 'The request must be a form with one logout_token.';

/**
 * Takes logout tokens of authorization servers (OpenID Connect Back-Channel Logout 1.0). Does nothing without the option
 * `revocation.backChannelLogout`.
 *
 * Runs as middleware of the platform, like the metadata: no guard, filter or interceptor of the application sees the request.
 * The signature of the logout token is what protects it.
 */
@Injectable()
export class BackChannelLogoutEndpoint {
  readonly #logout: BackChannelLogout | undefined;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly requested: RequestedResource,
    private readonly servers: ResourceServers,
    private readonly revocations: Revocations,
    private readonly options: ResolvedOptions,
    clock: Clock,
    reports: StoreReports,
  ) {
    const settings = options.revocation?.backChannelLogout;
    this.#logout = settings && new BackChannelLogout(settings, options, revocations, clock, reports);
  }

  /** Asks the store of used logout tokens whether it can be used, and reports what it says. Never rejects. */
  async checkStore(): Promise<void> {
    await this.#logout?.checkStore();
  }

  /** Starts serving. */
  mount(): void {
    const logout = this.#logout;
    if (!logout) return;
    httpAdapterOf(this.host)?.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      const found = this.requested.below(request as HttpRequest, logout.path);
      if (found === undefined) return next();
      void this.#answer(found, request, logout).then((answer) => send(answer, response));
    });
  }

  async #answer(
    found: ReturnType<RequestedResource['below']>,
    request: IncomingMessage,
    logout: BackChannelLogout,
  ): Promise<LogoutAnswer> {
    try {
      const resource = await found;
      if (resource === undefined || resource === 'unknown') return { status: 404 };
      if (request.method !== 'POST') return { status: 405 };
      const token = await formField(request, 'logout_token');
      if (token === undefined) return { status: 400, error: 'invalid_request', description: NO_TOKEN };
      return await this.#accept(token, resource, logout);
    } catch (error) {
      return this.#refusalOf(error);
    }
  }

  async #accept(token: string, resource: ResolvedResource, logout: BackChannelLogout): Promise<LogoutAnswer> {
    await logout.accept(token, this.servers.of(resource).issuers);
    return { status: 200 };
  }

  /** Also if it is only not possible now, the status is 400 (§2.8). */
  #refusalOf(error: unknown): LogoutAnswer {
    this.revocations.reports.logoutRefused(error);
    if (!isRefused(error)) {
      return { status: 400, error: 'temporarily_unavailable', description: 'The logout failed. Try again later.' };
    }
    const why = this.options.exposeErrorDetails ? `The logout token was refused: ${error.message}.` : undefined;
    return { status: 400, error: 'invalid_request', description: why ?? 'The logout token was refused.' };
  }
}

/** Whether the error says that the token is bad. */
function isRefused(error: unknown): error is Error {
  return error instanceof LogoutTokenError || (error instanceof McpAuthError && error.code === 'invalid_token');
}

/** @see OpenID Connect Back-Channel Logout 1.0 §2.8 */
function send({ status, error, description }: LogoutAnswer, response: ServerResponse): void {
  // The application may have answered in the meantime, as after a time limit of its own.
  if (response.headersSent) return;
  response.statusCode = status;
  response.setHeader('Cache-Control', 'no-store');
  if (status === 405) response.setHeader('Allow', 'POST');
  if (error === undefined) return void response.end();
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ error, error_description: description }));
}
