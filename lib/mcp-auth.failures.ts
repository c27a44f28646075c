import type { LoggerService } from '@nestjs/common';
import type { JSONWebKeySet } from 'jose';
import type { Finding } from './issuer/review.js';
import { shown } from './core/seen.js';
import { describeError, withoutToken } from './token/error-text.js';
import type { IssuerPart } from './mcp-auth.event.js';
import { writeLine } from './mcp-auth.log-line.js';

/**
 * Told about what keeps tokens from being judged, so that the operator hears of it, clients getting a 503; and about what
 * shows that it does not any more.
 */
export interface FailureReports {
  keysFetched(issuer: string, keys: JSONWebKeySet): void;
  keysFailed(issuer: string, error: unknown): void;
  introspectionAnswered(issuer: string): void;
  introspectionFailed(issuer: string, error: unknown): void;
  /** @param issuer as a token names it, which nobody has verified */
  lookUpFailed(issuer: string, error: unknown): void;
  verifierFailed(error: unknown, token: string): void;
  /** Not about tokens: clients will fail before they have one. */
  serverFound(issuer: string, finding: Finding): void;
}

/** Shortest time between two lines about failures that any request can bring about, in milliseconds. */
const QUIET_MS = 30_000;

/** Writes failures to the log: what failed and how, and nothing of tokens. */
export class FailureLog {
  #quietUntil = -Infinity;

  constructor(
    private readonly logger: Pick<LoggerService, 'warn' | 'log'>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  keysFailed(issuer: string, error: unknown): void {
    const what = `The keys of ${issuer} cannot be had; its tokens are answered with 503 until they can`;
    writeLine(this.logger, 'warn', `${what}: ${describeError(error)}`);
  }

  introspectionFailed(issuer: string, error: unknown): void {
    const what = `The introspection endpoint of ${issuer} gives no usable answer; its tokens are answered with 503 until it does`;
    writeLine(this.logger, 'warn', `${what}: ${describeError(error)}`);
  }

  recovered(issuer: string, what: IssuerPart): void {
    const which = { metadata: 'The metadata', keys: 'The keys', introspection: 'The answers of the introspection endpoint' }[what];
    writeLine(this.logger, 'log', `${which} of ${issuer} can be had again`);
  }

  lookUpFailed(issuer: string, error: unknown): void {
    this.#warnNowAndThen(`The issuer ${shown(issuer)} could not be looked up, and was answered with 503: ${describeError(error)}`);
  }

  verifierFailed(error: unknown, token: string): void {
    const text = withoutToken(describeError(error), token);
    this.#warnNowAndThen(`The configured verifier failed, and its token was answered with 503: ${text}`);
  }

  serverFound(issuer: string, { id, seen, consequence, remedy }: Finding): void {
    writeLine(this.logger, 'warn', `The authorization server ${issuer} (${id}): ${seen}; ${consequence}. What to do: ${remedy}`);
  }

  #warnNowAndThen(line: string): void {
    if (this.now() < this.#quietUntil) return;
    this.#quietUntil = this.now() + QUIET_MS;
    writeLine(this.logger, 'warn', line);
  }
}
