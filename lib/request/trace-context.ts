import { isRecord } from '../core/record.js';
import { fieldValues, type HeaderSource } from './header-fields.js';

/** A span of a trace. */
export interface SpanIds {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

/** In characters. Version 00 has 55; later versions may append more. */
const MAX_LENGTH = 512;

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/**
 * Reads a `traceparent`, which any client can choose; undefined if it is not valid.
 *
 * @see W3C Trace Context §3.2
 */
export function readTraceparent(value: unknown): SpanIds | undefined {
  if (typeof value !== 'string' || value.length > MAX_LENGTH) return undefined;
  const [, version, traceId, spanId, rest] = TRACEPARENT.exec(value) ?? [];
  if (traceId === undefined || spanId === undefined || (version === '00' && rest !== undefined)) return undefined;
  return { traceId, spanId };
}

/** The span of the client in the header field `traceparent`; undefined without a valid one, and if there are several. */
export function spanInHeader(source: HeaderSource): SpanIds | undefined {
  const [value, ...others] = fieldValues(source, 'traceparent');
  return others.length === 0 ? readTraceparent(value) : undefined;
}

/**
 * The span of the client in `_meta` of an MCP message; undefined without a valid one, and for a batch.
 *
 * @see SEP-414
 */
export function spanInMessage(message: unknown): SpanIds | undefined {
  const params = isRecord(message) ? message['params'] : undefined;
  const meta = isRecord(params) ? params['_meta'] : undefined;
  return isRecord(meta) ? readTraceparent(meta['traceparent']) : undefined;
}
