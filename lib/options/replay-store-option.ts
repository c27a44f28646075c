import type { ReplayStore } from '../shared-state/replay-store.js';
import { boundedAnswer } from './bounded-answer.js';
import type { OptionReader } from './option-reader.js';

/**
 * A store of the application; undefined if there is none. It rejects if the application answers with anything but true or false, or
 * not within five seconds.
 */
export function readReplayStore(option: OptionReader): ReplayStore | undefined {
  const { value } = option;
  if (!option.isGiven) return undefined;
  if (typeof value === 'object' && value !== null && 'insertOnce' in value && typeof value.insertOnce === 'function') {
    const store = value as ReplayStore;
    // The options are frozen, but the store keeps state.
    return {
      insertOnce: async (key, until, madeAt) => {
        const isAbsent: unknown = await boundedAnswer(store.insertOnce(key, until, madeAt));
        if (typeof isAbsent === 'boolean') return isAbsent;
        throw new TypeError(`insertOnce of ${option.path} must return true or false`);
      },
      ...(store.check && { check: async () => store.check?.() }),
    };
  }
  option.refuse({ why: 'must have a method insertOnce(key, until, madeAt)', write: 'Write a store, or leave it out' });
  return undefined;
}
