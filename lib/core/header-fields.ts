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
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const sent = rawHeaders[i] as string;
    if (sent.length === name.length && sent.toLowerCase() === name) values.push(rawHeaders[i + 1] as string);
  }
  return values;
}
