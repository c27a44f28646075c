import { isRecord, ownMember } from '../core/record.js';
import { showValue } from '../core/safe-text.js';
import { principalKeyOf } from '../caller/caller.js';
import type { RevokedKind } from './revocation-reports.js';
import { revocationKey } from './revocation-subject.js';

/** Names a principal by its issuer, and by what tokens call it. */
export interface NamedPrincipal {
  /** The `iss` of its tokens. The issuer of another credential, such as an API key, is `credential:` and its name. */
  readonly issuer: string;
  /** The `sub` of its tokens. */
  readonly subject: string;
}

/** All tokens of a user, or of a client that acts for itself. */
export interface RevokedPrincipal {
  /** `McpAuthInfo.principalKey`, or issuer and subject. */
  readonly principal: string | NamedPrincipal;
}

/** All tokens of a session at an authorization server. Tokens without `sid` are NOT found by it. */
export interface RevokedSession {
  /** The claim `sid` of the tokens. */
  readonly sessionId: string;
  /** The `iss` of the tokens. */
  readonly issuer: string;
}

/** One token. */
export interface RevokedToken {
  /** The claim `jti` of the token. */
  readonly tokenId: string;
  /** The `iss` of the token. */
  readonly issuer: string;
}

/** All tokens that were issued to a client, whoever the user is. */
export interface RevokedClient {
  /** The client ID. */
  readonly client: string;
  /** The `iss` of the tokens. */
  readonly issuer: string;
}

/** What to revoke. Names are compared with those in tokens, code point by code point. */
export type RevocationTarget = RevokedPrincipal | RevokedSession | RevokedToken | RevokedClient;

/** A checked target. */
export interface FoundTarget {
  readonly what: RevokedKind;
  readonly key: string;
  /** Undefined for a principal that was named by its key. */
  readonly issuer: string | undefined;
}

const PRINCIPAL_KEY = /^[\w-]{43}$/;

const TARGETS = {
  sessionId: 'session',
  tokenId: 'token',
  client: 'client',
} as const satisfies Readonly<Record<string, Exclude<RevokedKind, 'principal'>>>;

/**
 * Reads what the application wants to revoke. A value that nothing could match is refused: it would revoke nothing.
 *
 * @throws {TypeError} that says what was seen and what to write.
 */
export function readTarget(target: unknown): FoundTarget {
  if (!isRecord(target)) throw refusal('the target', target, 'an object such as { principal: auth.principalKey }');
  const names = ['principal', ...Object.keys(TARGETS)].filter((name) => ownMember(target, name) !== undefined);
  const [name, ...others] = names;
  if (name === undefined || others.length > 0) {
    throw refusal('the target', names, 'exactly one of principal, sessionId, tokenId and client');
  }
  if (name === 'principal') return principalIn(target);
  const what = TARGETS[name as keyof typeof TARGETS];
  const value = textIn(target, name);
  const issuer = textIn(target, 'issuer');
  refuseOthers(target, [name, 'issuer']);
  return { what, issuer, key: revocationKey[what](issuer, value) };
}

function principalIn(target: Readonly<Record<string, unknown>>): FoundTarget {
  const principal = ownMember(target, 'principal');
  refuseOthers(target, ['principal']);
  if (typeof principal === 'string') {
    if (!PRINCIPAL_KEY.test(principal))
      throw refusal('principal', principal, 'McpAuthInfo.principalKey, or { issuer, subject }');
    return { what: 'principal', key: revocationKey.principal(principal), issuer: undefined };
  }
  if (!isRecord(principal)) throw refusal('principal', principal, 'McpAuthInfo.principalKey, or { issuer, subject }');
  refuseOthers(principal, ['issuer', 'subject']);
  const issuer = textIn(principal, 'issuer');
  const key = principalKeyOf(issuer, textIn(principal, 'subject'), undefined);
  return { what: 'principal', key: revocationKey.principal(key), issuer };
}

function textIn(source: Readonly<Record<string, unknown>>, name: string): string {
  const value = ownMember(source, name);
  if (typeof value === 'string' && value !== '') return value;
  throw refusal(name, value, 'a non-empty string');
}

function refuseOthers(source: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const others = Object.keys(source).filter((name) => source[name] !== undefined && !known.includes(name));
  if (others.length > 0) throw refusal('the target', others, `no other members than ${known.join(' and ')}`);
}

function refusal(what: string, seen: unknown, write: string): TypeError {
  return new TypeError(`Cannot revoke: saw ${showValue(seen)} as ${what}; write ${write}`);
}
