import { cpus, totalmem } from 'node:os';

/** The machine, for whoever reads the figures. */
export function machine() {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`;
}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * Runs the subjects in turn, round after round, so that a machine whose speed drifts treats all alike, and returns for
 * each the median time of one call, in microseconds.
 *
 * @param {Record<string, () => Promise<unknown>>} subjects
 * @param {{ rounds?: number, calls?: number }} [options]
 */
export async function interleaved(subjects, { rounds = 30, calls = 2_000 } = {}) {
  const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, /** @type {number[]} */ ([])]));
  for (let round = -3; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(subjects)) {
      const start = process.hrtime.bigint();
      for (let call = 0; call < calls; call += 1) await run();
      const elapsed = Number(process.hrtime.bigint() - start) / 1_000 / calls;
      // The first rounds warm up.
      if (round >= 0) times[name]?.push(elapsed);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}
