import type { HeaderSource } from './header-fields.js';
import type { RpcBody } from './rpc-body.js';

/** Node has already joined or dropped the values of repeated fields. */
type Headers = HeaderSource['headers'];

const SENTINEL = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;

/** The last protocol version that allows batches. It is also assumed if a request names no version. */
const LAST_VERSION_WITH_BATCHES = '2025-03-26';

/**
 * Whether `Mcp-Method` and `Mcp-Name` match the body. Does NOT require them: the transport does that. If they are present, a
 * proxy may have decided by them.
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
 * Whether the protocol version of a request allows batches.
 *
 * @see MCP 2025-06-18, Key Changes: JSON-RPC batching was removed
 */
export function isBatchAllowed(headers: Headers): boolean {
  const version = headers['mcp-protocol-version'];
  return version === undefined || version === LAST_VERSION_WITH_BATCHES;
}

/** The text of a header value, decoded if it is wrapped in base64; undefined if the wrapping is malformed. */
function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith('=?base64?')) return value;
  const encoded = SENTINEL.exec(value)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.toString('base64') === encoded ? bytes.toString('utf8') : undefined;
}
