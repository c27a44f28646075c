import { hash, randomBytes, randomUUID } from 'node:crypto';
import type { ConsentRequest } from '../core/consent-required-error.js';
import { MAX_CONSENT_SECONDS, type ResolvedConsent } from '../options/consent-options.js';
import { McpAuthConsentError } from './consent-error.js';
import { SealedValues } from '../shared-state/sealed-values.js';
import type { UsedLinks } from './used-links.js';

/** For whom a link is made, and for what. */
export interface ConsentFacts {
  /** The `principalKey` of the user. */
  readonly principal: string;
  /** The client that called the tool; empty if its token names none. */
  readonly clientId: string;
  /** The identifier of the protected resource. */
  readonly resource: string;
  /** The third party. */
  readonly to: string;
}

/** What a link holds. Times are in seconds since the epoch. */
interface Link extends ConsentFacts {
  readonly id: string;
  readonly madeAt: number;
  readonly expiresAt: number;
}

/** What a state holds: its link, and the secret with which the answer of the third party is redeemed. */
interface State extends Link {
  readonly codeVerifier: string;
}

/** A link that its user has opened. */
export interface OpenedLink extends ConsentFacts {
  readonly id: string;
  /** In seconds since the epoch. */
  readonly expiresAt: number;
  readonly state: string;
  readonly codeChallenge: string;
}

/** How much longer a used link is remembered than a state of it can live, in seconds, since clocks differ. */
const CLOCK_MARGIN_SECONDS = 60;

const TOO_LONG =
  'Nobody can be asked for consent: the client id of the caller, or the URL of the resource, is too long for a link';

/** Longest sealed link, in characters. A state holds a little more, and is opened up to 4,096. */
const MAX_LINK_LENGTH = 3_900;

/**
 * The three steps of a consent: make a link for the user of a tool call, open it and make a state for the third party, finish with
 * that state. Each step accepts only what the step before made for the same user.
 *
 * A link may be opened several times: pages are loaded again. Only one of its states can be finished.
 */
export class ConsentFlow {
  readonly #links: SealedValues<Link>;
  readonly #states: SealedValues<State>;

  constructor(
    private readonly options: Pick<ResolvedConsent, 'url' | 'secret' | 'seconds'>,
    private readonly used: UsedLinks,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#links = new SealedValues(options.secret, 'consent link 1');
    this.#states = new SealedValues(options.secret, 'consent state 1');
  }

  /** @throws {Error} for a link that would be too long to be opened. */
  begin(facts: ConsentFacts, message: string): ConsentRequest {
    const id = randomUUID();
    const url = new URL(this.options.url);
    const sealed = this.#links.seal({ ...facts, id, ...this.#times() });
    if (sealed.length > MAX_LINK_LENGTH) throw new Error(TOO_LONG);
    url.searchParams.set('consent', sealed);
    return Object.freeze({ mode: 'url', elicitationId: id, url: url.href, message });
  }

  /** @throws {McpAuthConsentError} */
  open(text: unknown, principal: string): OpenedLink {
    const link = this.#accept(this.#links.open(text), principal);
    const { expiresAt } = this.#times();
    const codeVerifier = randomBytes(32).toString('base64url');
    const state = this.#states.seal({ ...link, expiresAt, codeVerifier });
    return { ...link, expiresAt, state, codeChallenge: hash('sha256', codeVerifier, 'base64url') };
  }

  /** @throws {McpAuthConsentError} */
  async finish(
    text: unknown,
    principal: string,
    to: string,
  ): Promise<ConsentFacts & { id: string; codeVerifier: string }> {
    const state = this.#accept(this.#states.open(text), principal);
    if (state.to !== to) throw new McpAuthConsentError('other_target');
    // As late as any state of this link can expire, whatever the other replicas have for `seconds`.
    const until = state.madeAt + 2 * MAX_CONSENT_SECONDS + CLOCK_MARGIN_SECONDS;
    // Last of all checks: nobody else can use up the link of a user.
    if (!(await this.used.use(state.id, until, state.madeAt))) throw new McpAuthConsentError('used');
    return state;
  }

  /** @throws {McpAuthConsentError} unless this was sealed here, for this user, and not too long ago. */
  #accept<Content extends Link>(content: Content | undefined, principal: string): Content {
    if (!content) throw new McpAuthConsentError('not_readable');
    if (content.principal !== principal) throw new McpAuthConsentError('other_user');
    if (content.expiresAt * 1000 <= this.now()) throw new McpAuthConsentError('expired');
    return content;
  }

  #times(): Pick<Link, 'madeAt' | 'expiresAt'> {
    const madeAt = Math.floor(this.now() / 1000);
    return { madeAt, expiresAt: madeAt + this.options.seconds };
  }
}
