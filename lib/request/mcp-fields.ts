import { isPresent, writeField } from './header-fields.js';
import { nodeRequest, type HttpRequest } from './http-message.js';

/** Names the session of a request (protocol versions up to 2025-11-25). */
export const SESSION_FIELD = 'mcp-session-id';

/** Names the event after which a stream resumes. Clients of event streams outside MCP send it, too. */
export const EVENT_FIELD = 'last-event-id';

/** The header fields that only MCP clients send. */
const OWN_FIELDS = [SESSION_FIELD, 'mcp-protocol-version', 'mcp-method', 'mcp-name'];

/** The header fields that MCP frameworks read: some from `headers`, some from `rawHeaders`. */
const MCP_FIELDS = [...OWN_FIELDS, EVENT_FIELD];
const MCP_FIELD_SET: ReadonlySet<string> = new Set(MCP_FIELDS);

/** The codes of the letters with which their names begin. */
const [M, L] = [0x6d, 0x6c];
/** The bit that a small letter of ASCII has, and its capital has not. */
const SMALL = 0x20;

/** The header fields that tie a request to a session. */
const SESSION_FIELDS = [SESSION_FIELD, EVENT_FIELD];

/** Whether MCP gives this header field its meaning. @param name in lower case */
export function isMcpField(name: string): boolean {
  return MCP_FIELD_SET.has(name);
}

/** Whether a request has a header field that only MCP clients send. */
export function hasMcpField({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  return OWN_FIELDS.some((name) => isPresent(headers[name]));
}

/**
 * Copies the MCP fields that the application sees to `headers` and `rawHeaders` of Node's request: an MCP framework then
 * reads the values that are checked here. Middleware may have changed a field in one of these lists only, or on Fastify in
 * `headers` of Fastify's request only.
 *
 * @returns the header fields of Node's request
 */
export function settleMcpFields(request: HttpRequest): HttpRequest['headers'] {
  const source = nodeRequest(request);
  const { headers, rawHeaders } = source;
  const current = source === request ? headers : request.headers;
  // Adapters for serverless platforms leave `rawHeaders` empty or out.
  const hasRawHeaders = rawHeaders !== undefined && rawHeaders.length > 0;
  const sent = hasRawHeaders ? mcpFieldsSent(rawHeaders) : undefined;
  for (const name of MCP_FIELDS) {
    // Null means absent, too.
    const field = current[name] ?? undefined;
    const value = field === undefined || typeof field === 'string' ? field : [field].flat().join(', ');
    if (headers[name] !== field || (hasRawHeaders && sent?.get(name) !== value)) writeField(source, name, value);
  }
  return headers;
}

/**
 * Removes the fields that tie a request to a session. From 2026-07-28 there are no sessions, and servers must ignore these
 * fields. The MCP framework must not see them either, or it could attach a request to a session that was not checked here.
 */
export function forgetSession(request: HttpRequest): void {
  const source = nodeRequest(request);
  for (const name of SESSION_FIELDS) {
    writeField(source, name, undefined);
    // If the application has assigned `headers` of Fastify's request, Fastify keeps them apart from those of Node's request.
    if (request.headers[name] !== undefined)
      Object.assign(request, { headers: { ...request.headers, [name]: undefined } });
  }
}

/** The MCP fields that the client sent, read in one pass, with repeated ones joined by commas; undefined if there are none. */
function mcpFieldsSent(rawHeaders: readonly string[]): ReadonlyMap<string, string> | undefined {
  let sent: Map<string, string> | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const field = rawHeaders[at] as string;
    const initial = field.charCodeAt(0) | SMALL;
    if (initial !== M && initial !== L) continue;
    const name = field.toLowerCase();
    if (!MCP_FIELD_SET.has(name)) continue;
    sent ??= new Map();
    const before = sent.get(name);
    sent.set(name, before === undefined ? (rawHeaders[at + 1] as string) : `${before}, ${rawHeaders[at + 1]}`);
  }
  return sent;
}
