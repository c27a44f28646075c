import type { AuthorizationServer } from '../issuer/authorization-server.js';
import { IntrospectionEndpoint, type IntrospectionSettings } from '../issuer/introspection-endpoint.js';
import type { IntrospectionAccess } from '../issuer/introspection-gate.js';
import type { ResolvedIntrospection } from '../options/introspection-options.js';
import type { ResolvedAuthorizationServer } from '../options/authorization-server-options.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { IntrospectionVerifier } from '../token/introspection-verifier.js';
import type { IssuerVerifier } from '../token/issuer-verifier.js';
import { JwtVerifier } from '../token/jwt-verifier.js';
import { acceptanceRules } from './acceptance-rules.js';
import type { AuthorizationServers, ServerDependencies } from './authorization-servers.js';
import type { TokenStores } from './token-stores.js';

/** An issuer that one resource trusts, and what its verifier needs. */
export interface IssuerAtResource {
  readonly settings: ResolvedAuthorizationServer;
  readonly resource: ResolvedResource;
  readonly server: AuthorizationServer;
  readonly access: IntrospectionAccess;
  readonly stores: TokenStores;
}

/** A verifier, and a function that fetches in advance what it needs. The function reports a failure, and does not throw it. */
export interface PreparedVerifier {
  readonly verifier: IssuerVerifier;
  readonly warmUp: () => Promise<void>;
}

/** Creates verifiers for the tokens of one issuer: by signature, or by introspection. */
export class IssuerVerifiers {
  constructor(
    private readonly options: ResolvedOptions,
    private readonly servers: AuthorizationServers,
    private readonly dependencies: ServerDependencies,
  ) {}

  prepare(at: IssuerAtResource): PreparedVerifier {
    const { introspection } = at.settings;
    return introspection ? this.#introspectionVerifier(at, introspection) : this.#jwtVerifier(at);
  }

  #jwtVerifier({ settings, resource, server: { keys } }: IssuerAtResource): PreparedVerifier {
    const { issuer, profile, claimNames, kindOf, scopeRules } = settings;
    const algorithms = new Set(settings.algorithms);
    const trusted = { issuer, keys, algorithms, profile, claimNames, kindOf, scopeRules };
    const rules = { ...acceptanceRules(this.options, resource), reuseSeconds: this.options.cache.jwtSeconds };
    return { verifier: new JwtVerifier(trusted, rules, this.dependencies.now), warmUp: () => keys.warmUp() };
  }

  #introspectionVerifier(at: IssuerAtResource, introspection: ResolvedIntrospection): PreparedVerifier {
    const { now, failures } = this.dependencies;
    const { settings, resource, server } = at;
    const { issuer, claimNames, kindOf, scopeRules, algorithms } = settings;
    const { clientId, audienceBound, accessTokensOnly, cacheSeconds, negativeCacheSeconds } = introspection;
    const endpoint = this.#endpoint(at, introspection);
    const ofIssuer = { issuer, claimNames, kindOf, scopeRules };
    const ofAnswers = { audienceBound, accessTokensOnly, cacheSeconds, negativeCacheSeconds };
    const verifier = new IntrospectionVerifier(
      endpoint,
      { keys: server.keys, algorithms },
      { ...acceptanceRules(this.options, resource), ...ofIssuer, ...ofAnswers },
      at.stores.inactive(),
      now,
      (isInTime) => failures.introspectionInactive(issuer, { isInTime, clientId }),
    );
    const warmUp = async (): Promise<void> => {
      await Promise.all([endpoint.warmUp(), introspection.signed && server.keys.warmUp()]);
    };
    return { verifier, warmUp };
  }

  #endpoint(at: IssuerAtResource, introspection: ResolvedIntrospection): IntrospectionEndpoint {
    const { now, failures } = this.dependencies;
    const { issuer } = at.settings;
    const reports = {
      answered: (isActive: boolean): void => failures.introspectionAnswered(issuer, isActive),
      failed: this.servers.unlessClosing((error) => failures.introspectionFailed(issuer, error)),
      busy: (): void => failures.introspectionBusy(issuer),
    };
    const settings = this.#endpointSettings(at, introspection);
    return new IntrospectionEndpoint(settings, now, reports, this.servers.outbound, at.access);
  }

  #endpointSettings(
    { settings, resource, server }: IssuerAtResource,
    { endpoint, clientId, authenticate, signed }: ResolvedIntrospection,
  ): IntrospectionSettings {
    const discovered: IntrospectionSettings['endpoint'] = {
      url: (purpose) => server.endpoint('introspection_endpoint', purpose, authenticate.certificate !== undefined),
      forget: () => server.forgetMetadata(),
    };
    const signedRules = {
      keys: server.keys,
      algorithms: settings.algorithms,
      audiences: new Set([clientId, ...resource.audiences]),
      toleranceSeconds: this.options.clockToleranceSeconds,
    };
    return {
      issuer: settings.issuer,
      endpoint: endpoint ?? discovered,
      clientId,
      authenticate,
      signed: signed ? signedRules : undefined,
    };
  }
}
