import { setImmediate as turn } from 'node:timers/promises';

/** Waits until the condition holds, without a fixed pause. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 1_000_000) throw new Error('It never happened');
    await turn();
  }
}

/** Tries until it no longer fails, and returns the result. */
export async function eventually<T>(attempt: () => T | Promise<T>): Promise<T> {
  for (const end = Date.now() + 15_000; ; await turn()) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}
