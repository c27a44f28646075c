import type { LoggerService } from '@nestjs/common';
import type { InactiveToken } from '../resource-servers/failure-reports.js';
import { productOf } from '../products/known-products.js';
import type { Finding } from '../products/metadata-review/finding.js';
import { describeError, quoted, redactToken } from '../core/safe-text.js';
import type { IssuerPart } from './event-types.js';
import { adviceForFailure } from './failure-advice.js';
import { writeLine } from './log-line.js';

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

  keysFailed(issuer: string, what: 'metadata' | 'keys', error: unknown): void {
    this.#failed(`The keys of ${issuer} cannot be had; its tokens are answered with 503 until they can`, what, error);
  }

  introspectionFailed(issuer: string, what: 'metadata' | 'introspection', error: unknown): void {
    const text = `The introspection endpoint of ${issuer} gives no usable answer; its tokens are answered with 503 until it does`;
    this.#failed(text, what, error);
  }

  introspectionBusy(issuer: string): void {
    const why = 'too many requests to it are under way';
    this.#warnNowAndThen(
      `Tokens of ${issuer} were answered with 503 without asking its introspection endpoint: ${why}`,
    );
  }

  /** Nothing of the token: it may have been made up. */
  introspectionInactive(issuer: string, { isInTime, clientId }: InactiveToken): void {
    const seen = isInTime
      ? `Refused a token of ${issuer} whose exp is still to come: the introspection endpoint says that it is not active. ` +
        'It was revoked or made up, or this client may not introspect it'
      : `Refused every token of ${issuer} so far: the introspection endpoint says that none is active. Perhaps this client may not introspect them`;
    const product = productOf(issuer);
    const advice = product?.advice.introspection
      ? `${product.name}: ${product.advice.introspection(clientId)}`
      : `see that the client "${clientId}" may introspect tokens that were issued to other clients, for this resource`;
    writeLine(this.logger, 'warn', `${seen}. What to do: ${advice}`);
  }

  recovered(issuer: string, what: IssuerPart): void {
    const which = {
      metadata: 'The metadata',
      keys: 'The keys',
      introspection: 'The answers of the introspection endpoint',
    }[what];
    writeLine(this.logger, 'log', `${which} of ${issuer} can be had again`);
  }

  lookUpFailed(issuer: string, error: unknown): void {
    this.#warnNowAndThen(
      `The issuer ${quoted(issuer)} could not be looked up, and was answered with 503: ${describeError(error)}`,
    );
  }

  verifierFailed(error: unknown, token: string): void {
    const text = redactToken(describeError(error), token);
    this.#warnNowAndThen(`The configured verifier failed, and its token was answered with 503: ${text}`);
  }

  serverFound(issuer: string, { id, seen, consequence, remedy }: Finding): void {
    writeLine(
      this.logger,
      'warn',
      `The authorization server ${issuer} (${id}): ${seen}; ${consequence}. What to do: ${remedy}`,
    );
  }

  #failed(text: string, what: IssuerPart, error: unknown): void {
    const advice = adviceForFailure(error, what);
    writeLine(
      this.logger,
      'warn',
      `${text}: ${describeError(error)}${advice === undefined ? '' : `. What to do: ${advice}`}`,
    );
  }

  #warnNowAndThen(line: string): void {
    if (this.now() < this.#quietUntil) return;
    this.#quietUntil = this.now() + QUIET_MS;
    writeLine(this.logger, 'warn', line);
  }
}
