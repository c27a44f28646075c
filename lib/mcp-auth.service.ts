import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import type { AccessMapRow } from './core/access-map.js';
import { currentCall, isTracking } from './caller/current-call.js';
import type { McpAuthEvent } from './observability/event-types.js';
import { AuthEventEmitter } from './observability/event-emitter.js';
import { Authenticator } from './authorization/authenticator.js';
import type { McpAuthInfo } from './core/auth-info.js';
import { ResolvedOptions } from './options/options.js';
import { AccessMap } from './platform/access-map.js';
import { ResourceServers } from './resource-servers/resource-servers.js';

const NOT_TRACKED =
  'McpAuthService.authInfo was read, but callers are not tracked: nothing injects McpAuthService, or followCaller is ' +
  'false. Inject McpAuthService in a constructor, or set followCaller: true in the options of McpAuthModule';

/** Gives access to the caller where no parameter can be injected, and verifies tokens for transports of your own. */
@Injectable()
export class McpAuthService {
  constructor(
    private readonly servers: ResourceServers,
    private readonly authenticator: Authenticator,
    private readonly events: AuthEventEmitter,
    private readonly map: AccessMap,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * The decisions about requests, the ends of admitted requests, and the changes in the state of the authorization servers, from
   * the subscription on. Never completes. Subscribers run synchronously before the request continues: queue slow work. If a
   * subscriber throws, the error is logged, and the request continues. Does NOT include what {@link verify} decides, nor calls over stdio that are allowed.
   *
   * The same objects are published on `node:diagnostics_channel`: the name of the channel is `nestjs-mcp-auth:` and the type
   * of the event.
   */
  get events$(): Observable<McpAuthEvent> {
    return this.events.events$;
  }

  /**
   * The caller of the current request, anywhere below its handler, asynchronous calls included. Undefined on public routes
   * and outside requests.
   *
   * @throws {Error} if callers are not tracked, because nothing injects this service or the option `followCaller` is false.
   */
  get authInfo(): McpAuthInfo | undefined {
    if (!isTracking(this.options)) throw new Error(NOT_TRACKED);
    return currentCall(this.options)?.auth;
  }

  /**
   * Lists every route, every MCP operation and every other handler: what it needs, where that is declared, and what is open. Uses
   * the rules that decide about requests. Sorted; the rows are frozen and can be written as JSON. `formatAccessMap()` makes a table
   * of them.
   *
   * Does NOT list routes outside of Nest. An MCP operation that the application adds to its server by itself is covered by the
   * row of kind `operation`, without its name.
   *
   * @throws {Error} before the application is initialized by `app.init()` or `app.listen()`.
   */
  accessMap(): readonly AccessMapRow[] {
    return this.map.rows();
  }

  /**
   * Verifies an access token as the guard does. Does NOT check scopes.
   *
   * @param resourceId the resource that the token must be for; optional if there is only one. For a tenant, its resource
   * identifier, such as `https://acme.example.com/mcp`.
   * @throws {McpAuthError} `invalid_token` or `temporarily_unavailable`; `resource_not_found` if there is no such tenant.
   */
  async verify(token: string, resourceId?: string): Promise<McpAuthInfo> {
    return this.authenticator.verify(token, await this.servers.find(resourceId));
  }
}
