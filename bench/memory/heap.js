import { setImmediate } from 'node:timers/promises';

/** Collects garbage and returns the memory in use, in bytes. Needs `--expose-gc`. */
export async function heap() {
  for (let times = 0; times < 3; times += 1) {
    await setImmediate();
    globalThis.gc();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}
