import { Injectable } from '@nestjs/common';
import { Clock } from './core/clock.js';
import { showValue } from './core/safe-text.js';
import { ResolvedOptions } from './options/options.js';
import { Revocations } from './revocation/revocations.js';
import { readTarget, type FoundTarget, type RevocationTarget } from './revocation/revocation-target.js';
import { issuerOfCredential } from './token/credential-verifier.js';

/** Which tokens of a target are revoked. */
export interface RevokeOptions {
  /**
   * Tokens with an earlier `iat` are refused; in seconds since the epoch, at most five minutes ahead. Not for `tokenId`.
   * @default the second after now, and `clockToleranceSeconds` more
   */
  readonly issuedBefore?: number;
}

/** In seconds. No token is accepted whose `iat` lies further ahead. */
const MAX_AHEAD = 300;

/** Refuses tokens before they expire. Needs the option `revocation`. */
@Injectable()
export class McpAuthRevocations {
  constructor(
    private readonly revocations: Revocations,
    private readonly options: ResolvedOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * Refuses the tokens of a principal, a session or a client, or one token, with `401 invalid_token`, and ends the streams and MCP
   * sessions that were opened with them. Counts in this process at once, and on replicas with the same store within a second.
   *
   * Does NOT tell the authorization server: it may issue new tokens, and those are accepted. Tokens count as revoked by their
   * `iat`, which has whole seconds by the clock of the authorization server. By default, a token of the same second is refused,
   * and one of the next `clockToleranceSeconds`: somebody who signs in again right away may have to do so twice. A token without
   * `iat` is refused for as long as the revocation is kept (`revocation.maxTokenSeconds`).
   *
   * @throws {TypeError} when the target or the time cannot be used, or when the issuer is not configured.
   * @throws {Error} when the option `revocation` is not set; or when the store does not take the revocation: it then counts in
   * this process, which tries again until the store takes it.
   */
  async revoke(target: RevocationTarget, options: RevokeOptions = {}): Promise<void> {
    const found = readTarget(target);
    this.#checkIssuer(found);
    const issuedBefore = this.#issuedBefore(found, options) * 1000;
    const { key, what, issuer } = found;
    await this.revocations.revoke([key], issuedBefore, { what, issuer, by: 'application' });
  }

  /** In seconds since the epoch. */
  #issuedBefore({ what }: FoundTarget, { issuedBefore }: RevokeOptions): number {
    const now = this.clock.now() / 1000;
    const write = (why: string): TypeError =>
      new TypeError(`Cannot revoke: saw ${showValue(issuedBefore)} as issuedBefore; ${why}`);
    if (what === 'token') {
      if (issuedBefore !== undefined) throw write('a token is revoked whenever it was issued: leave it out');
      return now + MAX_AHEAD + 1;
    }
    if (issuedBefore === undefined) return Math.floor(now) + 1 + this.options.clockToleranceSeconds;
    const isTime = typeof issuedBefore === 'number' && Number.isFinite(issuedBefore) && issuedBefore >= 0;
    if (isTime && issuedBefore <= now + MAX_AHEAD) return issuedBefore;
    throw write('write seconds since the epoch, at most 300 ahead');
  }

  /** If all issuers are configured, another one is a mistake: it would revoke nothing. */
  #checkIssuer({ issuer }: FoundTarget): void {
    const { resources, credentials } = this.options;
    if (issuer === undefined || resources.some(({ trustedIssuer, template }) => trustedIssuer ?? template)) return;
    const known = [
      ...resources.flatMap(({ authorizationServers }) => authorizationServers.map((server) => server.issuer)),
      ...credentials.map(({ name }) => issuerOfCredential(name)),
    ];
    if (known.includes(issuer)) return;
    throw new TypeError(`Cannot revoke: saw ${showValue(issuer)} as issuer; write one of ${known.join(', ')}`);
  }
}
