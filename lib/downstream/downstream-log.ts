import type { LoggerService } from '@nestjs/common';
import { describeError, quoted } from '../core/safe-text.js';
import { TokenAnswerError, TokenRefusedError } from '../issuer/token-answer.js';
import { adviceForFailure } from '../observability/failure-advice.js';
import { writeLine } from '../observability/log-line.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';

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
    this.#write('error', api, `${text}: ${whatHappened(error)}. What to do: ${adviceFor(error, api)}`);
  }

  /** Callers get 403. Call it while no caller has got a token: then it may be that none can. */
  denied(api: ResolvedDownstream, error: unknown): void {
    const text = `No token for the API "${api.name}" from ${api.issuer} for this caller, and none was issued to another one yet`;
    this.#write('warn', api, `${text}: ${whatHappened(error)}. What to do: ${adviceFor(error, api)}`);
  }

  /** The authorization server gives no usable answer: callers get 503. */
  outage(api: ResolvedDownstream, error: unknown): void {
    const isOfProof = error instanceof TokenRefusedError && error.code === 'use_dpop_nonce';
    const advice = isOfProof
      ? 'see why the authorization server does not accept the nonce that it gave a moment before'
      : adviceForFailure(error, 'token');
    const text = `No token for the API "${api.name}" from ${api.issuer}; its callers get 503 until that works`;
    this.#write('warn', api, `${text}: ${whatHappened(error)}${advice === undefined ? '' : `. What to do: ${advice}`}`);
  }

  #write(level: 'warn' | 'error', { name }: ResolvedDownstream, line: string): void {
    const key = `${level} ${name}`;
    if (this.now() < (this.#quietUntil.get(key) ?? -Infinity)) return;
    this.#quietUntil.set(key, this.now() + QUIET_MS);
    writeLine(this.logger, level, line);
  }
}

function whatHappened(error: unknown): string {
  if (!(error instanceof TokenRefusedError)) return describeError(error);
  const { code, status, suberror, description } = error;
  const closer = suberror === undefined ? '' : ` (${quoted(suberror)})`;
  const said = description === undefined ? '' : `: ${quoted(description)}`;
  return `the token endpoint answered ${status} ${quoted(code)}${closer}${said}`;
}

/** What to do, by error code. */
const ADVICE: Readonly<Record<string, (api: ResolvedDownstream) => string>> = {
  invalid_client: ({ name, clientId }) =>
    `see that the client ${quoted(clientId)} exists, and that auth of downstream.${name} is its present secret or key`,
  unauthorized_client: ({ clientId, grant }) => `allow the client ${quoted(clientId)} the grant ${grant}`,
  unsupported_grant_type: ({ grant }) =>
    `turn on the grant ${grant} at the authorization server, or choose another one`,
  access_denied: ({ clientId }) =>
    `if no caller gets one, allow the client ${quoted(clientId)} to exchange their tokens; some servers, such as Keycloak, want it in the aud of these`,
  invalid_dpop_proof: (api) => proofAdvice(api),
  use_dpop_nonce: (api) => proofAdvice(api),
  invalid_target: ({ name }) =>
    `see that the authorization server knows resource and audience of downstream.${name}, and that this client may have tokens for them`,
  invalid_scope: ({ name }) =>
    `see that this client may have the scopes of downstream.${name}; if callers must have consented to scopes of this server first, list these in stepUpScopes`,
  invalid_request: ({ name }) =>
    `see what this authorization server expects, and set resource, audience, scopes and parameters of downstream.${name} accordingly`,
};

function proofAdvice({ name, dpop }: ResolvedDownstream): string {
  if (!dpop) return `set dpop: true in downstream.${name}, since this server issues tokens to clients with a key only`;
  return 'set the clock of this machine right, and see that the authorization server accepts the algorithm of the key';
}

function tokenAdvice({ name, clientId, dpop }: ResolvedDownstream): string {
  if (!dpop) return 'let the authorization server issue an access token of the type Bearer for this API';
  const client = quoted(clientId);
  return `let the authorization server bind the tokens of the client ${client} to its key (RFC 9449), or remove dpop of downstream.${name}`;
}

function adviceFor(error: unknown, api: ResolvedDownstream): string {
  if (error instanceof TokenRefusedError) {
    const code = error.code === 'insufficient_scope' ? 'invalid_scope' : error.code;
    const advice = Object.hasOwn(ADVICE, code) ? ADVICE[code] : undefined;
    return advice ? advice(api) : `look up this error in the documentation of the authorization server`;
  }
  if (error instanceof TokenAnswerError) return tokenAdvice(api);
  return adviceForFailure(error, 'token') ?? `see that tokenEndpoint of downstream.${api.name} is right, if it is set`;
}
