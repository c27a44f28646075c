import { Injectable } from '@nestjs/common';
import { provideTokens } from '../caller/injected-token.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { Clock } from '../core/clock.js';
import type { AuthorizationServer } from '../issuer/authorization-server.js';
import { AuthEventEmitter } from '../observability/event-emitter.js';
import { logger } from '../observability/logger.js';
import { DISCOVERED, type ResolvedDownstream } from '../options/downstream-options.js';
import type { ResolvedTokenClient } from '../options/identity-provider-options.js';
import { ResolvedOptions } from '../options/options.js';
import { Revocations } from '../revocation/revocations.js';
import { ResourceServers } from '../resource-servers/resource-servers.js';
import { StoreReports } from '../shared-state/store-reports.js';
import { DownstreamApi, type DownstreamDependencies, type TokenRequested } from './downstream-api.js';
import { DownstreamLog } from './downstream-log.js';

const NOT_FORGOTTEN =
  'Other replicas may still use tokens that were obtained for this principal, since the store of sharedCache did not answer as it ' +
  'should. This process does not. Call forget again, or wait for cacheSeconds';

/** The tokens for all APIs of the option `downstream`. Opens no connection before one is needed. */
@Injectable()
export class DownstreamTokens {
  readonly #apis: ReadonlyMap<string, DownstreamApi>;

  constructor(
    options: ResolvedOptions,
    private readonly servers: ResourceServers,
    clock: Clock,
    private readonly events: AuthEventEmitter,
    revocations: Revocations,
    reports: StoreReports,
  ) {
    const now = (): number => clock.now();
    const dependencies: DownstreamDependencies = {
      now,
      outbound: servers.authorizationServers.outbound,
      serverOf: (client) => this.#serverOf(client),
      log: new DownstreamLog(logger, now),
      monotonic: () => clock.monotonic(),
      requested: (api, request) => this.#emit(api, request),
      admit: (caller) => revocations.admit(caller),
      reports,
    };
    this.#apis = new Map(options.downstream.map((api) => [api.name, new DownstreamApi(api, dependencies)]));
    provideTokens(options, (name, caller) => this.tokenFor(name, caller));
  }

  /** @throws as `McpAuthDownstream.tokenFor` */
  async tokenFor(name: string, caller: McpAuthInfo | undefined): Promise<string> {
    return this.api(name).bearerTokenFor(caller);
  }

  /** @throws {Error} if there is no such API. */
  api(name: string): DownstreamApi {
    const api = this.#apis.get(name);
    if (api) return api;
    const names = [...this.#apis.keys()].map((known) => `"${known}"`).join(', ');
    throw new Error(
      `The option downstream has no API "${String(name)}"; it has ${names === '' ? 'none' : names}. Add it to the options of McpAuthModule`,
    );
  }

  /**
   * Forgets the tokens that were obtained for a principal, at every API.
   *
   * @throws {Error} if replicas share tokens, and may not have forgotten all
   */
  async forget(principalKey: string): Promise<void> {
    const all = await Promise.allSettled([...this.#apis.values()].map((api) => api.forget(principalKey)));
    const failed = all.find((one) => one.status === 'rejected');
    if (failed) throw new Error(NOT_FORGOTTEN, { cause: failed.reason });
  }

  #emit({ name, issuer }: ResolvedDownstream, { outcome, durationMs, caller }: TokenRequested): void {
    if (!this.events.hasListeners('token-requested')) return;
    const { principalKey, clientId } = caller ?? {};
    this.events.emit({
      type: 'token-requested',
      downstream: name,
      issuer,
      outcome,
      durationMs,
      principalKey,
      clientId,
    });
  }

  /** A configured server shares its metadata with the verifiers. */
  #serverOf({ issuer, server }: ResolvedTokenClient): AuthorizationServer {
    const { authorizationServers } = this.servers;
    return server
      ? authorizationServers.shared(server).server
      : authorizationServers.create({ issuer, metadata: DISCOVERED, keys: { kind: 'metadata' } });
  }
}
