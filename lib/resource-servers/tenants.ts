import { unavailable } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { expandTemplate, type ResourceVariables } from '../core/resource-template.js';
import { UnderWayLimit } from '../issuer/cool-down.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { ResolvedTemplate } from '../options/template-options.js';
import { tenantResource } from '../options/tenant-resource.js';
import { ExpiringMap } from '../token/expiring-map.js';
import { SingleFlight } from '../token/single-flight.js';
import { versionOfAll } from './settings-version.js';

/** Most questions about unknown tenants that are under way at a time, for each template. */
const MAX_UNDER_WAY = 32;

/** Dependencies of {@link Tenants}. */
export interface TenantDependencies<Server> {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Asks the application, within the time limit. */
  readonly resolve: (variables: ResourceVariables) => Promise<unknown>;
  /** Reports that the application did not answer, or that its answer cannot be used. */
  readonly failed: (identifier: string, error: unknown) => void;
  /** Reports two tenants that accept the same tokens. */
  readonly alike: (identifier: string, other: string) => void;
  /** Creates the resource server of a tenant. */
  readonly create: (resource: ResolvedResource) => Server;
  /** Identifiers that are configured, and therefore are no tenants. */
  readonly configured: ReadonlySet<string>;
}

/** A tenant that was found. Remembered after its time, too, so that it keeps its keys while nothing about it changes. */
interface KnownTenant<Server> {
  readonly server: Server;
  readonly version: string | undefined;
  readonly since: number;
  readonly until: number;
}

/**
 * The tenants of one resource whose identifier has variables. The application is asked about each; its answers are remembered for
 * a limited time, and for a limited number of tenants. Names of tenants that do not exist are remembered separately, so that
 * invented names cannot evict tenants.
 */
export class Tenants<Server> {
  readonly #known: ExpiringMap<KnownTenant<Server>>;
  readonly #unknown: ExpiringMap<true>;
  /** The tenant that was found last with an audience, and its issuers. */
  readonly #audiences: ExpiringMap<{ readonly identifier: string; readonly issuers: ReadonlySet<string> }>;
  readonly #flights = new SingleFlight<Server | undefined>();
  readonly #underWay = new UnderWayLimit(MAX_UNDER_WAY);

  constructor(
    private readonly base: ResolvedResource,
    private readonly template: ResolvedTemplate,
    private readonly dependencies: TenantDependencies<Server>,
  ) {
    this.#known = new ExpiringMap(template.maxEntries, dependencies.now);
    this.#unknown = new ExpiringMap(template.maxEntries, dependencies.now);
    this.#audiences = new ExpiringMap(template.maxEntries, dependencies.now);
  }

  /**
   * The resource server of a tenant; undefined if it does not exist. Without a promise if it is remembered.
   *
   * @param variables that match the template
   * @throws {McpAuthError} `temporarily_unavailable` when the application fails to answer.
   */
  find(variables: ResourceVariables): MaybePromise<Server | undefined> {
    const { value } = expandTemplate(this.template.template, variables);
    const known = this.#known.get(value);
    const now = this.dependencies.now();
    if (known && now >= known.since && now < known.until) return known.server;
    if (this.dependencies.configured.has(value) || this.#unknown.get(value)) return undefined;
    return this.#flights.run(value, () => this.#find(value, Object.freeze(variables), known));
  }

  async #find(
    identifier: string,
    variables: ResourceVariables,
    known: KnownTenant<Server> | undefined,
  ): Promise<Server | undefined> {
    const since = this.dependencies.now();
    const resource = await this.#ask(identifier, variables, known !== undefined);
    if (!resource) {
      this.#known.delete(identifier);
      this.#unknown.set(identifier, true, since + this.template.negativeCacheSeconds * 1000);
      return undefined;
    }
    this.#compareAudiences(resource);
    const version = this.#versionOf(resource);
    const isUnchanged = known !== undefined && version !== undefined && version === known.version;
    const server = isUnchanged ? known.server : this.dependencies.create(resource);
    const until = since + this.template.cacheSeconds * 1000;
    this.#known.set(identifier, { server, version, since, until }, Infinity);
    return server;
  }

  /** Limits questions about unknown tenants only: known tenants must not wait for invented ones. */
  async #ask(
    identifier: string,
    variables: ResourceVariables,
    isKnown: boolean,
  ): Promise<ResolvedResource | undefined> {
    const resolve = (): Promise<unknown> => this.dependencies.resolve(variables);
    try {
      const answer = await (isKnown ? resolve() : this.#underWay.run(resolve));
      return tenantResource(this.base, this.template, variables, answer);
    } catch (cause) {
      this.dependencies.failed(identifier, cause);
      throw unavailable('tenant_lookup_failed', cause);
    }
  }

  /** Reports another tenant with the same audience and issuer. Only remembered tenants are compared. */
  #compareAudiences({ identifier: { value }, audiences, authorizationServers }: ResolvedResource): void {
    const issuers = new Set(authorizationServers.map(({ issuer }) => issuer));
    for (const audience of audiences) {
      const other = this.#audiences.get(audience);
      const isShared = other && other.identifier !== value && [...issuers].some((issuer) => other.issuers.has(issuer));
      if (isShared) this.dependencies.alike(value, other.identifier);
      this.#audiences.set(audience, { identifier: value, issuers }, Infinity);
    }
  }

  /** Stays the same while nothing about the tenant changes; undefined if changes cannot be detected. */
  #versionOf({
    authorizationServers,
    audiences,
    requiredScopes,
    supportedScopes,
  }: ResolvedResource): string | undefined {
    const servers = authorizationServers === this.base.authorizationServers ? '' : versionOfAll(authorizationServers);
    return servers === undefined ? undefined : JSON.stringify([servers, audiences, requiredScopes, supportedScopes]);
  }
}
