import { SIGNATURE_ALGORITHMS } from '../issuer/algorithms.js';
import { showValue } from '../core/safe-text.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { readReplayStore } from './replay-store-option.js';
import { readSecrets } from './secret-option.js';

/** How a resource accepts tokens that are bound to a key of the client (RFC 9449, DPoP). */
export interface DpopOptions {
  /**
   * - `accepted`: tokens that are bound to a key need a proof with each request; others stay Bearer tokens;
   * - `required`: only tokens that are bound to a key. The metadata says so.
   * @default 'accepted'
   */
  mode?: 'accepted' | 'required';
  /**
   * The accepted signature algorithms of proofs; published in metadata and challenges. Asymmetric only.
   * @default RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519
   */
  algorithms?: string[];
  /** How far the `iat` of a proof may be from now, in either direction, in seconds, 1 to 300 (SEP-1932). @default 300 */
  proofSeconds?: number;
  /** Asks for a nonce of this server in every proof, so that no proof can be made in advance. @default none */
  nonce?: DpopNonceOptions;
  /**
   * Remembers used proofs. Let replicas share one: otherwise each of them accepts a proof once.
   * @default the memory of this process
   */
  replayStore?: ReplayStore;
  /**
   * Most proofs that are remembered in the memory of this process, for 6 to 13 minutes each; a proof takes 110 bytes. When
   * there are more, requests with a proof get 503.
   * @default 500000
   */
  maxProofs?: number;
  /**
   * Most proofs of one key that are remembered by this process; also with a `replayStore`, where each replica counts its own.
   * A client that sends more gets 429 until the oldest are forgotten; other clients are not affected. At most `maxProofs`.
   * @default a tenth of maxProofs
   */
  maxProofsPerKey?: number;
}

/** The nonces of a resource. */
export interface DpopNonceOptions {
  /**
   * The secret that nonces are made from: at least 32 characters that nobody can guess, the same on every replica. While you
   * change it, write the new one first, and then the old one.
   */
  secret: string | string[];
  /** For how long a nonce is accepted, in seconds, 60 to 3600. Clients get a new one each minute. @default 300 */
  seconds?: number;
}

/** The settings for DPoP, with every default filled in. */
export interface ResolvedDpop {
  readonly mode: 'accepted' | 'required';
  readonly algorithms: readonly string[];
  readonly proofSeconds: number;
  readonly nonce: { readonly secrets: readonly [string, ...string[]]; readonly seconds: number } | undefined;
  readonly replayStore: ReplayStore | undefined;
  readonly maxProofs: number;
  readonly maxProofsPerKey: number;
}

export const DPOP_NONCE_OPTIONS = {
  secret: readSecrets,
  seconds: (option) => option.seconds(300, 60, 3_600),
} satisfies ReadersOf<DpopNonceOptions>;

/** The most that `maxProofs` can be. */
const MOST_PROOFS = 10_000_000;

export const DPOP_OPTIONS = {
  mode: (option) => option.choice(['accepted', 'required']),
  algorithms: readAlgorithms,
  proofSeconds: (option) => option.seconds(300, 1, 300),
  nonce: optional((option) => {
    const { secret, seconds } = option.section(DPOP_NONCE_OPTIONS);
    return { secrets: secret, seconds };
  }),
  replayStore: readReplayStore,
  maxProofs: (option) => option.number(500_000, 1_000, MOST_PROOFS),
  maxProofsPerKey: optional((option) => option.number(50_000, 1, MOST_PROOFS)),
} satisfies ReadersOf<DpopOptions>;

/** The settings for DPoP; undefined if the resource does not accept it. */
export function readDpop(option: OptionReader): ResolvedDpop | undefined {
  if (!option.isGiven || option.value === 'off') return undefined;
  const read = option.section(DPOP_OPTIONS, 'mode');
  const { maxProofs, maxProofsPerKey = Math.ceil(maxProofs / 10) } = read;
  if (maxProofsPerKey > maxProofs) {
    const why = `must be at most maxProofs, which is ${maxProofs}: one client could fill the memory for all others`;
    option.at('maxProofsPerKey').refuse({ why, write: `Write fewer, such as ${Math.ceil(maxProofs / 10)}` });
  }
  return { ...read, maxProofsPerKey };
}

function readAlgorithms(option: OptionReader): readonly string[] {
  const algorithms = option.texts('Write a list such as ["ES256"]') ?? SIGNATURE_ALGORITHMS;
  for (const algorithm of algorithms.filter((name) => !SIGNATURE_ALGORITHMS.includes(name))) {
    const why = 'proofs are signed with asymmetric algorithms only, and this one is not supported';
    option.refuse({ seen: showValue(algorithm), why, write: `Choose from ${SIGNATURE_ALGORITHMS.join(', ')}` });
  }
  return algorithms;
}
