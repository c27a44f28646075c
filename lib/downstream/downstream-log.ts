import type { LoggerService } from '@nestjs/common';
import { describeError, quoted } from '../core/safe-text.js';
import { TokenRefusedError } from '../issuer/token-answer.js';
import { adviceForFailure } from '../observability/failure-advice.js';
import { writeLine } from '../observability/log-line.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';
import { adviceFor } from './downstream-advice.js';
import { causeOf } from './downstream-refusal.js';

/** Shortest time between two lines of the same level about one API, in milliseconds. */
const QUIET_MS = 30_000;

/** Writes to the log why there are no tokens for an API, and what to do. Never writes a token or a secret. */
export class DownstreamLog {
  readonly #quietUntil = new Map<string, number>();

  constructor(
    private readonly logger: Pick<LoggerService, 'warn' | 'error'>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** The operator has to change something: tools that need the API fail until then. */
  mistake(api: ResolvedDownstream, error: unknown): void {
    const text = `No token for the API "${api.name}" from ${api.issuer}, and callers cannot change that`;
    this.#write('error', api, `${text}: ${whatHappened(error, api)}. What to do: ${adviceFor(error, api)}`);
  }

  /** Callers are refused. Call it while no caller has got a token: then it may be that none can. */
  denied(api: ResolvedDownstream, error: unknown): void {
    const text = `No token for the API "${api.name}" from ${api.issuer} for this caller, and none was issued to another one yet`;
    this.#write('warn', api, `${text}: ${whatHappened(error, api)}. What to do: ${adviceFor(error, api)}`);
  }

  /** The authorization server gives no usable answer: callers get 503. */
  outage(api: ResolvedDownstream, error: unknown): void {
    const cause = causeOf(error);
    const isOfProof = cause instanceof TokenRefusedError && cause.code === 'use_dpop_nonce';
    const advice = isOfProof
      ? 'see why the authorization server does not accept the nonce that it gave a moment before'
      : adviceForFailure(cause, 'token');
    const text = `No token for the API "${api.name}" from ${api.issuer}; its callers get 503 until that works`;
    this.#write(
      'warn',
      api,
      `${text}: ${whatHappened(error, api)}${advice === undefined ? '' : `. What to do: ${advice}`}`,
    );
  }

  #write(level: 'warn' | 'error', { name }: ResolvedDownstream, line: string): void {
    const key = `${level} ${name}`;
    if (this.now() < (this.#quietUntil.get(key) ?? -Infinity)) return;
    this.#quietUntil.set(key, this.now() + QUIET_MS);
    writeLine(this.logger, level, line);
  }
}

function whatHappened(error: unknown, api: ResolvedDownstream): string {
  const cause = causeOf(error);
  const where = cause === error ? '' : `the identity provider ${api.identityProvider?.issuer} issued no ID-JAG: `;
  if (!(cause instanceof TokenRefusedError)) return `${where}${describeError(cause)}`;
  const { code, status, suberror, description } = cause;
  const closer = suberror === undefined ? '' : ` (${quoted(suberror)})`;
  const said = description === undefined ? '' : `: ${quoted(description)}`;
  return `${where}the token endpoint answered ${status} ${quoted(code)}${closer}${said}`;
}
