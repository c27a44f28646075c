import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import {
  matchAuthority,
  matchPath,
  resemblesPath,
  type ResourceTemplate,
  type ResourceVariables,
} from '../core/resource-template.js';
import { metadataPath, metadataPathBelow, ROOT_METADATA_PATH } from '../core/resource.js';
import { ResolvedOptions } from '../options/options.js';
import { shareRoutes, type ResolvedResource } from '../options/resource-options.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';
import { requestedAuthority, requestedHosts } from '../request/requested-host.js';
import { ResourceRoutes } from './resource-routes.js';
import { ResourceServers, type ResourceServer } from '../resource-servers/resource-servers.js';

/** Finds the resource that a request is for: by the declaration of its route, by its host, and by the variables in its URL. */
@Injectable()
export class RequestedResource {
  /** Whether a route that declares no resource serves several, of which the host of the request is one. */
  readonly #isChosenByHost: boolean;
  readonly #documents: ReadonlyMap<string, readonly ResourceServer[]>;
  /** The resources with variables in their path, and therefore in the path of their metadata. */
  readonly #documentTemplates: readonly ResourceServer[];
  /** The resources whose host has no variables, by their host. */
  readonly #byHost = new Map<string, ResourceServer[]>();
  readonly #hostTemplates: readonly ResourceServer[];

  constructor(
    private readonly servers: ResourceServers,
    private readonly routes: ResourceRoutes,
    options: ResolvedOptions,
  ) {
    this.#isChosenByHost = shareRoutes(options.resources);
    this.#documents = documentPaths(servers.all, options.rootMetadata);
    this.#documentTemplates = servers.all.filter(({ resource }) => resource.template?.template.hasPathVariables);
    this.#hostTemplates = servers.all.filter(({ resource }) => hostTemplateOf(resource));
    for (const server of servers.all.filter(({ resource }) => !hostTemplateOf(resource)))
      for (const host of hostsOf(server.resource)) this.#byHost.set(host, [...(this.#byHost.get(host) ?? []), server]);
  }

  /**
   * The server of the resource that a request is for. Synchronous, unless the application is asked about a tenant.
   *
   * @param resourceId that the route declares
   * @throws {McpAuthError} `resource_not_found`, `origin_rejected`, or `temporarily_unavailable` if the application cannot say
   * whether the tenant exists.
   */
  serverFor(request: HttpRequest, resourceId: string | undefined): MaybePromise<ResourceServer> {
    const server = resourceId === undefined ? this.#undeclared(request) : this.servers.get(resourceId);
    this.routes.checkPath(request, server.resource);
    return server.tenants === undefined ? server : tenantOf(server.resource, server.tenants, request);
  }

  /**
   * The resource of a route that declares this one, as far as it is known without the request: for the answer to a request that is
   * for no resource.
   */
  declaredAs(resourceId: string | undefined): ResolvedResource {
    return (resourceId === undefined ? this.servers.first : this.servers.get(resourceId)).resource;
  }

  /** The server for a route that declares no resource. The check at the start knows of each such route with a guard. */
  #undeclared(request: HttpRequest): ResourceServer {
    if (this.servers.all.length === 1) return this.servers.first;
    if (this.#isChosenByHost) return this.#serverByHost(request);
    throw new McpAuthError('resource_not_found', 'resource_undecided', { seen: seenIn(request) });
  }

