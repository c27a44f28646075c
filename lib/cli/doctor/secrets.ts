/** Length of the shortest part that is removed. Shorter parts occur in any text by chance. */
const SHORTEST = 6;

/** Number of characters by which a longer secret is recognised, to find one that was cut off, too. */
const BEGINNING = 16;

/**
 * Removes secrets from text: each secret as a whole, and the parts of a token between its dots, verbatim and in the usual
 * encodings; also the decoded header and claims of a JWT. Does NOT recognise a secret in any other encoding.
 */
export class Secrets {
  readonly #pattern: RegExp | undefined;

  constructor(secrets: readonly string[]) {
    const parts = secrets.flatMap((secret) => [secret, ...secret.split('.')]);
    const encoded = parts.filter((part) => part.length >= SHORTEST).flatMap(encodings);
    // The longest first, because it may contain the others.
    const sorted = [...new Set(encoded)].toSorted((one, other) => other.length - one.length);
    const patterns = [...secrets.flatMap(contentsOf).map(literal), ...sorted.map(patternOf)];
    // Case-insensitive, because media types are converted to lower case.
    this.#pattern = patterns.length > 0 ? new RegExp(patterns.join('|'), 'gi') : undefined;
  }

  /** The text with three dots in the place of each secret. */
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

/** Header and claims of a JWT as JSON, and as that JSON looks inside a JSON string. */
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
