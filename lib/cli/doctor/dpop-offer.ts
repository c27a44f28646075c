import { ownMember } from '../../core/record.js';
import { textsAt } from './check.js';
import type { ReadChallenge } from './read-challenge.js';

type Document = Readonly<Record<string, unknown>>;

/** How an MCP server says that it accepts tokens that are bound to a key. */
export interface DpopOffer {
  /** Whether it says that it accepts no others. */
  readonly isRequired: boolean;
  /** The algorithms in its metadata; undefined without the member. */
  readonly published: readonly string[] | undefined;
  /** The algorithms in its challenge; undefined without a challenge of the scheme DPoP. */
  readonly challenged: readonly string[] | undefined;
  readonly offersBearer: boolean;
}

export const DPOP_ALGORITHMS = 'dpop_signing_alg_values_supported';
export const DPOP_REQUIRED = 'dpop_bound_access_tokens_required';

/** What metadata and challenge say about DPoP; undefined if neither mentions it. */
export function dpopOfferOf(challenge: ReadChallenge, document: Document = {}): DpopOffer | undefined {
  const dpop = 'main' in challenge ? challenge.dpop : undefined;
  const bearer = 'main' in challenge ? challenge.bearer : undefined;
  const published = ownMember(document, DPOP_ALGORITHMS) === undefined ? undefined : textsAt(document, DPOP_ALGORITHMS);
  const isRequired = ownMember(document, DPOP_REQUIRED) === true;
  if (!dpop && published === undefined && !isRequired) return undefined;
  const challenged = dpop && (dpop.params['algs'] ?? '').split(' ').filter((name) => name !== '');
  return { isRequired, published, challenged, offersBearer: bearer !== undefined };
}

/** The algorithms of proofs that the server accepts, as far as it says so. */
export function algorithmsIn({ published, challenged }: DpopOffer): readonly string[] {
  return challenged && challenged.length > 0 ? challenged : (published ?? []);
}

/** Algorithms for which the doctor makes keys, the fastest first. */
const OWN_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'ES384', 'ES512', 'PS256', 'RS256'];

/** An algorithm that the server accepts; undefined if the doctor has none of them. */
export function usableAlgorithm(offer: DpopOffer): string | undefined {
  const accepted = algorithmsIn(offer);
  return accepted.length === 0 ? OWN_ALGORITHMS[0] : OWN_ALGORITHMS.find((name) => accepted.includes(name));
}
