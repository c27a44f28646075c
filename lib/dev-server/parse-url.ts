/**
 * Parses a URL; undefined if the text is not one. Does not use `URL.canParse`: after V8 has optimized it, Node 20 and 22
 * refuse non-ASCII hosts that they accepted before.
 */
export function parseUrl(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}
