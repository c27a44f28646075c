/** One item in the order. */
export interface Link<Item> {
  readonly item: Item;
  previous: Link<Item> | undefined;
  next: Link<Item> | undefined;
}

/**
 * Items in the order of their last use. Finding and removing the first item takes constant time, unlike in a `Map` from
 * which many entries were removed.
 */
export class UseOrder<Item> {
  #first: Link<Item> | undefined;
  #last: Link<Item> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The least recently used item. */
  get first(): Item | undefined {
    return this.#first?.item;
  }

  add(item: Item): Link<Item> {
    const link: Link<Item> = { item, previous: undefined, next: undefined };
    this.#append(link);
    return link;
  }

  use(link: Link<Item>): void {
    this.remove(link);
    this.#append(link);
  }

  remove(link: Link<Item>): void {
    const { previous, next } = link;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    this.#size -= 1;
  }

  #append(link: Link<Item>): void {
    link.previous = this.#last;
    link.next = undefined;
    if (this.#last) this.#last.next = link;
    else this.#first = link;
    this.#last = link;
    this.#size += 1;
  }
}
