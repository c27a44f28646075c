/** Shortest text that is taken out. Shorter ones stand anywhere by chance. */
const SHORTEST = 6;

/** Takes secrets out of text: each as a whole, the parts of a token between its dots, and all of them percent-encoded. */
export class Secrets {
  readonly #parts: readonly string[];

  constructor(secrets: readonly string[]) {
    const parts = secrets.flatMap((secret) => [secret, ...secret.split('.')]);
    const all = [...parts, ...parts.map((part) => encodeURIComponent(part))].filter((part) => part.length >= SHORTEST);
    // The longest first, which the others are parts of.
    this.#parts = [...new Set(all)].toSorted((one, other) => other.length - one.length);
  }

  /** The text with three dots in their places. */
  removeFrom(text: string): string {
    return this.#parts.reduce((rest, part) => rest.replaceAll(part, '...'), text);
  }
}
