/** Longest URI that is looked at, in UTF-16 code units: there are few longer ones, and matching takes time. */
const MAX_URI_LENGTH = 2048;

/** The URI of a resource as those read it who look for the resource. */
export interface UriReadings {
  /** As it was sent. */
  readonly text: string;
  /** In normal form (WHATWG URL Standard), by which the official SDK looks for resources; undefined where there is none. */
  readonly href: string | undefined;
}

/** Undefined for a URI that is too long to be looked at. */
export function readUri(text: string): UriReadings | undefined {
  return text.length > MAX_URI_LENGTH ? undefined : { text, href: hrefOf(text) };
}

/** The spellings by which a URI without variables is known where names are compared: as it is, and in normal form. */
export function exactKeys({ text, href }: UriReadings): string[] {
  return href === undefined || href === text ? [text] : [text, href];
}

/**
 * The keys of a URI for `@rekog/mcp-nest`: without scheme, case and slash at the end and, in the second, without the query.
 */
export function nestKeys(text: string): string[] {
  const rest = folded(withoutScheme(text));
  return [...new Set([rest, rest.split('?', 1)[0] ?? ''].map((key) => (key.endsWith('/') ? key.slice(0, -1) : key)))];
}

/** What stands between the first `://` and the next, as `@rekog/mcp-nest` cuts it. */
export function withoutScheme(uri: string): string {
  return uri.includes('://') ? (uri.split('://', 2)[1] as string) : uri;
}

/**
 * In one case, so that two texts that a regular expression takes for the same without regard to case become the same. Of
 * the same length.
 */
export function folded(text: string): string {
  const upper = text.toUpperCase();
  return upper.length === text.length ? upper : Array.from(text.split(''), foldedUnit).join('');
}

function foldedUnit(unit: string): string {
  const upper = unit.toUpperCase();
  return upper.length === 1 ? upper : unit;
}

function hrefOf(text: string): string | undefined {
  return URL.canParse(text) ? new URL(text).href : undefined;
}
