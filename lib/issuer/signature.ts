import type { CryptoKey } from 'jose';
import { decodeProtectedHeader } from 'jose/decode/protected_header';
import * as errors from 'jose/errors';
import { compactVerify } from 'jose/jws/compact/verify';
import { invalidToken, unavailable } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';
import { KeyUndecidedError, type KeyHint, type KeySet } from './key-set.js';

/** The keys and algorithms that are accepted for a signature. */
export interface SignatureRules {
  readonly keys: KeySet;
  /** Asymmetric algorithms; the header chooses among these only. */
  readonly algorithms: readonly string[];
}

/**
 * Verifies the signature of a compact JWS with the keys of one issuer, and returns the key that verified it. Reads neither the
 * payload nor key material in the header.
 *
 * @param hint from the header of the JWS, if it was read before
 * @throws {McpAuthError} `invalid_token` when no key verifies it; `temporarily_unavailable` when the keys cannot be fetched, or
 * while it is not known whether the issuer publishes the key that it names.
 */
export async function verifySignature(
  jws: string,
  { keys, algorithms }: SignatureRules,
  hint: KeyHint = hintOf(jws),
): Promise<CryptoKey> {
  const options = { algorithms: algorithms as string[] };
  const candidates = await available(keys.candidates(hint));
  const [first, ...others] = candidates;
  if (!first) throw invalidToken('key_unknown');
  try {
    await verifyWith(jws, first, options);
    return first;
  } catch (error) {
    const key =
      (await firstToVerify(jws, others, options)) ??
      (await firstToVerify(jws, await available(keys.replacements(candidates, hint)), options));
    if (key) return key;
    throw invalidToken('signature_invalid', error);
  }
}

function hintOf(jws: string): KeyHint {
  try {
    const { alg = '', kid } = decodeProtectedHeader(jws);
    return { alg, kid };
  } catch (error) {
    throw invalidToken('signature_invalid', error);
  }
}

function available(keys: MaybePromise<readonly CryptoKey[]>): MaybePromise<readonly CryptoKey[]> {
  if (!(keys instanceof Promise)) return keys;
  return keys.catch((cause: unknown) => {
    throw unavailable(cause instanceof KeyUndecidedError ? 'key_undecided' : 'issuer_unreachable', cause);
  });
}

async function firstToVerify(
  jws: string,
  keys: readonly CryptoKey[],
  options: { algorithms: string[] },
): Promise<CryptoKey | undefined> {
  for (const key of keys) {
    if (await verifies(jws, key, options)) return key;
  }
  return undefined;
}

/**
 * Whether a key verifies the signature. False after any error, since jose throws one without a code for a key that is too weak.
 */
async function verifies(jws: string, key: CryptoKey, options: { algorithms: string[] }): Promise<boolean> {
  try {
    await verifyWith(jws, key, options);
    return true;
  } catch {
    return false;
  }
}

async function verifyWith(jws: string, key: CryptoKey, options: { algorithms: string[] }): Promise<void> {
  if (!isAsLongAs(key, jws)) throw new errors.JWSSignatureVerificationFailed();
  await compactVerify(jws, key, options);
}

/**
 * Whether the signature is as long as the modulus of an RSA key (RFC 8017 §8.1.2 and §8.2.2, step 1). OpenSSL does not check
 * that for PSS: it also accepts a signature without its leading zeros. jose checks keys of other kinds.
 */
function isAsLongAs({ algorithm }: CryptoKey, jws: string): boolean {
  const { modulusLength } = algorithm as { readonly modulusLength?: number };
  if (modulusLength === undefined) return true;
  const characters = jws.length - jws.lastIndexOf('.') - 1;
  return characters === Math.ceil((Math.ceil(modulusLength / 8) * 4) / 3);
}
