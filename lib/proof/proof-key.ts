import { hash } from 'node:crypto';
import type { CryptoKey, JWK } from 'jose';
import { importJWK } from 'jose/key/import';
import { LRUCache } from 'lru-cache';
import { isRecord, ownMember } from '../core/record.js';

/** A public key that a client sent in a proof. Nothing vouches for it but the `cnf` of a token. */
export interface ProofKey {
  /** @see RFC 7638 */
  readonly thumbprint: string;
  readonly import: () => Promise<CryptoKey>;
}

/** The members that make a key, in the order of RFC 7638 §3.2. All others, such as `kid`, do not change the key. */
const REQUIRED_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
};

/** Members of private and symmetric keys (RFC 7518 §6). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Longest member, in characters: an RSA modulus of 4,096 bits. A longer one makes the server work for longer. */
const MAX_MEMBER_LENGTH = 683;

/** Longest public exponent of RSA, in characters: 32 bits. */
const MAX_EXPONENT_LENGTH = 6;

/** A key that was imported, since a token is bound to it. */
interface ImportedKey {
  readonly thumbprint: string;
  readonly key: Promise<CryptoKey>;
}

/** Imported keys, by algorithm and members: a client uses one key for all its proofs. */
const imported = new LRUCache<string, ImportedKey>({ max: 1_000 });

/**
 * Reads the public key in the header of a proof; undefined if it is missing, holds a private member, is symmetric, or is larger
 * than any key in use. Does not check that it fits the algorithm: importing it and verifying with it do.
 *
 * @see RFC 9449 §4.2 and §4.3
 */
export function proofKeyOf(value: unknown, alg: string): ProofKey | undefined {
  if (!isRecord(value) || PRIVATE_MEMBERS.some((name) => Object.hasOwn(value, name))) return undefined;
  const type = ownMember(value, 'kty');
  const names = typeof type === 'string' && Object.hasOwn(REQUIRED_MEMBERS, type) ? REQUIRED_MEMBERS[type] : undefined;
  if (!names) return undefined;
  const members = names.map((name) => [name, ownMember(value, name)] as const);
  if (!members.every(([name, member]) => isFit(name, member))) return undefined;
  // Only these members are imported: nothing else in the header can change what the key is or may do.
  const key = Object.fromEntries(members);
  const text = JSON.stringify(key);
  const name = `${alg} ${text}`;
  const thumbprint = imported.get(name)?.thumbprint ?? hash('sha256', text, 'base64url');
  return { thumbprint, import: () => importOnce(key as JWK, alg, { name, thumbprint }) };
}

/** Whether a member is text of a length that keys in use have. base64url needs no escapes in JSON. */
function isFit(name: string, member: unknown): boolean {
  if (typeof member !== 'string' || !/^[\w-]+$/.test(member)) return false;
  return member.length <= (name === 'e' ? MAX_EXPONENT_LENGTH : MAX_MEMBER_LENGTH);
}

function importOnce(
  key: JWK,
  alg: string,
  { name, thumbprint }: { readonly name: string; readonly thumbprint: string },
): Promise<CryptoKey> {
  const known = imported.get(name);
  if (known) return known.key;
  const importing = importJWK(key, alg) as Promise<CryptoKey>;
  imported.set(name, { thumbprint, key: importing });
  // Only keys that can be imported are remembered.
  importing.catch(() => imported.delete(name));
  return importing;
}
