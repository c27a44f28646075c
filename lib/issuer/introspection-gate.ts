import { timeBetween } from '../core/clock.js';
import { CoolDown, pauseAfter, UnderWayLimit } from './cool-down.js';
import { OutboundError } from './outbound-error.js';
import { tokenHash } from './token-hash.js';

/** Most requests that are under way at a time. */
const MAX_UNDER_WAY = 32;

/**
 * How many tokens in a row must fail, and within how many milliseconds, before failures that tokens may have caused stop other
 * requests.
 */
const DOUBTFUL_TOKENS = 5;
const DOUBTFUL_MS = 10_000;

/** Most active tokens that are remembered. */
const MAX_KNOWN_TOKENS = 1_000;

/**
 * What caused a failure: the endpoint, this one token, or either of the two.
 *
 * Anyone can send tokens, so a failure that a token may have caused must not stop requests about other tokens.
 */
type FailureOf = 'endpoint' | 'token' | 'either';

/** Statuses that a token cannot cause. */
const OF_ENDPOINT: ReadonlySet<number> = new Set([407, 408, 429, 502, 503, 504]);

/** Statuses below 500 that a wrong URL or a wrong secret causes, and perhaps a token. */
const OF_EITHER: ReadonlySet<number> = new Set([401, 404, 405, 410]);

function failureOf(error: unknown): FailureOf {
  if (!(error instanceof OutboundError)) return 'either';
  const { status } = error;
  if (status === undefined || OF_ENDPOINT.has(status)) return 'endpoint';
  return status >= 400 && status < 500 && !OF_EITHER.has(status) ? 'token' : 'either';
}

/** The state that is shared by all resources with the same endpoint. */
export class IntrospectionAccess {
  readonly underWay = new UnderWayLimit(MAX_UNDER_WAY);
  /** The pause after a failure of the endpoint. */
  readonly failed: CoolDown;
  /** Number of answers until now. */
  answers = 0;

  constructor(
    /** Milliseconds since the epoch. */
    readonly now: () => number,
  ) {
    this.failed = new CoolDown(now);
  }
}

/**
 * Guards an introspection endpoint, for one resource: limits the requests under way, and pauses them for a short while after a
 * failure.
 *
 * A failure that a token may have caused leads to a pause only if several different tokens failed in a row, or if the endpoint
 * has never answered this resource. Even then, tokens that were active before are still asked about.
 */
export class IntrospectionGate {
  /** The pause after failures that tokens may have caused. */
  readonly #doubted: CoolDown;
  /** The tokens that failed since the last answer, with the time of the failure in milliseconds since the epoch. */
  readonly #failedTokens = new Map<string, number>();
  /** The tokens that were active, least recently active first. */
  readonly #activeTokens = new Set<string>();
  /** Whether the endpoint has answered this resource, and so accepts its credentials. */
  #hasAnswered = false;

  constructor(private readonly access: IntrospectionAccess) {
    this.#doubted = new CoolDown(access.now);
  }

  /**
   * Asks about a token, unless requests are paused.
   *
   * @throws {NotAskedError} without asking; otherwise what `ask` throws.
   */
  async run<Answer extends { readonly active: boolean }>(token: string, ask: () => Promise<Answer>): Promise<Answer> {
    const key = tokenHash(token);
    this.access.failed.check();
    if (!this.#activeTokens.has(key)) this.#doubted.check();
    return this.access.underWay.run(async () => {
      const answersBefore = this.access.answers;
      try {
        const answer = await ask();
        this.#answered(key, answer.active);
        return answer;
      } catch (error) {
        // A request that began before the last answer says nothing about the present state of the endpoint.
        if (this.access.answers === answersBefore) this.#fail(key, error);
        throw error;
      }
    });
  }

  #answered(key: string, isActive: boolean): void {
    this.access.answers += 1;
    this.#hasAnswered = true;
    this.#failedTokens.clear();
    this.access.failed.end();
    this.#doubted.end();
    this.#activeTokens.delete(key);
    if (!isActive) return;
    this.#activeTokens.add(key);
    const [oldest] = this.#activeTokens;
    if (this.#activeTokens.size > MAX_KNOWN_TOKENS && oldest !== undefined) this.#activeTokens.delete(oldest);
  }

  #fail(key: string, error: unknown): void {
    const kind = failureOf(error);
    if (kind === 'token') return;
    const ms = pauseAfter(error);
    if (kind === 'endpoint') return this.access.failed.begin(error, ms);
    if (!this.#hasAnswered || this.#countFailed(key) >= DOUBTFUL_TOKENS) this.#doubted.begin(error, ms);
  }

  /** Counts the tokens that failed lately, including this one. */
  #countFailed(key: string): number {
    const now = this.access.now();
    this.#failedTokens.delete(key);
    for (const [other, at] of this.#failedTokens) {
      if (timeBetween(now, at) >= DOUBTFUL_MS || this.#failedTokens.size >= DOUBTFUL_TOKENS)
        this.#failedTokens.delete(other);
    }
    return this.#failedTokens.set(key, now).size;
  }
}
