/** Says what came of a run. Measures nothing. */
import { median } from './median.js';

/** The stores of tokens, sessions and proofs are full after this time, so that memory may grow until then. */
const FILLED_AFTER_MINUTES = 12;

/** A run of so many minutes has had every kind of weather. */
const ALL_WEATHER_MINUTES = 12;

/** Connections and timers that may remain beyond those at the beginning, once the load has ended. */
const MOST_HANDLES_LEFT = 200;

const MIB = 1_048_576;

/** @returns {{ what: string, seen: string, isGood: boolean }[]} */
export function verdictsOf({ load, targets, minutes, weather }) {
  const wrong = [...load.counts.values()].reduce((sum, count) => sum + count.wrong, 0);
  return [
    { what: 'wrong answers', seen: `${wrong} of ${load.done}`, isGood: wrong === 0 },
    neverSeen('kinds of requests that were never sent', unsentOf(load)),
    ...(minutes >= ALL_WEATHER_MINUTES ? [neverSeen('kinds of weather that never were', weather.unseen)] : []),
    {
      what: 'servers that ended',
      seen: names(targets.filter(({ hasDied }) => hasDied)),
      isGood: !targets.some(({ hasDied }) => hasDied),
    },
    ...targets.map((target) => handlesLeft(target)),
    ...(minutes > 2 * FILLED_AFTER_MINUTES ? targets.map((target) => growth(target)) : []),
  ];
}

function unsentOf({ sent }) {
  return [...sent].filter(([, count]) => count === 0).map(([kind]) => kind);
}

function neverSeen(what, kinds) {
  return { what, seen: kinds.length === 0 ? 'none' : kinds.join('; '), isGood: kinds.length === 0 };
}

function names(targets) {
  return targets.length === 0 ? 'none' : targets.map(({ name }) => name).join(', ');
}

function handlesLeft({ name, samples }) {
  const first = samples[0]?.handles ?? 0;
  const last = samples.at(-1)?.handles ?? 0;
  return {
    what: `handles, ${name}`,
    seen: `${first} at first, ${last} at the end`,
    isGood: last - first < MOST_HANDLES_LEFT,
  };
}

/** Compares the heap after a collection, once the stores are full, with that at the end. */
function growth({ name, samples }) {
  const collected = samples.filter(({ heap }) => heap !== undefined);
  const from = collected[0].at + FILLED_AFTER_MINUTES * 60_000;
  const filled = collected.filter(({ at }) => at >= from).map(({ heap }) => heap);
  const part = Math.max(1, Math.floor(filled.length / 4));
  const [before, after] = [median(filled.slice(0, part)), median(filled.slice(-part))];
  const seen = `${mib(before)} MiB ${FILLED_AFTER_MINUTES} minutes after the start, ${mib(after)} MiB at the end`;
  return { what: `heap in use, ${name}`, seen, isGood: after < before * 1.15 + 5 * MIB };
}

function mib(bytes) {
  return (bytes / MIB).toFixed(0);
}

/** The text of RESULTS.md. */
export function reportOf({ load, minutes, seed, perSecond, weather, points }, verdicts) {
  const latency = median(points.flatMap(({ median: one }) => one ?? [])).toFixed(1);
  return `# Soak

Written by \`npm run soak -- --minutes=${minutes} --seed=${seed} --write\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}. Not edited by hand.

${minutes} minutes at ${perSecond} scenarios a second, half of what the machine can do; the load ran on it, too. The authorization
servers changed ${weather.events.length} times: keys were rotated, and endpoints were down, slow, or answered wrongly for eight
seconds. A call with a known token took ${latency} ms in the median, of which its tool waits 5.

![Memory, latency and load over time](soak.svg)

${table(
  ['what', 'seen', 'as it must be'],
  verdicts.map(({ what, seen, isGood }) => [what, seen, isGood ? 'yes' : '**no**']),
)}

${table(
  ['what clients did', 'right', 'wrong', 'could not be tried'],
  [...load.counts].map(([name, { right, wrong, inconclusive }]) => [name, right, wrong, inconclusive]),
)}${load.wrong.length === 0 ? '' : `\n\nWrong answers:\n\n${load.wrong.map((text) => `- ${text}`).join('\n')}`}`;
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
