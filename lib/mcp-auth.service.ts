import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { currentCall } from './caller/call-registry.js';
import { CallerTracking } from './platform/caller-tracking.js';
import type { McpAuthEvent } from './observability/event-types.js';
import { AuthEventEmitter } from './observability/event-emitter.js';
import { Authenticator } from './authorization/authenticator.js';
import type { McpAuthInfo } from './core/auth-info.js';
import { ResolvedOptions } from './options/options.js';
import { ResourceServers } from './resource-servers/resource-servers.js';

const NOT_FOLLOWED =
  'McpAuthService.authInfo was read, but callers are not followed to where it is: nothing injects McpAuthService, or ' +
  'followCaller is false. Inject it in a constructor, or set followCaller: true in the options of McpAuthModule';

/** The caller, wherever there is no parameter to inject it into; and verification for transports of your own. */
@Injectable()
export class McpAuthService {
  constructor(
    private readonly servers: ResourceServers,
    private readonly authenticator: Authenticator,
    private readonly events: AuthEventEmitter,
    private readonly tracking: CallerTracking,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * What was decided about requests, and how the authorization servers are doing, from the time of subscription on.
   * Subscribers run before the request goes on: leave work that takes time for later. One that throws breaks nothing; the
   * log is told. Never completes. What {@link verify} decides is not among it, nor is a call over stdio that was let in.
   *
   * The same objects are published on `node:diagnostics_channel`, as `nestjs-mcp-auth:` and the type of the event.
   */
  get events$(): Observable<McpAuthEvent> {
    return this.events.events$;
  }

  /**
   * The caller of the request under way, from anywhere below its handler, asynchronous parts included. Undefined on
   * public routes and outside of requests.
   *
   * @throws where nothing injects this service, so that callers are not followed; see the option `followCaller`.
   */
  get authInfo(): McpAuthInfo | undefined {
    if (!this.tracking.isOn) throw new Error(NOT_FOLLOWED);
    return currentCall(this.options)?.auth;
  }

  /**
   * Verifies an access token as the guard does. Does NOT check scopes.
   *
   * @param resourceId which resource it must be for; may be left out where there is only one.
   * @throws {McpAuthError} `invalid_token` or `temporarily_unavailable`.
   */
  async verify(token: string, resourceId?: string): Promise<McpAuthInfo> {
    return this.authenticator.verify(token, this.servers.get(resourceId));
  }
}