  /**
   * The resource whose metadata a request asks for, by the path of the request, and by its host where several resources have that
   * path. `'unknown'` if the path is that of metadata, but there is no such resource; undefined for any other path.
   *
   * @throws {McpAuthError} as {@link serverFor}, `temporarily_unavailable` only.
   */
  documented(request: HttpRequest): MaybePromise<ResolvedResource | 'unknown' | undefined> {
    const path = targetPath(request);
    const known = this.#documents.get(path);
    const [first, ...others] = known ?? [];
    // Whatever host the request names, as long as the path alone says which resource is meant.
    if (first && others.length === 0 && first.tenants === undefined) return first.resource;
    if (!first && this.#documentTemplates.length === 0) return undefined;
    const below = metadataPathBelow(path);
    const templates = this.#documentTemplates.filter(({ resource }) => isPathLike(resource, below));
    const candidates = [...(known ?? []), ...templates];
    return candidates.length === 0 ? undefined : documentedAt(request, candidates, below);
  }

  /**
   * The resource at whose path, followed by a suffix, a request is; where several have that path, by the host, too. `'unknown'` if
   * there is no such tenant; undefined for any other path.
   *
   * @param suffix begins with a slash
   * @throws {McpAuthError} as {@link serverFor}, `temporarily_unavailable` only.
   */
  below(request: HttpRequest, suffix: string): MaybePromise<ResolvedResource | 'unknown' | undefined> {
    const path = targetPath(request);
    if (!path.endsWith(suffix)) return undefined;
    const base = path.slice(0, -suffix.length);
    const candidates = this.servers.all.filter(({ resource }) =>
      resource.template?.template.hasPathVariables
        ? isPathLike(resource, base)
        : resource.identifier.path.replace(/\/$/, '') === base,
    );
    return candidates.length === 0 ? undefined : documentedAt(request, candidates, base);
  }

  /** The resource with the host of the request; with its path, too, if several have the host. */
  #serverByHost(request: HttpRequest): ResourceServer {
    const authority = requestedAuthority(request)?.toLowerCase();
    const exact = authority === undefined ? [] : (this.#byHost.get(authority) ?? []);
    const atHost = exact.length > 0 ? exact : this.#hostTemplates.filter(({ resource }) => isHostOf(resource, request));
    const [first, ...others] = atHost;
    if (first && others.length === 0) return first;
    if (!first) throw new McpAuthError('origin_rejected', 'origin_not_allowed', { seen: seenIn(request) });
    const found = atHost.find(({ resource }) => isPathOf(resource, request));
    if (!found) throw new McpAuthError('resource_not_found', 'resource_undecided', { seen: seenIn(request) });
    return found;
  }
}

/** The one of these resources that has the host of the request, unless it is the only one. One without variables comes first. */
function documentedAt(
  request: HttpRequest,
  candidates: readonly ResourceServer[],
  path: string | undefined,
): MaybePromise<ResolvedResource | 'unknown'> {
  const atHost = candidates.length > 1 ? candidates.filter(({ resource }) => isHostOf(resource, request)) : candidates;
  const found = atHost.flatMap((server) => {
    const variables = variablesOf(server.resource, request, path, false);
    return variables ? [{ server, variables }] : [];
  });
  const [first] = [...found.filter(({ server }) => server.tenants === undefined), ...found];
  if (!first) return 'unknown';
  if (first.server.tenants === undefined) return first.server.resource;
  return continueWith(first.server.tenants.find(first.variables), (tenant) => tenant?.resource ?? 'unknown');
}

/** The tenant that a request is for. */
function tenantOf(
  resource: ResolvedResource,
  tenants: NonNullable<ResourceServer['tenants']>,
  request: HttpRequest,
): MaybePromise<ResourceServer> {
  const variables = variablesOf(resource, request, targetPath(request), true);
  if (!variables) throw new McpAuthError('resource_not_found', 'tenant_malformed', { seen: seenIn(request) });
  return continueWith(tenants.find(variables), (tenant) => {
    if (!tenant) throw new McpAuthError('resource_not_found', 'tenant_unknown', { seen: seenIn(request) });
    return tenant;
  });
}

function seenIn(request: HttpRequest): { readonly Host: string | readonly string[] | null; readonly path: string } {
  const hosts = requestedHosts(request);
  return { Host: hosts.length > 1 ? hosts : (hosts[0] ?? null), path: targetPath(request) };
}

/** The values of all variables of a resource; undefined if host or path are not its own. Looks only where there are variables. */
function variablesOf(
  { template: resolved }: ResolvedResource,
  request: HttpRequest,
  path: string | undefined,
  below: boolean,
): ResourceVariables | undefined {
  if (!resolved) return {};
  const { template } = resolved;
  const authority = template.hasHostVariables ? requestedAuthority(request) : undefined;
  const ofHost = template.hasHostVariables ? authority && matchAuthority(template, authority) : {};
  const ofPath = template.hasPathVariables ? path !== undefined && matchPath(template, path, below) : {};
  return ofHost && ofPath ? { ...ofHost, ...ofPath } : undefined;
}

/** Whether the host of a request is that of a resource, or of a tenant. */
function isHostOf(resource: ResolvedResource, request: HttpRequest): boolean {
  const authority = requestedAuthority(request);
  if (authority === undefined) return false;
  const template = hostTemplateOf(resource);
  return template
    ? matchAuthority(template, authority) !== undefined
    : hostsOf(resource).includes(authority.toLowerCase());
}

/** The host of a resource as requests name it: without the default port, or with it. */
function hostsOf({ identifier }: ResolvedResource): string[] {
  const { host, port, protocol } = new URL(identifier.origin);
  return port === '' ? [host, `${host}:${protocol === 'https:' ? 443 : 80}`] : [host];
}

/** The template of a resource whose host has variables. */
function hostTemplateOf({ template }: ResolvedResource): ResourceTemplate | undefined {
  return template?.template.hasHostVariables ? template.template : undefined;
}

function isPathOf({ identifier, template }: ResolvedResource, request: HttpRequest): boolean {
  const path = targetPath(request);
  return template ? matchPath(template.template, path, true) !== undefined : path === identifier.path;
}

function isPathLike({ template }: ResolvedResource, path: string | undefined): boolean {
  return path !== undefined && template !== undefined && resemblesPath(template.template, path);
}

/**
 * The resources by the path of their metadata. A single resource also has the root, where MCP clients look if they do not know the
 * path, unless the option `rootMetadata` is false or its path has variables. With several resources, the root would be ambiguous.
 */
function documentPaths(
  servers: readonly [ResourceServer, ...ResourceServer[]],
  rootMetadata: boolean,
): ReadonlyMap<string, readonly ResourceServer[]> {
  const paths = new Map<string, ResourceServer[]>();
  for (const server of servers.filter(({ resource }) => !resource.template?.template.hasPathVariables)) {
    const path = metadataPath(server.resource.identifier);
    paths.set(path, [...(paths.get(path) ?? []), server]);
  }
  const [only, ...others] = servers;
  if (others.length === 0 && paths.size > 0 && rootMetadata) paths.set(ROOT_METADATA_PATH, [only]);
  return paths;
}
