import { Injectable } from '@nestjs/common';
import { McpAuthConfigError } from '../core/error.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { missingResources } from '../handlers/handler-problems.js';
import { ResolvedOptions } from '../options/options.js';
import { GuardReach } from './guard-reach.js';
import { NestRoutes } from './nest-routes.js';

/** Checks that each route that is guarded without a decorator, as at the path of a resource, says whose tokens it accepts. */
@Injectable()
export class RouteResources {
  constructor(
    private readonly routes: NestRoutes,
    private readonly reach: GuardReach,
    private readonly explorer: HandlerExplorer,
    private readonly options: ResolvedOptions,
  ) {}

  /** @throws {McpAuthConfigError} naming each controller whose resource is unknown. */
  check(): void {
    const problems = this.routes.all
      .filter((route) => this.reach.guardsOf(route).length > 0)
      .flatMap(({ classRef, method }) => {
        const declaration = this.explorer.declarationOf(classRef, method);
        return missingResources({ classRef, declaration }, this.options.resources);
      });
    const unique = new Map(problems.map((problem) => [problem.option, problem]));
    if (unique.size > 0) throw new McpAuthConfigError([...unique.values()]);
  }
}
