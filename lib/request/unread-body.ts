import { valuesSent, type HeaderSource } from './header-fields.js';

/** What is read of Node's request to tell whether a body comes with it. */
export interface BodySource extends Pick<HeaderSource, 'headers' | 'rawHeaders'> {
  /** Whether somebody has begun to read the body; undefined where the request is no stream. */
  readonly readableDidRead?: boolean;
  /** Whether the body was read to its end, also where there was nothing in it. */
  readonly readableEnded?: boolean;
  /** Of HTTP/2: whether the request ended with its header fields. */
  readonly stream?: { readonly endAfterHeaders?: boolean };
}

/**
 * Whether a request has a body that no parser has turned into a JSON value. Whoever serves the request could still read such
 * a body, and find in it what nobody here has seen: text and bytes are left to be parsed, and so is a stream.
 *
 * @param body what the platform shows as the parsed body
 */
export function isBodyUnread(body: unknown, source: BodySource): boolean {
  // Some parsers put an empty object in the place of a body that they leave alone, and middleware adds members of its own.
  if (isParsed(body)) return isUntouched(source) && hasBody(source);
  return sizeOf(body) > 0 || hasBody(source);
}

/**
 * Whether an unread body may hold a JSON-RPC message. A text that was read does so only if it is that of an object or a list:
 * Fastify, say, parses the JSON text `"a string"` to a string.
 */
export function mayHoldMessage(body: unknown, source: BodySource): boolean {
  return typeof body !== 'string' || isUntouched(source) || /^\s*[[{]/.test(body);
}

/** A value that JSON can express, but no text: that may be a body that was read without being parsed. */
function isParsed(body: unknown): boolean {
  if (body === undefined || typeof body === 'string') return false;
  return typeof body !== 'object' || body === null || Array.isArray(body) || isPlain(body);
}

/** Not an instance of a class, such as a buffer or a stream. Another realm has another `Object.prototype`. */
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

/** Also where somebody has removed the header field that said so: the body is still there. */
function hasBody(source: BodySource): boolean {
  if (fieldOf(source, 'transfer-encoding') !== undefined) return true;
  const length = fieldOf(source, 'content-length');
  return length === undefined ? source.stream?.endAfterHeaders === false : Number(length) !== 0;
}

function fieldOf({ headers, rawHeaders = [] }: BodySource, name: string): unknown {
  return headers[name] ?? valuesSent(rawHeaders, name)[0];
}
