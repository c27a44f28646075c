import { compactVerify, type CryptoKey } from 'jose';
import { invalidToken, McpAuthError } from '../core/error.js';
import type { KeyInput, KeySet } from './keys.js';

/** Whose signatures count, and which. */
export interface SignatureRules {
  readonly keys: KeySet;
  /** Asymmetric algorithms; the header chooses among these only. */
  readonly algorithms: ReadonlySet<string>;
}

/** Seconds a client is asked to wait when the keys of an issuer cannot be had. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Verifies the signature of a compact JWS with the keys of one issuer, and returns the key that did it. Does not look
 * at the payload, nor at key material in the header.
 *
 * @throws {McpAuthError} `invalid_token` when no key verifies it, `temporarily_unavailable` when there are no keys to be had.
 */
export async function verifySignature(jws: string, { keys, algorithms }: SignatureRules): Promise<CryptoKey> {
  const options = { algorithms: [...algorithms] };
  let input: KeyInput | undefined;
  let candidates: readonly CryptoKey[] = [];
  // The first candidate goes through jose's own key function, which is handed the header as jose parsed it.
  const choose = async (...given: KeyInput): Promise<CryptoKey> => {
    input = given;
    candidates = await available(keys.candidates(...given));
    const [first] = candidates;
    if (!first) throw invalidToken('key_unknown');
    return first;
  };
  try {
    return (await compactVerify(jws, choose, options)).key;
  } catch (error) {
    if (error instanceof McpAuthError) throw error;
    const key =
      (await firstToVerify(jws, candidates.slice(1), options)) ??
      (input && (await firstToVerify(jws, await available(keys.successors(candidates, ...input)), options)));
    if (key) return key;
    throw invalidToken('signature_invalid', error);
  }
}

async function available(keys: Promise<readonly CryptoKey[]>): Promise<readonly CryptoKey[]> {
  try {
    return await keys;
  } catch (cause) {
    throw new McpAuthError('temporarily_unavailable', 'issuer_unreachable', {
      cause,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
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

/** jose throws an uncoded error for keys it finds too weak, so that any error means: not with this key. */
async function verifies(jws: string, key: CryptoKey, options: { algorithms: string[] }): Promise<boolean> {
  try {
    await compactVerify(jws, key, options);
    return true;
  } catch {
    return false;
  }
}
