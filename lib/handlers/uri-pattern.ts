/** A place in a pattern that matches a value. */
export interface Slot {
  /** Undefined if the value is not returned. */
  readonly name: string | undefined;
  /** The characters that the value cannot contain. */
  readonly excluded: string;
  /** Whether the value may be empty. */
  readonly isOptional?: boolean;
  /** Whether commas divide the value into several. */
  readonly isList?: boolean;
  /** Whether each comma must stand between two other characters, since no item of the list may be empty. */
  readonly hasNoEmptyItem?: boolean;
}

/** Fixed text, or a slot. */
export type Part = string | Slot;

/** The values of the slots, by name. */
export type Variables = Readonly<Record<string, string | string[]>>;

/**
 * Matches a text against a sequence of fixed texts and slots, like a regular expression with one greedy group for each slot.
 * Takes time in proportion to the length of the text: it does NOT backtrack, whatever the text is.
 */
export class UriPattern {
  readonly #parts: readonly Part[];

  /** @param parts empty texts are ignored */
  constructor(parts: readonly Part[]) {
    this.#parts = parts.filter((part) => part !== '');
  }

  /** Whether the pattern has no slots, and so matches one text only. */
  get isFixed(): boolean {
    return this.#parts.every((part) => typeof part === 'string');
  }

  /** The names of the slots, in order. */
  get names(): string[] {
    return this.#parts.flatMap((part) => (typeof part === 'string' ? [] : (part.name ?? [])));
  }

  /**
   * The values in a text; undefined if the text does not match.
   *
   * @param text the text that is matched
   * @param source the text that values are taken from: the same, or another spelling of the same length
   */
  match(text: string, source: string = text): Variables | undefined {
    const [first, last] = [this.#parts.at(0), this.#parts.at(-1)];
    if (typeof first === 'string' && !text.startsWith(first)) return undefined;
    if (typeof last === 'string' && !text.endsWith(last)) return undefined;
    const tables = this.#tables(text);
    return tables[0]?.[0] === 1 ? this.#values(text, source, tables) : undefined;
  }

  /** For each part, the positions from which it and all parts after it match the rest of the text. */
  #tables(text: string): Uint8Array[] {
    const end = new Uint8Array(text.length + 1);
    end[text.length] = 1;
    const tables: Uint8Array[] = [end];
    for (const part of this.#parts.toReversed()) {
      const next = tables[0] as Uint8Array;
      tables.unshift(typeof part === 'string' ? beforeText(part, text, next) : beforeSlot(part, text, next));
    }
    return tables;
  }

  /** The first slot takes as much as it can, then the second, and so on. */
  #values(text: string, source: string, tables: readonly Uint8Array[]): Variables {
    const values: [string, string | string[]][] = [];
    let at = 0;
    for (const [index, part] of this.#parts.entries()) {
      if (typeof part === 'string') {
        at += part.length;
        continue;
      }
      const end = longest(part, text, at, tables[index + 1] as Uint8Array);
      const value = source.slice(at, end);
      if (part.name !== undefined)
        values.push([part.name, part.isList && value.includes(',') ? value.split(',') : value]);
      at = end;
    }
    return Object.fromEntries(values);
  }
}

function beforeText(part: string, text: string, next: Uint8Array): Uint8Array {
  const table = new Uint8Array(text.length + 1);
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1))
    table[at] = next[at + part.length] as number;
  return table;
}

function beforeSlot(slot: Slot, text: string, next: Uint8Array): Uint8Array {
  const table = new Uint8Array(text.length + 1);
  for (let at = text.length - 1; at >= 0; at -= 1) {
    if (!mayBegin(slot, text, at)) continue;
    // The slot ends after this character, or continues with the next character or the next item.
    const goesOn = table[at + 1] === 1 || (slot.hasNoEmptyItem && text.charAt(at + 1) === ',' && table[at + 2] === 1);
    if (next[at + 1] === 1 || goesOn) table[at] = 1;
  }
  if (slot.isOptional) for (let at = 0; at <= text.length; at += 1) if (next[at] === 1) table[at] = 1;
  return table;
}

/** The end of the longest value that lets the rest of the text match. */
function longest(slot: Slot, text: string, start: number, next: Uint8Array): number {
  let end = start;
  while (end < text.length && (mayBegin(slot, text, end) || isBetweenItems(slot, text, start, end))) end += 1;
  while (end > start && !(next[end] === 1 && mayBegin(slot, text, end - 1))) end -= 1;
  return end;
}

/** Whether a value may begin with this character. A comma between items cannot begin one. */
function mayBegin({ excluded, hasNoEmptyItem }: Slot, text: string, at: number): boolean {
  const character = text.charAt(at);
  return !excluded.includes(character) && !(hasNoEmptyItem && character === ',');
}

function isBetweenItems(slot: Slot, text: string, start: number, at: number): boolean {
  if (!slot.hasNoEmptyItem || text.charAt(at) !== ',' || at === start || at + 1 >= text.length) return false;
  return mayBegin(slot, text, at - 1) && mayBegin(slot, text, at + 1);
}
