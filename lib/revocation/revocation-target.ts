import { isRecord, ownMember } from '../core/record.js';
import { showValue } from '../core/safe-text.js';
import { principalKeyOf } from '../caller/caller.js';
import type { RevokedKind } from './revocation-reports.js';
import { revocationKey } from './revocation-subject.js';

/**
 * What to revoke. Names are compared with those in tokens, code point by code point:
 *
 * - `principal`: all tokens of a user, or of a client that acts for itself: by `McpAuthInfo.principalKey`, or by issuer and subject;
 * - `sessionId`: tokens with this claim `sid`, of that issuer. Tokens without `sid` are not found by it;
 * - `tokenId`: the token with this claim `jti`, of that issuer;
 * - `client`: all tokens that were issued to this client ID, whoever the user is.
 *
 * The issuer of another credential, such as an API key, is `credential:` and its name.
 */
export type RevocationTarget =
  | { readonly principal: string | { readonly issuer: string; readonly subject: string } }
  | { readonly sessionId: string; readonly issuer: string }
  | { readonly tokenId: string; readonly issuer: string }
  | { readonly client: string; readonly issuer: string };

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
