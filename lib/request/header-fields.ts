/** The part of a request that is read here: of Node's request, which Express hands out, or of Fastify's, with Node's inside. */
export interface HeaderSource {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Names and values take turns. Adapters for serverless platforms leave it empty or out. */
  readonly rawHeaders?: readonly string[] | undefined;
  /** Node's request inside Fastify's. */
  readonly raw?: { readonly rawHeaders?: readonly string[] | undefined } | undefined;
}

/**
 * Every value of a header field. `headers` decides whether there is one and which, as the application left it: middleware
 * may have written or deleted it. But where the client sent several fields of this name, all of them are returned, in the
 * order sent: Node keeps only the first of a field that may stand once, and a proxy may have believed another.
 *
 * @param name in lower case
 */
export function fieldValues(source: HeaderSource, name: string): readonly string[] {
  const value = source.headers[name] as unknown;
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map(String);
  const rawHeaders = source.rawHeaders ?? source.raw?.rawHeaders;
  const sent = rawHeaders === undefined ? [] : valuesSent(rawHeaders, name);
  return sent.length > 1 ? sent : [String(value)];
}

/**
 * Whether a request has that header field, as the application left it.
 *
 * @param name in lower case
 */
export function hasField({ headers }: HeaderSource, name: string): boolean {
  return (headers[name] ?? undefined) !== undefined;
}

/**
 * Every value that the client sent for a header field, in order.
 *
 * @param name in lower case
 */
export function valuesSent(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (isNamed(rawHeaders[at] as string, name)) values.push(rawHeaders[at + 1] as string);
  }
  return values;
}

/**
 * Writes a header field into both lists of Node's request, or removes it from both.
 *
 * @param name in lower case
 */
export function writeField(
  source: Pick<HeaderSource, 'headers' | 'rawHeaders'>,
  name: string,
  value: string | undefined,
): void {
  const headers = source.headers as Record<string, unknown>;
  if (value === undefined) delete headers[name];
  else headers[name] = value;
  const rawHeaders = source.rawHeaders as string[] | undefined;
  // Without any raw fields, the adapter that made the request keeps no such list.
  if (rawHeaders === undefined || rawHeaders.length === 0) return;
  const others = rawHeaders.filter((_value, index) => !isNamed(rawHeaders[index - (index % 2)] as string, name));
  rawHeaders.splice(0, Infinity, ...others, ...(value === undefined ? [] : [name, value]));
}

/** Whether the client says that it accepts event streams. */
export function acceptsEvents(source: HeaderSource): boolean {
  return fieldValues(source, 'accept').some((value) => /text\/event-stream/i.test(value));
}

function isNamed(sent: string, name: string): boolean {
  return sent.length === name.length && sent.toLowerCase() === name;
}
