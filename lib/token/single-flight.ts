/** Runs the same work once for all concurrent callers. Remembers nothing after that. */
export class SingleFlight<Result> {
  readonly #flights = new Map<string, Promise<Result>>();

  /** Concurrent callers get the same result or the same error; a later call starts the work again. */
  run(key: string, work: () => Promise<Result>): Promise<Result> {
    const flight = this.#flights.get(key);
    if (flight) return flight;
    const started = work().finally(() => this.#flights.delete(key));
    this.#flights.set(key, started);
    return started;
  }
}
