/** Has calls wait for each other, so that they are under way at once. */
export class Rendezvous {
  #arrived = 0;
  #waiting: { readonly count: number; readonly go: () => void }[] = [];

  /** Arrives, and waits until as many have. */
  meet(count: number): Promise<void> {
    this.#arrived += 1;
    const met = this.arrivals(count);
    const ready = this.#waiting.filter((one) => one.count <= this.#arrived);
    this.#waiting = this.#waiting.filter((one) => one.count > this.#arrived);
    for (const { go } of ready) go();
    return met;
  }

  /** Waits until as many have arrived, without arriving. */
  arrivals(count: number): Promise<void> {
    return new Promise((go) => {
      if (this.#arrived >= count) go();
      else this.#waiting.push({ count, go });
    });
  }
}
