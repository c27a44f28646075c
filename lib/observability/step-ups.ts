import { LRUCache } from 'lru-cache';
import { meets } from '../core/requirement.js';
import type { ScopeHierarchy } from '../core/scopes.js';
import type { McpAuthInfo } from '../core/auth-info.js';

/** Greatest number of remembered callers. */
const MAX_CALLERS = 1_000;

/** Longest duration of a step-up, in milliseconds: a user has to read a page and decide. */
const MAX_AGE_MS = 10 * 60_000;

interface Refused {
  readonly at: number;
  readonly scopes: readonly string[];
}

/** Remembers which callers lacked scopes, to detect that they return with them. */
export class StepUps {
  readonly #refused = new LRUCache<string, Refused>({ max: MAX_CALLERS });

  /** @param now milliseconds since the epoch */
  note(caller: McpAuthInfo, scopes: readonly string[], now: number): void {
    this.#refused.set(keyOf(caller), { at: now, scopes });
  }

  /** The earlier refusal of this caller, if the caller now has the scopes. Forgets that refusal. */
  take(caller: McpAuthInfo, hierarchy: ScopeHierarchy, now: number): Refused | undefined {
    if (this.#refused.size === 0) return undefined;
    const key = keyOf(caller);
    const refused = this.#refused.get(key);
    if (!refused || !meets({ allOf: refused.scopes, anyOf: [] }, caller.scopes, hierarchy)) return undefined;
    this.#refused.delete(key);
    return now - refused.at <= MAX_AGE_MS ? refused : undefined;
  }
}

function keyOf({ principalKey, clientId }: McpAuthInfo): string {
  return JSON.stringify([principalKey, clientId]);
}
