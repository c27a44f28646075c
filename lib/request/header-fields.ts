/** The part of a request that holds its header fields: Node's request on Express; Fastify's, with Node's inside, on Fastify. */
export interface HeaderSource {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Names and values in turn. Adapters for serverless platforms leave it empty or out. */
  readonly rawHeaders?: readonly string[] | undefined;
  /** The connection. Adapters for serverless platforms have none. */
  readonly socket?: object | undefined;
  /** Node's request inside Fastify's. */
  readonly raw?: Pick<HeaderSource, 'rawHeaders' | 'socket'> | undefined;
}

/**
 * Every value of a header field. `headers` decides whether the field exists and what it says, since middleware may have
 * written or deleted it. If the client sent several fields of this name, all values are returned in the order sent: Node
 * keeps only the first value of a field that may occur once, and a proxy may have used another.
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

/** Whether this is the value of a field that is there. Middleware may have deleted the field, or set it to null. */
export function isPresent(value: HeaderSource['headers'][string]): boolean {
  return (value ?? undefined) !== undefined;
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
 * Writes a header field to `headers` and `rawHeaders` of Node's request, or removes it from both.
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
  // An adapter for serverless platforms keeps no raw fields.
  if (rawHeaders === undefined || rawHeaders.length === 0) return;
  const others = rawHeaders.filter((_value, index) => !isNamed(rawHeaders[index - (index % 2)] as string, name));
  rawHeaders.splice(0, Infinity, ...others, ...(value === undefined ? [] : [name, value]));
}

/** Whether the client accepts event streams, by its `Accept` field. */
export function acceptsEvents(source: HeaderSource): boolean {
  return fieldValues(source, 'accept').some((value) => /text\/event-stream/i.test(value));
}

function isNamed(sent: string, name: string): boolean {
  return sent.length === name.length && sent.toLowerCase() === name;
}
