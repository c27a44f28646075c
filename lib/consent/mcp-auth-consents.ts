import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Caller, principalKeyOf } from '../caller/caller.js';
import { ConsentFlow } from './consent-flow.js';
import { UsedLinks } from './used-links.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { Clock } from '../core/clock.js';
import { McpAuthConsentRequiredError, type ConsentRequest } from '../core/consent-required-error.js';
import { printable, showValue } from '../core/safe-text.js';
import { ResolvedOptions } from '../options/options.js';
import type { ConsentedTokenStore } from '../shared-state/consented-token-store.js';
import { StoreReports } from '../shared-state/store-reports.js';

/** What a user is asked for. */
export interface ConsentTarget {
  /** A name of yours for the third party, such as `github`: up to 64 letters, digits, `.`, `_` and `-`. */
  readonly to: string;
  /**
   * Why the user should consent, for the MCP client to show: one line, up to 300 characters.
   * @default 'This tool needs access to your account at …'
   */
  readonly message?: string;
}

/** Whom the application has signed in, in the browser that asks for the page. Never take this from the URL. */
export interface ConsentUser {
  /** The `iss` of the sign-in: the issuer of the access tokens of this server, as `McpAuthInfo.issuer` has it. */
  readonly issuer: string;
  /** The `sub` of the sign-in, as `McpAuthInfo.subject` has it. Some products have another one in ID tokens: see the guide. */
  readonly subject: string;
}

/** A link that its user has opened. */
export interface OpenedConsent {
  /** The third party. */
  readonly to: string;
  /** The MCP client that called the tool, to show it to the user; empty if its token names none. */
  readonly clientId: string;
  /** The identifier of the protected resource whose tool was called. */
  readonly resource: string;
  /** As in the request of the tool. */
  readonly elicitationId: string;
  /**
   * The `state` for the third party (RFC 6749 §4.1.1); in a form of your own, the value of a hidden field. Pass it
   * to `McpAuthConsents.finish`, before {@link expiresAt}.
   */
  readonly state: string;
  /** The `code_challenge` for the third party, with the method `S256` (RFC 7636 §4.2). */
  readonly codeChallenge: string;
  /** In seconds since the epoch. */
  readonly expiresAt: number;
}

/** A user who has returned with the state of a link. */
export interface FinishedConsent extends Pick<OpenedConsent, 'to' | 'clientId' | 'resource' | 'elicitationId'> {
  /** The `code_verifier` for the token endpoint of the third party (RFC 7636 §4.5). Send it nowhere else. */
  readonly codeVerifier: string;
  /** Keeps what the user allowed in `consent.tokenStore`, for this user at this resource. */
  readonly keep: (token: unknown) => Promise<void>;
}

/** Accepted names of third parties. */
const TARGET = /^[A-Za-z0-9._-]{1,64}$/;

const MAX_MESSAGE_LENGTH = 300;

/**
 * Asks users for their consent at a third party that your authorization server cannot exchange tokens for. Needs the option
 * `consent`. Three steps: a tool asks for the token (`tokenFor`); the page of the link opens it (`open`); the page that the
 * third party redirects to ends it (`finish`). Each step is for one user: whoever else gets a link cannot go on with it.
 *
 * Does NOT sign users in, talk to the third party, or refresh its tokens: that is the application's.
 *
 * @see MCP 2025-11-25, Elicitation, "URL Mode Elicitation for OAuth Flows" and "Phishing"
 */
@Injectable()
export class McpAuthConsents {
  readonly #flow: ConsentFlow | undefined;
  readonly #used: UsedLinks | undefined;

  constructor(
    private readonly options: ResolvedOptions,
    clock: Clock,
    reports: StoreReports,
  ) {
    const { consent } = options;
    const now = (): number => clock.now();
    this.#used = consent && new UsedLinks(consent.replayStore, reports, now);
    this.#flow = consent && this.#used && new ConsentFlow(consent, this.#used, now);
  }

  /**
   * What the caller has allowed at the third party: the value that was kept last. Does NOT check whether it is still valid there.
   *
   * @throws {McpAuthConsentRequiredError} if there is none. Let it pass through your tool: it becomes the answer that makes the MCP
   * client send the user to the page.
   * @throws {Error} as `begin`; or if there is no `consent.tokenStore`.
   */
  async tokenFor<Token = unknown>(caller: McpAuthInfo, target: ConsentTarget): Promise<Token> {
    const token = await this.#store.get(ownerOf(caller), nameOf(target.to));
    if (token !== undefined && token !== null) return token as Token;
    throw new McpAuthConsentRequiredError(target.to, this.begin(caller, target));
  }

  /**
   * Makes a link for the caller, to answer in a way of your own: the members are those of `ElicitRequestURLParams`. The link tells
   * nothing of the user, and opens nothing by itself.
   *
   * @throws {TypeError} for what is not the object that `@AuthInfo()` injects, and for a target that cannot be used.
   * @throws {Error} for a caller that is not a user; for a client id that is too long for a link; or if the option `consent` is not
   * set.
   */
  begin(caller: McpAuthInfo, target: ConsentTarget): ConsentRequest {
    const flow = this.#flowOrThrow();
    const resource = resourceOf(caller);
    if (caller.subject === undefined || caller.kind === 'client') {
      throw new Error('Nobody can consent: the caller is a client that acts for itself, not a user');
    }
    const { principalKey: principal, clientId } = caller;
    return flow.begin({ principal, clientId, resource, to: nameOf(target.to) }, messageOf(target));
  }

