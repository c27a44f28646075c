/** Longest URI that is matched, in UTF-16 code units. Matching takes time, and few URIs are longer. */
const MAX_URI_LENGTH = 2048;

/** The spellings of a URI by which MCP frameworks look for the resource. */
export interface UriReadings {
  /** As it was sent. */
  readonly text: string;
  /** In normal form (WHATWG URL Standard), by which the official SDK looks; undefined if the text is not a URL. */
  readonly href: string | undefined;
}

/** The spellings of a URI; undefined if it is too long to be matched. */
export function readUri(text: string): UriReadings | undefined {
  return text.length > MAX_URI_LENGTH ? undefined : { text, href: hrefOf(text) };
}

/** The keys of a URI without variables for frameworks that compare whole URIs: as sent, and in normal form. */
export function exactKeys({ text, href }: UriReadings): string[] {
  return href === undefined || href === text ? [text] : [text, href];
}

/** The keys of a URI for `@rekog/mcp-nest`, which ignores scheme, case and a slash at the end: with and without the query. */
export function nestKeys(text: string): string[] {
  const rest = foldCase(withoutScheme(text));
  return [...new Set([rest, rest.split('?', 1)[0] ?? ''].map((key) => (key.endsWith('/') ? key.slice(0, -1) : key)))];
}

/** The text between the first `://` and the next, which is how `@rekog/mcp-nest` removes the scheme. */
export function withoutScheme(uri: string): string {
  return uri.includes('://') ? (uri.split('://', 2)[1] as string) : uri;
}

/**
 * Converts a text to one case, without changing its length. Two texts that are equal to a case-insensitive regular expression
 * become equal.
 */
export function foldCase(text: string): string {
  const upper = text.toUpperCase();
  return upper.length === text.length ? upper : Array.from(text.split(''), foldUnit).join('');
}

function foldUnit(unit: string): string {
  const upper = unit.toUpperCase();
  return upper.length === 1 ? upper : unit;
}

function hrefOf(text: string): string | undefined {
  return URL.canParse(text) ? new URL(text).href : undefined;
}
