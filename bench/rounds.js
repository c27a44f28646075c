/** Arranges servers into rounds, and summarizes the rounds of one server. Pure. */
import { median } from './measure.js';

/**
 * Processor time in microseconds a request. Ratios compare the server with the unguarded run next to it: 0.9 means that the
 * guarded server answers nine requests in the time of ten unguarded ones.
 *
 * @typedef {{ cpu: number, perSecond: number, cpuRatio: number, ratio: number }} Round
 */

/**
 * The servers of one round in pairs. The unguarded server runs between the two of a pair. Every round begins with another
 * server, so each server runs sometimes before and sometimes after the unguarded one.
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
