/** The part of a Node request that is read here; Express hands it out as it is, Fastify as `request.raw`. */
export interface HeaderSource {
  readonly rawHeaders?: readonly string[] | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/**
 * Every value that one header field has in a request, in the order sent. `headers` alone would not do: of several fields
 * that may stand only once, Node keeps the first there, so that a proxy and this server could each believe in another.
 *
 * @param name in lower case
 */
export function fieldValues({ rawHeaders, headers }: HeaderSource, name: string): string[] {
  if (!rawHeaders) {
    const value = headers[name];
    return value === undefined ? [] : typeof value === 'string' ? [value] : [...value];
  }
  const values: string[] = [];
  for (let at = indexOfField(rawHeaders, name, 0); at !== -1; at = indexOfField(rawHeaders, name, at + 2)) {
    values.push(rawHeaders[at + 1] as string);
  }
  return values;
}

/**
 * Whether a request has that header field. Does not have Node build `headers`, which takes longer than the rest of what is
 * to be known of most requests.
 *
 * @param name in lower case
 */
export function hasField({ rawHeaders, headers }: HeaderSource, name: string): boolean {
  return rawHeaders ? indexOfField(rawHeaders, name, 0) !== -1 : headers[name] !== undefined;
}

/** Names and values take turns; -1 where there is none. */
function indexOfField(rawHeaders: readonly string[], name: string, from: number): number {
  for (let at = from; at + 1 < rawHeaders.length; at += 2) {
    const sent = rawHeaders[at] as string;
    if (sent.length === name.length && sent.toLowerCase() === name) return at;
  }
  return -1;
}
