import { Injectable } from '@nestjs/common';
import { Caller } from '../caller/caller.js';
import { currentCall, isTracking } from '../caller/current-call.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { ResolvedOptions } from '../options/options.js';
import { requestFor, type DownstreamHeaders, type DownstreamRequest } from './api-headers.js';
import { fetchApi } from './api-request.js';
import type { DownstreamApi } from './downstream-api.js';
import { DownstreamTokens } from './downstream-tokens.js';

const NOT_TRACKED =
  'McpAuthDownstream was called without a caller, and callers are not tracked: nothing injects McpAuthDownstream, or followCaller ' +
  'is false. Inject it in a constructor, set followCaller: true, or pass the caller that @AuthInfo() injects';

const NO_CALL =
  'McpAuthDownstream was called outside of a request that McpAuthGuard admitted, so no caller is known whose token could be ' +
  'exchanged. Call it below a handler, pass the caller that @AuthInfo() injects, or use the grant client-credentials';

const NO_CALLER =
  'The caller that was passed to McpAuthDownstream is not the object that @AuthInfo() injects. Pass that one';

/**
 * Calls APIs on behalf of the caller, with tokens that were issued for these APIs: those of the option `downstream`. The access
 * token of the caller is never sent to an API: it is for this server alone (MCP, "Token Passthrough").
 *
 * If the authorization server refuses, a method throws what the client of the caller can act on, and `McpAuthFilter` answers it: let
 * it pass. It may be that the user has to sign in again (401), has to consent to more (403), or that the server is down (503). A
 * mistake of the configuration is a {@link McpAuthDownstreamError}, and a line in the log that says what to do.
 */
@Injectable()
export class McpAuthDownstream {
  constructor(
    private readonly tokens: DownstreamTokens,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * A token for an API, and for the caller of the current request. It is remembered for this caller and this token of theirs. Send
   * it to the API alone, and do NOT store or log it.
   *
   * @param name of the API in the option `downstream`
   * @param caller as `@AuthInfo()` injects it, where the current request is not known: over stdio, or with `followCaller: false`
   * @throws {McpAuthError} if the caller has to do something first, or the authorization server is down.
   * @throws {McpAuthDownstreamError} if the configuration has to be changed.
   * @throws {TypeError} if the API has `dpop`: a token without a proof is of no use there. See {@link headersFor}.
   * @throws {Error} if there is no such API, or no caller is known.
   */
  async tokenFor(name: string, caller?: McpAuthInfo): Promise<string> {
    const api = this.tokens.api(name);
    return api.bearerTokenFor(this.#callerFor(api, caller));
  }

  /**
   * The header fields for one request to an API by a client of your own: `authorization` with such a token, and `dpop` with a proof
   * if the API has `dpop`. A proof is for this method and this URL, and for one request: call this for each, also for one that is
   * repeated or redirected. If the API answers 401 with `use_dpop_nonce`, pass the `DPoP-Nonce` of its answer as `nonce`; it is
   * remembered for the next requests to that origin. Sends nothing to the API, and does NOT notice what it answers.
   *
   * @param caller as for {@link tokenFor}
   * @throws as {@link fetch}; {TypeError} for a method or a nonce that no request can have.
   * @see RFC 9449 §7.1, §9
   */
  async headersFor(name: string, request: DownstreamRequest, caller?: McpAuthInfo): Promise<DownstreamHeaders> {
    const api = this.tokens.api(name);
    const { method, url, nonce } = requestFor({ name, origins: api.options.origins }, request);
    const token = await api.tokenFor(this.#callerFor(api, caller));
    if (!api.proofs) return { authorization: `Bearer ${token}` };
    api.proofs.remember(url, nonce);
    return api.proofs.headersFor(token, { method, url });
  }

  /**
   * Sends a request to an API with such a token, as `fetch` does. The token goes to the `origins` of the API only. If the API
   * answers 401, the request is sent once more with a new token; a body that is a stream is not sent again. Redirects are followed
   * for GET and HEAD, and within one origin; others are returned. If the API has `dpop`, each request has a proof, and is sent once
   * more if the API asks for a nonce; a 401 that asks so is returned for a stream, and the next request has the nonce. Does NOT
   * limit time or size: pass a `signal`.
   *
   * @param url absolute
   * @param init options of `fetch`; no `Request`
   * @throws as {@link tokenFor}; {TypeError} for a URL of another origin, and whatever `fetch` throws.
   */
  async fetch(name: string, url: string | URL, init?: RequestInit, caller?: McpAuthInfo): Promise<Response> {
    const api = this.tokens.api(name);
    const known = this.#callerFor(api, caller);
    const { origins } = api.options;
    const tokenFor = (rejected?: string): Promise<string> => api.tokenFor(known, rejected);
    return fetchApi({ name, origins, tokenFor, proofs: api.proofs }, url, init);
  }

  /**
   * Forgets all tokens that were obtained for a principal, for example after a user was locked. Does NOT revoke them: the APIs
   * accept them until they expire. In this process, it has happened when the method returns. If replicas share tokens
   * (`sharedCache`), wait for the promise: they take none of them from the store any longer, and use one that they have in memory for
   * at most ten seconds more.
   *
   * @param principalKey as in `McpAuthInfo`
   * @throws {Error} if the store of `sharedCache` did not confirm it. This process takes no such token from there, and tries again.
   */
  forget(principalKey: string): Promise<void> {
    const forgotten = this.tokens.forget(principalKey);
    // Without anybody who waits, the log alone says that a store has failed.
    forgotten.catch(() => undefined);
    return forgotten;
  }

  /** The caller whose token is needed; undefined for an anonymous one, and if the grant needs none. */
  #callerFor({ options }: DownstreamApi, caller: McpAuthInfo | undefined): McpAuthInfo | undefined {
    if (options.grant === 'client-credentials') return undefined;
    if (caller !== undefined) {
      if (Caller.isCaller(caller)) return caller;
      throw new TypeError(NO_CALLER);
    }
    const call = currentCall(this.options);
    if (call) return call.auth;
    throw new Error(isTracking(this.options) ? NO_CALL : NOT_TRACKED);
  }
}
