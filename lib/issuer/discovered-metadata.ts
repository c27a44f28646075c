import { timeBetween } from '../core/clock.js';
import { FAILURE_COOL_DOWN_MS } from './cool-down.js';
import type { AuthorizationServerMetadata } from './discovery.js';
import { holdsOff, type FailedAttempt, type Purpose } from './purpose.js';

/**
 * The metadata of one authorization server, shared by all callers. It is found when it is first needed, and again after it was
 * forgotten.
 */
export class DiscoveredMetadata {
  #document: AuthorizationServerMetadata | undefined;
  #search: Promise<AuthorizationServerMetadata> | undefined;
  #failure: FailedAttempt | undefined;
  #forgottenAt = -Infinity;

  constructor(
    private readonly search: () => Promise<AuthorizationServerMetadata>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /**
   * Returns the metadata. Runs one search at a time, and none for a short while after a failed one. A token that shared a
   * failed search of the start begins a search of its own.
   */
  async document(purpose: Purpose): Promise<AuthorizationServerMetadata> {
    if (this.#document) return this.#document;
    if (holdsOff(this.#failure, purpose, this.now(), FAILURE_COOL_DOWN_MS)) throw this.#failure?.error;
    const shared = this.#search;
    try {
      return await (shared ?? this.#begin(purpose));
    } catch (error) {
      if (!shared) throw error;
      // The failure is too recent for another search, unless it is one of the start and this is a token.
      return this.document(purpose);
    }
  }

  /**
   * Drops the metadata, since a URL in it no longer works: the server may have moved it. Has an effect only once in a short
   * while, since a single odd token may cause the call.
   */
  forget(): void {
    if (timeBetween(this.now(), this.#forgottenAt) < FAILURE_COOL_DOWN_MS) return;
    this.#forgottenAt = this.now();
    this.#document = undefined;
  }

  #begin(purpose: Purpose): Promise<AuthorizationServerMetadata> {
    this.#search = this.#find(purpose).finally(() => {
      this.#search = undefined;
    });
    return this.#search;
  }

  async #find(purpose: Purpose): Promise<AuthorizationServerMetadata> {
    try {
      const document = await this.search();
      this.#failure = undefined;
      this.#document = document;
      return document;
    } catch (error) {
      this.#failure = { error, at: this.now(), purpose };
      throw error;
    }
  }
}
