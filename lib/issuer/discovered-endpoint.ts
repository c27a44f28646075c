/** Shortest time between a search that failed and the next, in milliseconds. */
const FAILURE_COOL_DOWN_MS = 2_000;

/** The URL of an endpoint that has to be looked for: when it is first needed, and again once it was forgotten. */
export class DiscoveredEndpoint {
  #url: string | undefined;
  #search: Promise<string> | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;

  constructor(
    private readonly search: () => Promise<string>,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** One search at a time, whoever asks, and none for a short while after one that failed. */
  async url(): Promise<string> {
    if (this.#url !== undefined) return this.#url;
    if (this.#failure && this.now() - this.#failure.at < FAILURE_COOL_DOWN_MS) throw this.#failure.error;
    this.#search ??= this.#find().finally(() => {
      this.#search = undefined;
    });
    return this.#search;
  }

  /** What was found does not do any more: the server may have moved it. */
  forget(): void {
    this.#url = undefined;
  }

  async #find(): Promise<string> {
    try {
      const url = await this.search();
      this.#failure = undefined;
      this.#url = url;
      return url;
    } catch (error) {
      this.#failure = { error, at: this.now() };
      throw error;
    }
  }
}