  /**
   * Opens a link, in the page of `consent.url`, after the application has signed the user in. May be called again with the same
   * link, as browsers load pages again.
   *
   * @param link the parameter `consent` of the request
   * @param user who is signed in, by the session of this browser
   * @throws {McpAuthConsentError} if it is not a link of this user: show its message, and go no further.
   */
  open(link: unknown, user: ConsentUser): OpenedConsent {
    const opened = this.#flowOrThrow().open(link, principalOf(user));
    const { to, clientId, resource, id, state, codeChallenge, expiresAt } = opened;
    return Object.freeze({ to, clientId, resource, elicitationId: id, state, codeChallenge, expiresAt });
  }

  /**
   * Finishes a consent when the user returns, whatever the third party says: each link can be finished once. Check the user again:
   * the one who returns may be another than the one who left.
   *
   * @param state the parameter `state` of the request
   * @param user who is signed in, by the session of this browser
   * @param to the third party that this page is for, so that the answer of another one is refused (RFC 9700 §4.4)
   * @throws {McpAuthConsentError} if the state is not of this user and this third party, or its link was finished before.
   */
  async finish(state: unknown, user: ConsentUser, to: string): Promise<FinishedConsent> {
    const finished = await this.#flowOrThrow().finish(state, principalOf(user), nameOf(to));
    const { id: elicitationId, clientId, resource, codeVerifier } = finished;
    const owner = ownerKey(finished.principal, resource);
    const keep = (token: unknown): Promise<void> => this.#keep(owner, to, token);
    return Object.freeze({ to, clientId, resource, elicitationId, codeVerifier, keep });
  }

  /** Keeps another value for the caller, such as a refreshed token. */
  async keepToken(caller: McpAuthInfo, to: string, token: unknown): Promise<void> {
    await this.#keep(ownerOf(caller), nameOf(to), token);
  }

  /** Forgets what the caller has allowed: the next `tokenFor` asks again. Does NOT tell the third party. */
  async forgetToken(caller: McpAuthInfo, to: string): Promise<void> {
    await this.#store.delete(ownerOf(caller), nameOf(to));
  }

  /** @internal */
  async checkStore(): Promise<void> {
    await this.#used?.check();
  }

  async #keep(owner: string, to: string, token: unknown): Promise<void> {
    if (token === undefined || token === null) throw new TypeError('Cannot keep a token: saw nothing');
    await this.#store.set(owner, to, token);
  }

  get #store(): ConsentedTokenStore {
    this.#flowOrThrow();
    const store = this.options.consent?.tokenStore;
    if (store) return store;
    throw new Error('There is nowhere to keep tokens: set consent.tokenStore in the options of McpAuthModule');
  }

  #flowOrThrow(): ConsentFlow {
    if (this.#flow) return this.#flow;
    throw new Error('Nobody can be asked for consent: set consent in the options of McpAuthModule');
  }
}

/** Only the verified caller says for whom a link is; a copy or a lookalike could say anything. */
function resourceOf(caller: McpAuthInfo): string {
  const isObject = typeof (caller as unknown) === 'object' && (caller as unknown) !== null;
  const resource = isObject ? Caller.resourceIdentifierOf(caller) : '';
  if (resource !== '') return resource;
  throw new TypeError(`Saw ${showValue(caller)} as caller; pass the very object that @AuthInfo() injects`);
}

function ownerOf(caller: McpAuthInfo): string {
  return ownerKey(caller.principalKey, resourceOf(caller));
}

function ownerKey(principal: string, resource: string): string {
  return hash('sha256', JSON.stringify([principal, resource]), 'base64url');
}

function principalOf(user: ConsentUser): string {
  const { issuer, subject } = (user ?? {}) as { readonly [Name in keyof ConsentUser]?: unknown };
  if (typeof issuer === 'string' && issuer !== '' && typeof subject === 'string' && subject !== '') {
    return principalKeyOf(issuer, subject, undefined);
  }
  throw new TypeError('The user must have an issuer and a subject; sign the user in before you call this');
}

function nameOf(to: unknown): string {
  if (typeof to === 'string' && TARGET.test(to)) return to;
  throw new TypeError(
    `Saw ${showValue(to)} as name of a third party; write up to 64 letters, digits, ".", "_" and "-"`,
  );
}

function messageOf({ to, message = `This tool needs access to your account at ${to}.` }: ConsentTarget): string {
  if (typeof message === 'string' && message !== '' && message.length <= MAX_MESSAGE_LENGTH) {
    if (message === printable(message)) return message;
  }
  throw new TypeError(
    `Saw ${showValue(message)} as message; write one line of up to ${MAX_MESSAGE_LENGTH} characters, without control characters`,
  );
}
