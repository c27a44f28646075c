import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';
import { hasParameter, routePattern } from '../request/route-pattern.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { isAt } from './open-requests.js';

/** A handler that serves the path of a resource. */
export interface ResourceRoute {
  readonly classRef: object;
  readonly method: object;
  /** The path of its route as the application wrote it; undefined if it is unknown. */
  readonly pattern: string | undefined;
}

/** The routes that serve the resources, as the check at the start found them. Empty before that check, and without it. */
@Injectable()
export class ResourceRoutes {
  /** Those of POST, by the id of the resource. */
  readonly #routes = new Map<string, ResourceRoute>();
  readonly #handlers = new WeakSet<object>();
  /** The routes with parameters of resources whose path has no variables, by the id of the resource. */
  readonly #withParameter = new Map<string, string>();

  /** The route serves POST at the path of the resource. */
  note(route: ResourceRoute, resource: ResolvedResource): void {
    this.#routes.set(resource.id, route);
    this.noteOther(route, resource);
  }

  /** The route serves another method at the path of the resource. */
  noteOther({ method, pattern }: ResourceRoute, { id, template }: ResolvedResource): void {
    this.#handlers.add(method);
    if (pattern === undefined || !hasParameter(pattern) || template?.template.hasPathVariables) return;
    this.#withParameter.set(id, pattern);
  }

  /** The route that serves POST at a resource; undefined if it is unknown. */
  of(resourceId: string): ResourceRoute | undefined {
    return this.#routes.get(resourceId);
  }

  /** Whether a handler serves a resource. It may do so at other paths, too. */
  isHandler(method: object): boolean {
    return this.#handlers.has(method);
  }

  /** The pattern of the route of a resource, if it matches the paths of others, too. */
  parameterOf({ id }: ResolvedResource): string | undefined {
    return this.#withParameter.get(id);
  }

  /**
   * Refuses a request that a route with a parameter serves at another path than that of its resource, for example of another
   * tenant: a token for the resource must not work there.
   *
   * @throws {McpAuthError} `resource_not_found`
   */
  checkPath(request: HttpRequest, resource: ResolvedResource): void {
    const pattern = this.#withParameter.get(resource.id);
    if (pattern === undefined || isAt(resource, request) || routePattern(request) !== pattern) return;
    const seen = { path: targetPath(request), route: pattern };
    throw new McpAuthError('resource_not_found', 'path_of_no_resource', { seen });
  }
}
