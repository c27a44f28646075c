/**
 * The URL, or undefined where the text is none. `URL.canParse` would not do: once V8 has optimized it, Node 20 and 22 refuse
 * hosts beyond ASCII with it that they took before.
 */
export function parseUrl(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}
