/** Orders the two servers of a pair, and summarizes the rounds of one server. Pure. */
import { median } from './measure.js';

/**
 * Processor time in microseconds a request. Ratios compare the server with the unguarded one that ran in the same round: 0.9 means that the
 * guarded server answers nine requests in the time of ten unguarded ones.
 *
 * @typedef {{ cpu: number, perSecond: number, cpuRatio: number, ratio: number }} Round
 */

/**
 * The order of a round: a guarded server and its unguarded one run equally often, and take turns in going first.
 *
 * @template T
 * @param {[unguarded: T, guarded: T]} pair
 * @param {number} round
 * @returns {T[]}
 */
export function orderOf(pair, round) {
  return round % 2 === 0 ? [...pair] : pair.toReversed();
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

/** The medians, and the middle half and extremes of the ratio by processor time. @param {Round[]} rounds */
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
