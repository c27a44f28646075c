import type { HeaderSource } from './header-fields.js';
import type { RpcBody } from './rpc-body.js';

/** Of a repeated field whatever Node makes of it. */
type Headers = HeaderSource['headers'];

const SENTINEL = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;

/** The last protocol version whose requests may come in batches, which is also assumed where none is named. */
const LAST_VERSION_WITH_BATCHES = '2025-03-26';

/**
 * Whether the headers that repeat parts of the body say what the body says. They may be absent: whether they must be
 * there is for the transport to say. But where they are there, whoever sits in between may have decided by them.
 *
 * @see MCP 2026-07-28, Transports, "Standard Request Headers"; SEP-2243
 */
export function headersMatchBody(headers: Headers, { messages, isBatch }: RpcBody): boolean {
  const method = headers['mcp-method'];
  const name = headers['mcp-name'];
  if (method === undefined && name === undefined) return true;
  const [message] = messages;
  if (isBatch || !message) return false;
  if (method !== undefined && method !== message.method) return false;
  if (name === undefined || message.mirroredName === undefined) return true;
  return typeof name === 'string' && decodeHeaderValue(name) === message.mirroredName;
}

/**
 * Whether a batch may be answered at all.
 *
 * @see MCP 2025-06-18, Key Changes: JSON-RPC batching was removed
 */
export function isBatchAllowed(headers: Headers): boolean {
  const version = headers['mcp-protocol-version'];
  return version === undefined || version === LAST_VERSION_WITH_BATCHES;
}

/** The text of a header value that may be wrapped as base64; undefined where it is wrapped badly. */
function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith('=?base64?')) return value;
  const encoded = SENTINEL.exec(value)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.toString('base64') === encoded ? bytes.toString('utf8') : undefined;
}
