import { valuesSent, type HeaderSource } from './header-fields.js';

/** The parts of Node's request that show whether it has a body. */
export interface BodySource extends Pick<HeaderSource, 'headers' | 'rawHeaders'> {
  /** Whether reading of the body has begun; undefined if the request is not a stream. */
  readonly readableDidRead?: boolean;
  /** Whether the body was read to its end. True for an empty body, too. */
  readonly readableEnded?: boolean;
  /** With HTTP/2: whether the request ended with its header fields. */
  readonly stream?: { readonly endAfterHeaders?: boolean };
}

/**
 * Whether a request has a body that no parser has turned into a JSON value: text, bytes or an unread stream. An MCP framework
 * may still parse such a body, and its operations would not have been authorized.
 *
 * @param body what the platform shows as the parsed body
 */
export function isBodyUnread(body: unknown, source: BodySource): boolean {
  // Some parsers set an empty object if they skip a body, and middleware may add members to that object.
  if (isParsed(body)) return isUntouched(source) && hasBody(source);
  return sizeOf(body) > 0 || hasBody(source);
}

/**
 * Whether an unread body may hold a JSON-RPC message. Text that was read from the stream must look like an object or a list:
 * Fastify, for example, parses the JSON text `"a string"` to a string.
 */
export function mayHoldMessage(body: unknown, source: BodySource): boolean {
  return typeof body !== 'string' || isUntouched(source) || /^\s*[[{]/.test(body);
}

/** Whether the body is a JSON value other than a string. A string may be a body that was read but not parsed. */
function isParsed(body: unknown): boolean {
  if (body === undefined || typeof body === 'string') return false;
  return typeof body !== 'object' || body === null || Array.isArray(body) || isPlain(body);
}

/** Whether an object is not an instance of a class, such as a buffer or a stream. Each realm has its own `Object.prototype`. */
function isPlain(body: object): boolean {
  const prototype = Object.getPrototypeOf(body) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function isUntouched({ readableDidRead, readableEnded }: BodySource): boolean {
  return readableDidRead === false && readableEnded !== true;
}

function sizeOf(body: unknown): number {
  if (typeof body === 'string') return body.length;
  return body instanceof Uint8Array ? body.byteLength : 0;
}

/** Whether the request has a body, even if middleware has deleted the header field that announced it. */
function hasBody(source: BodySource): boolean {
  if (fieldOf(source, 'transfer-encoding') !== undefined) return true;
  const length = fieldOf(source, 'content-length');
  return length === undefined ? source.stream?.endAfterHeaders === false : Number(length) !== 0;
}

function fieldOf({ headers, rawHeaders = [] }: BodySource, name: string): unknown {
  return headers[name] ?? valuesSent(rawHeaders, name)[0];
}
