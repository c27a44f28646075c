/**
 * What a run has to see in one step, and what that means for a user.
 *
 * @typedef {{ seen: string, result: 'works' | 'fails' | 'absent', note?: string }} Expectation
 */

/** What a step sees that a product does not offer. */
export const NOT_OFFERED = 'not offered';

/** @returns {Expectation} */
export function works(seen, note) {
  return { seen, result: 'works', ...(note !== undefined && { note }) };
}

/** @returns {Expectation} */
export function fails(seen, note) {
  return { seen, result: 'fails', note };
}

/** @returns {Expectation} */
export function absent(note) {
  return { seen: NOT_OFFERED, result: 'absent', ...(note !== undefined && { note }) };
}
