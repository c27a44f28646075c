import { Injectable } from '@nestjs/common';
import type { McpAuthInfo } from '../core/auth-info.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import type { ResolvedResource } from '../options/options.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { readRpcBody, type RpcBody } from '../request/rpc-body.js';
import { ResourceServers } from '../resource-servers/resource-servers.js';
import type { AccessRequest } from './access-request.js';

/** What the answer to a refused request is made of, besides the error. */
export interface RefusedRequest {
  readonly resource: ResolvedResource;
  /** The scopes the request needs, as far as that is known. */
  readonly scopes: readonly string[];
  readonly body: RpcBody;
  /** Who was refused; undefined where they are not known. */
  readonly caller: McpAuthInfo | undefined;
}

/** The answer to a refused request names all the scopes it needs, as if nothing had been granted yet. */
export function refusedRequestOf({ scopes, server, body, caller }: AccessRequest): RefusedRequest {
  return { resource: server.resource, scopes, body, caller };
}

/** Remembers what refusals are made of, for those who answer them and have not decided. */
@Injectable()
export class RefusedRequests {
  /** Keyed by Node's request or the RPC context, since the error may pass other guards before a filter sees it. */
  readonly #requests = new WeakMap<object, AccessRequest>();
  readonly #calls = new WeakMap<object, RefusedRequest>();

  constructor(private readonly servers: ResourceServers) {}

  /** Keeps what a refusal would be made of with the request. */
  note(request: HttpRequest, access: AccessRequest): void {
    this.#requests.set(nodeRequest(request), access);
  }

  /** The same for a call that came without an HTTP request. */
  noteCall(rpcContext: unknown, resource: ResolvedResource, scopes: readonly string[]): void {
    if (typeof rpcContext !== 'object' || rpcContext === null) return;
    this.#calls.set(rpcContext, { resource, scopes, body: readRpcBody(undefined), caller: undefined });
  }

  /** For an error that comes from elsewhere, and for whoever has only the request, or the context, that it came with. */
  find(source: unknown, call?: AuthorizedCall, body?: unknown): RefusedRequest {
    const noted = this.#noted(source);
    if (noted) return { ...noted, caller: noted.caller ?? call?.auth };
    const { resource } = call ? this.servers.get(call.resource.id) : this.servers.first;
    return { resource, scopes: [], body: readRpcBody(body), caller: call?.auth };
  }

  #noted(source: unknown): RefusedRequest | undefined {
    if (typeof source !== 'object' || source === null) return undefined;
    const access = this.#requests.get(source);
    return access ? refusedRequestOf(access) : this.#calls.get(source);
  }
}
