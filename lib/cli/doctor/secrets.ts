/** Shortest text that is taken out. Shorter ones stand anywhere by chance. */
const SHORTEST = 6;

/** How a longer one is recognised, so that one that was cut off is found as well. */
const BEGINNING = 16;

/** Takes secrets out of text: each as a whole, the parts of a token between its dots, and all of them percent-encoded. */
export class Secrets {
  readonly #pattern: RegExp | undefined;

  constructor(secrets: readonly string[]) {
    const parts = secrets.flatMap((secret) => [secret, ...secret.split('.')]);
    const all = [...parts, ...parts.map((part) => encodeURIComponent(part))].filter((part) => part.length >= SHORTEST);
    // The longest first, which the others are parts of.
    const sorted = [...new Set(all)].toSorted((one, other) => other.length - one.length);
    // In any case, since names of media types come in lower case.
    this.#pattern = sorted.length > 0 ? new RegExp(sorted.map(patternOf).join('|'), 'gi') : undefined;
  }

  /** The text with three dots in their places. */
  removeFrom(text: string): string {
    return this.#pattern ? text.replace(this.#pattern, '...') : text;
  }
}

function patternOf(secret: string): string {
  const rest = secret.length > BEGINNING ? '[\\w.~+/=%-]*' : '';
  return secret.slice(0, BEGINNING).replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`) + rest;
}
