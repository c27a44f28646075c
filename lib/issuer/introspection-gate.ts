import { timeBetween } from '../core/clock.js';
import { CoolDown, UnderWayLimit } from './cool-down.js';
import { FAILURE_COOL_DOWN_MS } from './discovered-metadata.js';
import { OutboundError } from './outbound-error.js';
import { tokenHash } from './token-hash.js';

/** Most requests that are under way at a time. */
const MAX_UNDER_WAY = 32;

/** Longest time that a server is left alone because it asked for that (`Retry-After`), in milliseconds. */
const MAX_COOL_DOWN_MS = 60_000;

/** How many tokens in a row, and within which time, have to fail before failures that may come of tokens hold off others. */
const DOUBTFUL_TOKENS = 5;
const DOUBTFUL_MS = 10_000;

/** Most tokens that are remembered to have been active. */
const MAX_KNOWN_TOKENS = 1_000;

/**
 * What a failure says: that the endpoint fails, that this one token cannot be asked about, or either of the two.
 *
 * Anybody can send tokens, so that a failure which a token may have caused must not keep others from being asked about.
 */
type FailureOf = 'endpoint' | 'token' | 'either';

/** Statuses that no token brings about. */
const OF_ENDPOINT: ReadonlySet<number | undefined> = new Set([undefined, 407, 408, 429, 502, 503, 504]);

/** Statuses below 500 that a wrong URL or a wrong secret brings about, and perhaps a token too. */
const OF_EITHER: ReadonlySet<number> = new Set([401, 404, 405, 410]);

function failureOf(error: unknown): FailureOf {
  if (!(error instanceof OutboundError)) return 'either';
  const { status } = error;
  if (status === undefined || OF_ENDPOINT.has(status)) return 'endpoint';
  return status >= 400 && status < 500 && !OF_EITHER.has(status) ? 'token' : 'either';
}

/** What all resources that ask at one endpoint share. */
export class IntrospectionAccess {
  readonly underWay = new UnderWayLimit(MAX_UNDER_WAY);
  /** After failures that are those of the endpoint. */
  readonly failed: CoolDown;
  /** How many answers there were. */
  answers = 0;

  constructor(
    /** Milliseconds since the epoch. */
    readonly now: () => number,
  ) {
    this.failed = new CoolDown(now);
  }
}

/**
 * Stands before an introspection endpoint, for one resource: bounds how many requests are under way, and leaves the endpoint
 * alone for a short while after it has failed.
 *
 * A failure that one token may have caused leads to that only if several different tokens have failed in a row, or if the
 * endpoint has never answered this resource; and even then tokens that were active before are asked about.
 */
export class IntrospectionGate {
  /** After failures that may be those of tokens. */
  readonly #doubted: CoolDown;
  /** Since the last answer; the value is when, in milliseconds since the epoch. */
  readonly #failedTokens = new Map<string, number>();
  /** In the order in which they were last active. */
  readonly #activeTokens = new Set<string>();
  /** Whether there was an answer for this resource: with its own credentials. */
  #hasAnswered = false;

  constructor(private readonly access: IntrospectionAccess) {
    this.#doubted = new CoolDown(access.now);
  }

  /**
   * Asks about a token, unless the endpoint is to be left alone.
   *
   * @throws {NotAskedError} without asking; else what `ask` throws.
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
        // A request that began before the last answer says nothing about how the endpoint is now.
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
    const asked = error instanceof OutboundError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const ms = Math.min(Math.max(asked, FAILURE_COOL_DOWN_MS), MAX_COOL_DOWN_MS);
    if (kind === 'endpoint') return this.access.failed.begin(error, ms);
    if (!this.#hasAnswered || this.#countFailed(key) >= DOUBTFUL_TOKENS) this.#doubted.begin(error, ms);
  }

  /** How many tokens have failed lately, this one included. */
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
