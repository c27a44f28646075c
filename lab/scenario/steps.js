import { APIS } from './apis.js';
import { CERTIFICATES } from './certificates.js';
import { CLIENTS } from './clients.js';
import { DISCOVERY } from './discovery.js';
import { FAILURES } from './failures.js';
import { TOKENS } from './tokens.js';

/**
 * @typedef {object} Step
 * @property {string} id names the row, the same for all products
 * @property {string} what one plain phrase that says what is tried
 * @property {(lab: import('./lab.js').Lab) => boolean} [when] whether it can be tried with this product; without it, always
 * @property {(lab: import('./lab.js').Lab) => Promise<string>} run returns what was seen
 */

/**
 * The scenario, in its order. What a product has of its own comes before the failures, which restart it.
 *
 * @param {import('../products/product.js').Product} product
 * @returns {Step[]}
 */
export function stepsOf({ steps = [] }) {
  return [...DISCOVERY, ...CLIENTS, ...TOKENS, ...APIS, ...CERTIFICATES, ...steps, ...FAILURES];
}
