import type { LoggerService } from '@nestjs/common';
import type { Finding } from './issuer/review.js';

/** Told about what keeps tokens from being judged, so that the operator hears of it; clients get a 503. */
export interface FailureReports {
  keysFailed(issuer: string, error: unknown): void;
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
export class FailureLog implements FailureReports {
  #quietUntil = -Infinity;

  constructor(
    private readonly logger: Pick<LoggerService, 'warn'>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  keysFailed(issuer: string, error: unknown): void {
    const what = `The keys of ${issuer} cannot be had; its tokens are answered with 503 until they can`;
    this.logger.warn(`${what}: ${describe(error)}`);
  }

  introspectionFailed(issuer: string, error: unknown): void {
    const what = `The introspection endpoint of ${issuer} gives no usable answer; its tokens are answered with 503 until it does`;
    this.logger.warn(`${what}: ${describe(error)}`);
  }

  lookUpFailed(issuer: string, error: unknown): void {
    this.#warnNowAndThen(`The issuer ${JSON.stringify(issuer)} could not be looked up, and was answered with 503: ${describe(error)}`);
  }

  verifierFailed(error: unknown, token: string): void {
    const text = withoutToken(describe(error), token);
    this.#warnNowAndThen(`The configured verifier failed, and its token was answered with 503: ${text}`);
  }

  serverFound(issuer: string, { id, seen, consequence, remedy }: Finding): void {
    this.logger.warn(`The authorization server ${issuer} (${id}): ${seen}; ${consequence}. What to do: ${remedy}`);
  }

  #warnNowAndThen(line: string): void {
    if (this.now() < this.#quietUntil) return;
    this.#quietUntil = this.now() + QUIET_MS;
    this.logger.warn(line);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
}

/** The application may put into its errors what it likes. */
function withoutToken(text: string, token: string): string {
  const secrets = [token, ...token.split('.').filter((part) => part.length >= 8)];
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}
