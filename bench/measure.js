import { cpus, release, totalmem, type } from 'node:os';

/** Describes the machine, for readers of the figures. */
export function machine() {
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const [kernel] = /^\d+\.\d+/.exec(release()) ?? [''];
  return `${cpus().length} × ${cpu?.model.trim()}, ${memory}, Node ${process.version}, ${type()} ${kernel}`;
}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * A function to measure. Each call of `run` gets a new value from `prepare`. The time of `prepare` does not count.
 *
 * @typedef {{ prepare?: () => unknown, run: (prepared: any) => Promise<unknown> }} Measured
 */

/** The time in microseconds. */
function wallTime() {
  return Number(process.hrtime.bigint()) / 1_000;
}

/** The processor time of this process with all its threads, in microseconds: other processes change it little. */
export function processorTime() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/**
 * Runs the subjects in turn, round after round, and in the opposite order every second round: changes in the speed of the machine
 * affect all of them. Returns for each subject the time of one call in every round, in microseconds.
 *
 * @param {Record<string, Measured>} subjects
 * @param {{ rounds?: number, calls?: number, clock?: () => number }} [options]
 */
export async function interleaved(subjects, { rounds = 30, calls = 2_000, clock = wallTime } = {}) {
  const entries = Object.entries(subjects);
  const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, /** @type {number[]} */ ([])]));
  for (let round = -3; round < rounds; round += 1) {
    for (const [name, { prepare = () => undefined, run }] of round % 2 === 0 ? entries : entries.toReversed()) {
      const prepared = Array.from({ length: calls }, prepare);
      const start = clock();
      for (const one of prepared) await run(one);
      const elapsed = (clock() - start) / calls;
      // The first rounds warm up.
      if (round >= 0) times[name]?.push(elapsed);
    }
  }
  return times;
}

/** The median ratio of two times, each taken within a round. */
export function ratioOf(one, other) {
  return median(one.map((time, round) => time / other[round]));
}
