import { hasField, writeField } from './header-fields.js';
import { nodeRequest, type HttpRequest } from './http-message.js';

/** Says to which session a request belongs (protocol versions up to 2025-11-25). */
export const SESSION_FIELD = 'mcp-session-id';

/** Says after which event a stream is to be resumed. Clients of other streams send it, too. */
export const EVENT_FIELD = 'last-event-id';

/** What only MCP clients send. */
const OWN_FIELDS = [SESSION_FIELD, 'mcp-protocol-version', 'mcp-method', 'mcp-name'];

/** What MCP frameworks read: some from `headers`, some from the list of fields as sent. */
const MCP_FIELDS = [...OWN_FIELDS, EVENT_FIELD];
const MCP_FIELD_SET: ReadonlySet<string> = new Set(MCP_FIELDS);

/** What their names begin with. */
const MCP_INITIALS = 'mMlL';

/** What says to which session a request belongs. */
const SESSION_FIELDS = [SESSION_FIELD, EVENT_FIELD];

/** Whether a request has a header field that only MCP clients send. */
export function hasMcpField(request: HttpRequest): boolean {
  return OWN_FIELDS.some((name) => hasField(request, name));
}

/**
 * Makes both lists of header fields of Node's request say what the application left there, so that an MCP framework reads what
 * is checked here: middleware that writes or deletes a field does so in one of them, and on Fastify perhaps in a third.
 */
export function settleMcpFields(request: HttpRequest): void {
  const source = nodeRequest(request);
  const { headers: left } = request;
  const { headers, rawHeaders } = source;
  // Adapters for serverless platforms keep no list of what was sent, or an empty one.
  const isListKept = rawHeaders !== undefined && rawHeaders.length > 0;
  const sent = isListKept ? mcpFieldsSent(rawHeaders) : undefined;
  for (const name of MCP_FIELDS) {
    // Null as well says that there is none.
    const field = left[name] ?? undefined;
    const value = field === undefined || typeof field === 'string' ? field : [field].flat().join(', ');
    if (headers[name] !== field || (isListKept && sent?.get(name) !== value)) writeField(source, name, value);
  }
}

/**
 * Removes what says to which session a request belongs. From 2026-07-28 there are no sessions, and these fields must be
 * ignored: by whatever comes after, too, so that no request can claim to have no session here and be given one there.
 */
export function forgetSession(request: HttpRequest): void {
  const source = nodeRequest(request);
  for (const name of SESSION_FIELDS) {
    writeField(source, name, undefined);
    // What an application has assigned to `headers` of Fastify's request is kept apart from what came.
    if (request.headers[name] !== undefined)
      Object.assign(request, { headers: { ...request.headers, [name]: undefined } });
  }
}

/** The values of each of these fields that the client sent, in one pass; undefined where there are none. */
function mcpFieldsSent(rawHeaders: readonly string[]): ReadonlyMap<string, string> | undefined {
  let sent: Map<string, string> | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const field = rawHeaders[at] as string;
    if (!MCP_INITIALS.includes(field.charAt(0))) continue;
    const name = field.toLowerCase();
    if (!MCP_FIELD_SET.has(name)) continue;
    sent ??= new Map();
    const before = sent.get(name);
    sent.set(name, before === undefined ? (rawHeaders[at + 1] as string) : `${before}, ${rawHeaders[at + 1]}`);
  }
  return sent;
}
