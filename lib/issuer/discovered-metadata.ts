import type { AuthorizationServerMetadata } from './discovery.js';

/** Shortest time between a search that failed and the next, in milliseconds. */
const FAILURE_COOL_DOWN_MS = 2_000;

/**
 * The metadata of one authorization server, for all who need something of it: looked for when it is first needed, and again
 * once it was forgotten.
 */
export class DiscoveredMetadata {
  #document: AuthorizationServerMetadata | undefined;
  #search: Promise<AuthorizationServerMetadata> | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;

  constructor(
    private readonly search: () => Promise<AuthorizationServerMetadata>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** One search at a time, whoever asks, and none for a short while after one that failed. */
  async document(): Promise<AuthorizationServerMetadata> {
    if (this.#document) return this.#document;
    // A clock that was set back must not make the cool-down longer by as much.
    if (this.#failure && Math.abs(this.now() - this.#failure.at) < FAILURE_COOL_DOWN_MS) throw this.#failure.error;
    this.#search ??= this.#find().finally(() => {
      this.#search = undefined;
    });
    return this.#search;
  }

  /** What was found there does not do any more: the server may have moved it. */
  forget(): void {
    this.#document = undefined;
  }

  async #find(): Promise<AuthorizationServerMetadata> {
    try {
      const document = await this.search();
      this.#failure = undefined;
      this.#document = document;
      return document;
    } catch (error) {
      this.#failure = { error, at: this.now() };
      throw error;
    }
  }
}
