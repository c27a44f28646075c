/** Which servers run next to each other, and what a number of short rounds says about one of them. Pure. */
import { median } from './measure.js';

/**
 * Processor time in microseconds a request. Ratios compare the server with the unguarded one that ran next to it: 0.9 means
 * that the guard leaves nine of ten requests.
 *
 * @typedef {{ cpu: number, perSecond: number, cpuRatio: number, ratio: number }} Round
 */

/**
 * The servers of one round in pairs, between which the unguarded one runs. Every round begins with another server, so that a
 * server takes its turns before the unguarded one and after it.
 *
 * @param {string[]} ids
 * @param {number} round
 * @returns {[before: string, after?: string][]}
 */
export function neighbours(ids, round) {
  const first = round % ids.length;
  const turned = [...ids.slice(first), ...ids.slice(0, first)];
  return Array.from({ length: Math.ceil(turned.length / 2) }, (_, pair) => turned.slice(2 * pair, 2 * pair + 2));
}

/**
 * @param {{ cpu: number, perSecond: number }} one
 * @param {{ cpu: number, perSecond: number }} unguarded
 * @returns {Round}
 */
export function compare(one, unguarded) {
  return {
    cpu: one.cpu,
    perSecond: one.perSecond,
    cpuRatio: unguarded.cpu / one.cpu,
    ratio: one.perSecond / unguarded.perSecond,
  };
}

/** Medians, with the middle half and the extremes of the ratio by processor time. @param {Round[]} rounds */
export function summaryOf(rounds) {
  const cpuRatios = rounds.map(({ cpuRatio }) => cpuRatio).toSorted((a, b) => a - b);
  const at = (part) => cpuRatios[Math.round(part * (cpuRatios.length - 1))];
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    ratio: median(rounds.map(({ ratio }) => ratio)),
    cpu: median(rounds.map(({ cpu }) => cpu)),
    cpuRatio: median(cpuRatios),
    middleHalf: [at(0.25), at(0.75)],
    extremes: [at(0), at(1)],
  };
}
