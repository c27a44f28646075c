import type { McpAuthInfo } from '../core/auth-info.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { TokenAnswerError, TokenRefusedError, type IssuedToken } from '../issuer/token-answer.js';
import type { TokenEndpoint } from '../issuer/token-endpoint.js';
import { tokenHash } from '../issuer/token-hash.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';
import type { StoreReports } from '../shared-state/store-reports.js';
import { ApiProofs } from './api-proofs.js';
import { McpAuthDownstreamError } from './downstream-error.js';
import type { DownstreamLog } from './downstream-log.js';
import { failureOf, mayBeMistake, refusalFor, subjectRefusal, type TokenFailure } from './downstream-refusal.js';
import { IdentityProvider } from './identity-provider.js';
import { SharedTokens } from './shared-tokens.js';
import { askForToken, isSendableToken, TokenFunctionError } from './sendable-token.js';
import { tokenEndpointOf, type TokenClientDependencies } from './token-client.js';
import { tokenRequestFor, type SentTokens } from './token-parameters.js';
import { TokenStore, type StoredToken } from './token-store.js';

/** How a request for a token ended. */
export interface TokenRequested {
  readonly outcome: 'issued' | TokenFailure;
  /** Milliseconds, by a clock that never goes back. */
  readonly durationMs: number;
  /** Undefined if this server acts for itself. */
  readonly caller: McpAuthInfo | undefined;
}

/** What an API needs besides its options. */
export interface DownstreamDependencies extends TokenClientDependencies {
  /** Milliseconds, by a clock that never goes back. */
  readonly monotonic: () => number;
  readonly log: DownstreamLog;
  /** Called with the outcome of each request to the authorization server. */
  readonly requested: (api: ResolvedDownstream, request: TokenRequested) => void;
  /** Refuses a caller whose token was revoked. Synchronous, if nothing has to be asked. */
  readonly admit: (caller: McpAuthInfo) => MaybePromise<McpAuthInfo>;
  readonly reports: StoreReports;
}

/** How long a token is valid if the server does not say it, in seconds. RFC 6749 §5.1 only recommends to say it. */
const UNSTATED_LIFETIME_SECONDS = 60;

/** How long before its expiry a token is not used again, in milliseconds; at most half of its lifetime. */
const MARGIN_MS = 30_000;

/** The keys of callers, by the object that the guard created for the request: hashing a token costs more than finding one. */
const keys = new WeakMap<McpAuthInfo, string>();

/** One API that tools call: obtains tokens for it, and remembers them. */
export class DownstreamApi {
  readonly #store = new TokenStore();
  /** Undefined if replicas share no tokens for this API. */
  readonly #shared: SharedTokens | undefined;
  readonly #endpoint: TokenEndpoint;
  /** How requests prove the key of the token; undefined if tokens are bound to none. */
  readonly proofs: ApiProofs | undefined;
  /** Undefined unless the grant is `id-jag`. */
  readonly #identityProvider: IdentityProvider | undefined;
  /** Whether the authorization server has issued a token for this API. */
  #hasIssued = false;

  constructor(
    readonly options: ResolvedDownstream,
    private readonly dependencies: DownstreamDependencies,
  ) {
    const { identityProvider, dpop, sharedCache } = options;
    const { reports, now } = dependencies;
    this.#shared = sharedCache && new SharedTokens(options, sharedCache, reports, now);
    this.proofs = dpop && new ApiProofs(dpop, now);
    this.#endpoint = tokenEndpointOf(options, dependencies);
    if (!identityProvider) return;
    const endpoint = tokenEndpointOf(identityProvider, dependencies);
    this.#identityProvider = new IdentityProvider(options, identityProvider, endpoint, dependencies.outbound);
  }

  /**
   * A token for the API.
   *
   * @param caller undefined for none
   * @param rejected a token that the API did not accept, and that must not be returned again
   * @throws {McpAuthError} if the caller must do something first; {@link McpAuthDownstreamError} if the operator must.
   */
  async tokenFor(caller: McpAuthInfo | undefined, rejected?: string): Promise<string> {
    const now = this.dependencies.now();
    const subject = this.options.grant === 'client-credentials' ? undefined : this.#subject(caller, now);
    const key = subject === undefined ? '' : keyOf(subject);
    if (rejected !== undefined) this.#reject(key, rejected);
    const { admit } = this.dependencies;
    if (subject) await admit(subject);
    const stored = this.#store.get(key, now);
    if (stored && now < (stored.shared?.checkAt ?? Infinity)) return stored.token;
    const { token } = await this.#store.obtain(key, now, () => this.#obtain(key, subject, now, stored));
    // The token of the caller may have been revoked in the meantime.
    if (subject) await admit(subject);
    return token;
  }

  /**
   * The same for code that sends the token by itself, without a proof.
   *
   * @throws {TypeError} if tokens for this API are bound to a key.
   */
  async bearerTokenFor(caller: McpAuthInfo | undefined): Promise<string> {
    const { name } = this.options;
    if (!this.proofs) return this.tokenFor(caller);
    throw new TypeError(
      `The API "${name}" has dpop: it accepts a token with a proof for each request only. Call McpAuthDownstream.fetch or headersFor`,
    );
  }

