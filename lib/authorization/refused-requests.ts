import { Injectable } from '@nestjs/common';
import type { McpAuthInfo } from '../core/auth-info.js';
import type { AuthenticationScheme } from '../core/challenge.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { readRpcBody, type RpcBody } from '../request/rpc-body.js';
import { ResourceServers } from '../resource-servers/resource-servers.js';
import type { AccessRequest } from './access-request.js';

/** What the answer to a refused request is built from, besides the error. */
export interface RefusedRequest {
  readonly resource: ResolvedResource;
  /** The scopes that the request needs, as far as they are known. */
  readonly scopes: readonly string[];
  readonly body: RpcBody;
  /** The caller, if authenticated. */
  readonly caller: McpAuthInfo | undefined;
  /** How the request presented its token. */
  readonly scheme: AuthenticationScheme;
  /** As {@link AccessRequest.startedAt}. */
  readonly startedAt?: number | undefined;
}

/** The facts of a refused request. The answer names all scopes it needs, whether the caller has some of them or not. */
export function refusedRequestOf({ scopes, server, body, caller, scheme, startedAt }: AccessRequest): RefusedRequest {
  return { resource: server.resource, scopes, body, caller, scheme, startedAt };
}

/** Remembers the facts of refused requests for the filter, which answers them but did not decide. */
@Injectable()
export class RefusedRequests {
  /** Keyed by Node's request or the RPC context, since the error may pass other guards before a filter sees it. */
  readonly #requests = new WeakMap<object, AccessRequest>();
  readonly #calls = new WeakMap<object, RefusedRequest>();

  constructor(private readonly servers: ResourceServers) {}

  /** Remembers what a refusal of this request is built from. */
  note(request: HttpRequest, access: AccessRequest): void {
    this.#requests.set(nodeRequest(request), access);
  }

  /** Remembers the same for a call without an HTTP request. */
  noteCall(rpcContext: unknown, resource: ResolvedResource, scopes: readonly string[]): void {
    if (typeof rpcContext !== 'object' || rpcContext === null) return;
    this.#calls.set(rpcContext, {
      resource,
      scopes,
      body: readRpcBody(undefined),
      caller: undefined,
      scheme: 'Bearer',
    });
  }

  /** The facts for an error that a handler or another guard threw: by its request, or its RPC context. */
  find(source: unknown, call?: AuthorizedCall, body?: unknown): RefusedRequest {
    const noted = this.#noted(source);
    if (noted) return { ...noted, caller: noted.caller ?? call?.auth };
    const { resource } = call ? this.servers.of(call.resource) : this.servers.first;
    return {
      resource,
      scopes: [],
      body: readRpcBody(body),
      caller: call?.auth,
      scheme: call?.auth?.proof?.method === 'dpop' ? 'DPoP' : 'Bearer',
    };
  }

  #noted(source: unknown): RefusedRequest | undefined {
    // The maps return nothing for a value that is not an object.
    const key = source as object;
    const access = this.#requests.get(key);
    return access ? refusedRequestOf(access) : this.#calls.get(key);
  }
}
