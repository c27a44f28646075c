import type { LoggerService } from '@nestjs/common';
import type { InactiveToken } from '../resource-servers/failure-reports.js';
import { productOf } from '../products/known-products.js';
import type { Finding } from '../products/metadata-review/finding.js';
import type { SharedStoreOption } from '../shared-state/store-reports.js';
import { describeError, quoted, redactToken } from '../core/safe-text.js';
import type { IssuerPart } from './event-types.js';
import { adviceForFailure } from './failure-advice.js';
import { writeLine } from './log-line.js';

/** Shortest time between two lines about failures that any request can cause, in milliseconds. */
const QUIET_MS = 30_000;

/** What depends on each store, and its answer. */
const STORE_CONSEQUENCES: Readonly<Record<SharedStoreOption, string>> = {
  'dpop.replayStore': 'requests with a DPoP proof get 503',
  'sessions.store': 'requests that name an MCP session get 503',
  'consent.replayStore': 'users who return from a third party get 503',
  'revocation.backChannelLogout.replayStore': 'logout tokens get 400',
  'downstream.sharedCache': 'each replica requests tokens for APIs by itself',
};

/** Writes failures to the log: what failed and how. Never writes a token or a part of one. */
export class FailureLog {
  #quietUntil = -Infinity;

  constructor(
    private readonly logger: Pick<LoggerService, 'warn' | 'log'>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  keysFailed(issuer: string, what: 'metadata' | 'keys', error: unknown): void {
    this.#failed(`Cannot fetch the keys of ${issuer}; its tokens get 503 until that works`, what, error);
  }

  introspectionFailed(issuer: string, what: 'metadata' | 'introspection', error: unknown): void {
    const text = `The introspection endpoint of ${issuer} gives no usable answer; its tokens get 503 until it does`;
    this.#failed(text, what, error);
  }

  introspectionBusy(issuer: string): void {
    const why = 'too many requests to it are pending';
    this.#warnNowAndThen(`Tokens of ${issuer} got 503 without a request to its introspection endpoint: ${why}`);
  }

  /** Writes nothing of the token: it may be invented. */
  introspectionInactive(issuer: string, { isInTime, clientId }: InactiveToken): void {
    const seen = isInTime
      ? `Refused an unexpired token of ${issuer}: the introspection endpoint says that it is not active. ` +
        'It was revoked or invented, or this client may not introspect it'
      : `Refused every token of ${issuer} so far: the introspection endpoint calls each of them inactive. Perhaps this client may not introspect them`;
    const product = productOf(issuer);
    const advice = product?.advice.introspection
      ? `${product.name}: ${product.advice.introspection(clientId)}`
      : `let the client "${clientId}" introspect tokens that were issued to other clients, for this resource`;
    writeLine(this.logger, 'warn', `${seen}. What to do: ${advice}`);
  }

  recovered(issuer: string, what: IssuerPart): void {
    const line = {
      metadata: `The metadata of ${issuer} can be fetched again`,
      keys: `The keys of ${issuer} can be fetched again`,
      introspection: `The introspection endpoint of ${issuer} answers again`,
    }[what];
    writeLine(this.logger, 'log', line);
  }

  storeFailed(option: SharedStoreOption, text: string): void {
    writeLine(
      this.logger,
      'warn',
      `The store of the option ${option} does not answer as it should; ${STORE_CONSEQUENCES[option]} until it does: ${text}`,
    );
  }

  storeRecovered(option: SharedStoreOption): void {
    writeLine(this.logger, 'log', `The store of the option ${option} answers again`);
  }

  lookUpFailed(issuer: string, error: unknown): void {
    this.#warnNowAndThen(
      `The lookup of the issuer ${quoted(issuer)} failed, and its token got 503: ${describeError(error)}`,
    );
  }

  tenantLookUpFailed(identifier: string, error: unknown): void {
    this.#warnNowAndThen(
      `The lookup of the tenant ${quoted(identifier)} failed, and its request got 503: ${describeError(error)}`,
    );
  }

  tenantsShareTokens(identifier: string, other: string): void {
    this.#warnNowAndThen(
      `The tenants ${quoted(identifier)} and ${quoted(other)} have an audience and an issuer in common, so each accepts the tokens of ` +
        'the other. What to do: let resolveTenant return a different audience for each tenant, or leave the audience out',
    );
  }

  verifierFailed(error: unknown, token: string): void {
    const text = redactToken(describeError(error), token);
    this.#warnNowAndThen(`The configured verifier failed, and the token got 503: ${text}`);
  }

  challengeScopesFailed(resource: string, error: unknown): void {
    const text = describeError(error);
    this.#warnNowAndThen(
      `scopes.challenge of the resource ${resource} was not followed, and a challenge names the needed scopes only: ${text}`,
    );
  }

  credentialFailed(name: string, error: unknown, credential: string): void {
    const text = redactToken(describeError(error), credential);
    this.#warnNowAndThen(`The function verify of the credential "${name}" failed, and the request got 503: ${text}`);
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