  /**
   * Forgets the tokens that were obtained for a principal: in this process at once, whatever the store of all replicas does.
   *
   * @throws what that store throws
   */
  async forget(principalKey: string): Promise<void> {
    this.#store.dropPrincipal(principalKey);
    await this.#shared?.forget(principalKey);
  }

  #reject(key: string, token: string): void {
    this.#store.drop(key, token);
    this.#shared?.reject(token);
  }

  /** From another replica, or from the authorization server. */
  #obtain(
    key: string,
    caller: McpAuthInfo | undefined,
    now: number,
    known: StoredToken | undefined,
  ): Promise<StoredToken> {
    if (!this.#shared) return this.#request(caller, now);
    const [principal, latest] = caller ? [caller.principalKey, caller.expiresAt * 1000] : ['', Infinity];
    const wanted = { key, principal, latest, known };
    return this.#shared.obtain(wanted, () => this.#request(caller, this.dependencies.now()));
  }

  #subject(caller: McpAuthInfo | undefined, now: number): McpAuthInfo {
    const refusal = subjectRefusal(this.options, caller, now);
    if (refusal) throw refusal;
    return caller as McpAuthInfo;
  }

  async #request(caller: McpAuthInfo | undefined, now: number): Promise<StoredToken> {
    const { monotonic, requested } = this.dependencies;
    const begin = monotonic();
    const end = (outcome: TokenRequested['outcome']): void =>
      requested(this.options, { outcome, durationMs: monotonic() - begin, caller });
    try {
      const tokens = await this.#tokensFor(caller);
      const issued = await this.#endpoint.request(tokenRequestFor(this.options, tokens));
      this.#check(issued, tokens);
      this.#hasIssued = true;
      end('issued');
      return { token: issued.token, principal: caller?.principalKey ?? '', until: this.#until(issued, caller, now) };
    } catch (error) {
      const failure = failureOf(error, this.options, this.#hasIssued);
      end(failure);
      throw this.#toRefusal(failure, error, caller);
    }
  }

  /** The tokens that the request holds. Those of another caller are never among them. */
  async #tokensFor(caller: McpAuthInfo | undefined): Promise<SentTokens> {
    if (caller && this.#identityProvider)
      return { subject: await this.#identityProvider.grantFor(caller), actor: undefined };
    return { subject: caller?.token, actor: await this.#actorToken() };
  }

  /** @throws {TokenAnswerError} for a token that must not be sent to the API, {@link TokenRefusedError} for too few scopes. */
  #check({ token, scopes }: IssuedToken, { subject }: SentTokens): void {
    const { scopes: needed, requireScopes, grant } = this.options;
    if (token === subject) {
      const what = grant === 'id-jag' ? 'the ID-JAG' : 'the token of the caller';
      throw new TokenAnswerError(`it answered with ${what}`, 'unsuitable');
    }
    const missing = requireScopes && scopes ? needed.filter((scope) => !scopes.includes(scope)) : [];
    if (missing.length === 0) return;
    throw new TokenRefusedError('insufficient_scope', 200, undefined, `the token lacks ${missing.join(' ')}`);
  }

  /** Never later than the end of the token, of the token of its caller, or of `cacheSeconds`. */
  #until({ lifetimeSeconds }: IssuedToken, caller: McpAuthInfo | undefined, now: number): number {
    const lifetime = (lifetimeSeconds ?? UNSTATED_LIFETIME_SECONDS) * 1000;
    const ends = [now + lifetime - Math.min(MARGIN_MS, lifetime / 2), now + this.options.cacheSeconds * 1000];
    return Math.min(...ends, caller ? caller.expiresAt * 1000 : Infinity);
  }

  async #actorToken(): Promise<string | undefined> {
    const { actorToken, name } = this.options;
    if (!actorToken) return undefined;
    const option = `actorToken of downstream.${name}`;
    const token = await askForToken(option, actorToken, this.dependencies.outbound);
    if (isSendableToken(token)) return token;
    throw new TokenFunctionError(option, 'must return a token, and returned another value');
  }

  #toRefusal(failure: TokenFailure, error: unknown, caller: McpAuthInfo | undefined): Error {
    const { log } = this.dependencies;
    const refusal = refusalFor(failure, error, this.options, caller);
    if (failure === 'outage') log.outage(this.options, error);
    if (!this.#hasIssued && mayBeMistake(failure, error, this.options)) log.denied(this.options, error);
    if (!refusal) log.mistake(this.options, error);
    return refusal ?? new McpAuthDownstreamError(this.options.name);
  }
}

/** Tells the tokens of callers apart: by principal, client and token. The resource is part of none: a token is for one. */
function keyOf(caller: McpAuthInfo): string {
  const known = keys.get(caller);
  if (known !== undefined) return known;
  const key = JSON.stringify([caller.principalKey, caller.clientId, tokenHash(caller.token)]);
  keys.set(caller, key);
  return key;
}
