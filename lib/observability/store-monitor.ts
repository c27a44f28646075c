import { timeBetween } from '../core/clock.js';
import { describeError } from '../core/safe-text.js';
import { StoreReports, type SharedStoreOption } from '../shared-state/store-reports.js';
import type { AuthEventEmitter } from './event-emitter.js';
import type { FailureLog } from './failure-log.js';

/** The state of a store, as calls have shown. Times are in milliseconds since the epoch. */
export interface StoreState {
  answeredAt?: number;
  /** The current outage; undefined while there is none. */
  failure?: { readonly since: number; readonly at: number } | undefined;
  /** When the log last said that the store fails. */
  saidAt?: number;
}

/** Shortest time between two log lines that one store fails, in milliseconds. */
const QUIET_MS = 60_000;

/** Longest text of an error in an event, in characters. */
const MAX_ERROR_LENGTH = 500;

/** Records whether the stores of the application answer, as requests show it. Calls no store itself. */
export class StoreMonitor extends StoreReports {
  readonly #states = new Map<SharedStoreOption, StoreState>();

  constructor(
    private readonly log: FailureLog,
    private readonly events: AuthEventEmitter,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    super();
  }

  /** Undefined for a store that was not called yet. */
  stateOf(option: SharedStoreOption): Readonly<StoreState> | undefined {
    return this.#states.get(option);
  }

  storeAnswered(option: SharedStoreOption): void {
    const state = this.#stateOf(option);
    state.answeredAt = this.now();
    const { failure } = state;
    if (!failure) return;
    state.failure = undefined;
    if (state.saidAt !== undefined && state.saidAt >= failure.since) this.log.storeRecovered(option);
    if (!this.events.hasListeners('store-recovered')) return;
    this.events.emit({ type: 'store-recovered', store: option, afterMs: timeBetween(this.now(), failure.since) });
  }

  storeFailed(option: SharedStoreOption, error: unknown): void {
    const state = this.#stateOf(option);
    const now = this.now();
    const before = state.failure;
    state.failure = { since: before?.since ?? now, at: now };
    const text = describeError(error);
    if (state.saidAt === undefined || timeBetween(now, state.saidAt) >= QUIET_MS) {
      state.saidAt = now;
      this.log.storeFailed(option, text);
    }
    if (before || !this.events.hasListeners('store-unreachable')) return;
    this.events.emit({ type: 'store-unreachable', store: option, error: text.slice(0, MAX_ERROR_LENGTH) });
  }

  #stateOf(option: SharedStoreOption): StoreState {
    const known = this.#states.get(option);
    if (known) return known;
    const state: StoreState = {};
    this.#states.set(option, state);
    return state;
  }
}
