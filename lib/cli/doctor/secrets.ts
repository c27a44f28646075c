/** Shortest text that is taken out. Shorter ones stand anywhere by chance. */
const SHORTEST = 6;

/** How a longer one is recognised, so that one that was cut off is found as well. */
const BEGINNING = 16;

/**
 * Takes secrets out of text: each as a whole, and the parts of a token between its dots, as they are and in the usual
 * encodings; and what the parts of a JWT hold, as one text. Does not recognise what is written in yet another way.
 */
export class Secrets {
  readonly #pattern: RegExp | undefined;

  constructor(secrets: readonly string[]) {
    const parts = secrets.flatMap((secret) => [secret, ...secret.split('.')]);
    const encoded = parts.filter((part) => part.length >= SHORTEST).flatMap(encodings);
    // The longest first, which the others are parts of.
    const sorted = [...new Set(encoded)].toSorted((one, other) => other.length - one.length);
    const patterns = [...secrets.flatMap(contentsOf).map(literal), ...sorted.map(patternOf)];
    // In any case, since names of media types come in lower case.
    this.#pattern = patterns.length > 0 ? new RegExp(patterns.join('|'), 'gi') : undefined;
  }

  /** The text with three dots in their places. */
  removeFrom(text: string): string {
    return this.#pattern ? text.replace(this.#pattern, '...') : text;
  }
}

function encodings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ];
}

/** Header and claims of a JWT as the JSON that they are, and as that stands in a text of JSON. */
function contentsOf(secret: string): string[] {
  const parts = secret.split('.');
  if (parts.length !== 3) return [];
  return parts.slice(0, 2).flatMap((part) => {
    const text = Buffer.from(part, 'base64url').toString('utf8');
    return text.startsWith('{') ? [text, JSON.stringify(text).slice(1, -1)] : [];
  });
}

function patternOf(secret: string): string {
  const rest = secret.length > BEGINNING ? '[\\w.~+/=%-]*' : '';
  return literal(secret.slice(0, BEGINNING)) + rest;
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
