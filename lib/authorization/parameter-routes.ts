import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';
import { routePattern } from '../request/route-pattern.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { isAt } from './open-requests.js';

/**
 * The routes with parameters at which a resource is found whose path has no variables. Such a route matches the paths of others,
 * too, for example of other tenants; the resource is one of them, and a token for it must not work at the others.
 */
@Injectable()
export class ParameterRoutes {
  /** By the id of the resource. */
  readonly #patterns = new Map<string, string>();

  /** The route serves the resource. */
  note(pattern: string, { id }: ResolvedResource): void {
    this.#patterns.set(id, pattern);
  }

  /**
   * Refuses a request that such a route serves at another path than that of the resource.
   *
   * @throws {McpAuthError} `resource_not_found`
   */
  check(request: HttpRequest, resource: ResolvedResource): void {
    const pattern = this.#patterns.size === 0 ? undefined : this.#patterns.get(resource.id);
    if (pattern === undefined || isAt(resource, request) || routePattern(request) !== pattern) return;
    throw new McpAuthError('resource_not_found', 'path_of_no_resource', {
      seen: { path: targetPath(request), route: pattern },
    });
  }
}
