import { Injectable, type Provider } from '@nestjs/common';
import { AccessMap } from './access-map.js';
import { GuardReach } from './guard-reach.js';
import { ListenCheck } from './listen-check.js';
import { NestRoutes } from './nest-routes.js';
import { RouteResources } from './route-resources.js';
import { StartCheck } from './start-check.js';
import { StartSummary } from './start-summary.js';

/** Checks and says at the start what the guard protects. */
@Injectable()
export class GuardStart {
  constructor(
    private readonly reach: GuardReach,
    private readonly routeResources: RouteResources,
    private readonly startCheck: StartCheck,
    private readonly listenCheck: ListenCheck,
    private readonly summary: StartSummary,
  ) {}

  /** Call it before Nest registers the routes. */
  prepare(guardClass: unknown): void {
    this.startCheck.prepare(guardClass);
    this.listenCheck.prepare();
  }

  /**
   * Call it when Nest has registered the routes.
   *
   * @throws {McpAuthConfigError} naming each guarded route whose resource is unknown.
   */
  settle(): void {
    this.reach.settle();
    this.routeResources.check();
  }

  /**
   * Call it before the application listens.
   *
   * @throws {McpAuthConfigError} naming each resource whose MCP endpoint bypasses the guard.
   */
  async run(): Promise<void> {
    await this.startCheck.run();
    this.summary.log();
  }
}

export const GUARD_START_PROVIDERS: Provider[] = [
  NestRoutes,
  RouteResources,
  StartCheck,
  ListenCheck,
  StartSummary,
  GuardStart,
  AccessMap,
];
