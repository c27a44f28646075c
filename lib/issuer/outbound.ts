import { isJson, mediaTypeOf } from '../core/media-type.js';
import { isRecord } from '../core/record.js';
import { Deadline } from '../core/deadline.js';
import { noAnswer, OutboundError, unexpectedStatus, unexpectedType } from './outbound-error.js';
import { endTransfer, readText } from './response-text.js';

/** Limits on one answer of an authorization server. */
export interface OutboundLimits {
  /** Longest time until the whole answer has arrived, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest body, in bytes, after decompression. */
  readonly maxBytes: number;
}

/** How requests are made. */
export interface Outbound extends OutboundLimits {
  /** Replaces the global `fetch`. Its responses must meet the same limits, whether or not it applies them. */
  readonly fetch?: typeof fetch;
  /** Aborts when the application closes: ends requests that are under way, and prevents new ones. */
  readonly closing?: AbortSignal;
}

/** A request without its URL. */
export interface OutboundRequest {
  readonly method: 'GET' | 'HEAD' | 'OPTIONS' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: URLSearchParams | string;
}

/** A complete answer. */
export interface OutboundAnswer {
  /** 200, unless the request expects others. */
  readonly status: number;
  /** In lower case, without parameters. */
  readonly contentType: string;
  readonly text: string;
  /** The nonce for the next proof (RFC 9449 §8), as sent; null for none. */
  readonly dpopNonce: string | null;
}

/** Which answers are read to their end. All others are errors. */
export interface ExpectedAnswer {
  readonly isType: (contentType: string) => boolean;
  /** @default 200 alone */
  readonly isStatus?: (status: number) => boolean;
}

/**
 * Fetches one JSON object. Follows no redirects, sends no credentials, and limits time and size. The content type does not
 * matter: buckets and file servers label a key set as text, or as bytes (RFC 7517 §8.5 registers a type, but does not require
 * it).
 *
 * Does not check the scheme of the URL: the code that reads the URL does.
 *
 * @throws {OutboundError} for anything but status 200 and a JSON object in UTF-8.
 */
export async function fetchJsonObject(url: string, outbound: Outbound): Promise<Record<string, unknown>> {
  const request = { method: 'GET', headers: { accept: 'application/json' } } as const;
  return parseObject(`GET ${url}`, await exchange(url, request, { isType: () => true }, outbound));
}

/**
 * Posts a form with the same limits. The caller writes the headers, including the credentials.
 *
 * @throws {OutboundError} for anything but an expected status and content type. Contains nothing of what was sent.
 */
export function postForm(
  url: string,
  form: { readonly headers: Readonly<Record<string, string>>; readonly body: URLSearchParams },
  expected: ExpectedAnswer,
  outbound: Outbound,
): Promise<OutboundAnswer> {
  return exchange(url, { method: 'POST', ...form }, expected, outbound);
}

/**
 * Posts a JSON text, and returns the JSON object of the answer, with the same limits.
 *
 * @param headers in lower case, with the credentials of this server, if the other one wants any
 * @throws {OutboundError} for anything but status 200 and a JSON object in UTF-8, labelled as JSON. Contains nothing of what
 * was sent.
 */
export async function postJson(
  url: string,
  { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  outbound: Outbound,
): Promise<Record<string, unknown>> {
  const ofJson = { 'content-type': 'application/json', accept: 'application/json' };
  const request = { method: 'POST', headers: { ...headers, ...ofJson }, body } as const;
  return parseObject(`POST ${url}`, await exchange(url, request, { isType: isJson }, outbound));
}

/**
 * Sends one request, and returns the response before its body is read. No other code opens a connection.
 *
 * @throws {OutboundError} when there is no answer before the deadline.
 */
export async function send(
  url: string,
  request: OutboundRequest,
  outbound: Outbound,
  deadline: Deadline,
): Promise<Response> {
  const { signal } = deadline;
  const ask = async (): Promise<Response> => {
    signal.throwIfAborted();
    const response: unknown = await (outbound.fetch ?? fetch)(url, {
      ...request,
      redirect: 'manual',
      credentials: 'omit',
      signal,
    });
    if (typeof response !== 'object' || response === null) throw new TypeError('fetch returned no response');
    return response as Response;
  };
  const asked = ask();
  try {
    return await Promise.race([asked, deadline.passed]);
  } catch (cause) {
    // A fetch that ignores signals may still answer.
    void asked.then(endTransfer).catch(() => undefined);
    throw noAnswer(requestName(url, request), cause, outbound);
  }
}

/** The name of a request in errors. */
export function requestName(url: string, { method }: OutboundRequest): string {
  return `${method} ${url}`;
}

async function exchange(
  url: string,
  request: OutboundRequest,
  expected: ExpectedAnswer,
  outbound: Outbound,
): Promise<OutboundAnswer> {
  const deadline = new Deadline(outbound);
  try {
    const response = await send(url, request, outbound, deadline);
    return await readAnswer(response, url, request, expected, outbound, deadline);
  } finally {
    deadline.clear();
  }
}

async function readAnswer(
  response: Response,
  url: string,
  request: OutboundRequest,
  { isType, isStatus = isOk }: ExpectedAnswer,
  { maxBytes }: Outbound,
  deadline: Deadline,
): Promise<OutboundAnswer> {
  const name = requestName(url, request);
  try {
    if (response.redirected || isElsewhere(response.url, url))
      throw new OutboundError(name, 'a redirect was followed', 302);
    const { status } = response;
    if (!isStatus(status)) throw unexpectedStatus(name, url, response);
    const contentType = mediaTypeOf(response.headers.get('content-type'));
    if (!isType(contentType)) throw unexpectedType(name, contentType, request.headers['accept'] ?? 'another');
    try {
      const dpopNonce = response.headers.get('dpop-nonce');
      return { status, contentType, text: await readText(name, response, maxBytes, deadline), dpopNonce };
    } catch (cause) {
      const isOfType = isJson(contentType) || contentType === request.headers['accept'];
      // A wrong content type explains more about an unreadable body than the error does.
      throw isOfType || (cause as OutboundError).status === undefined
        ? cause
        : unexpectedType(name, contentType, 'application/json', { cause });
    }
  } catch (cause) {
    // Only a fetch of the application can return something that is not a response.
    throw cause instanceof OutboundError ? cause : new OutboundError(name, 'no usable answer', undefined, { cause });
  } finally {
    endTransfer(response);
  }
}

function isOk(status: number): boolean {
  return status === 200;
}

/**
 * Whether a fetch of the application followed a redirect without reporting it. A response that it constructs has an empty URL.
 */
function isElsewhere(answered: string, asked: string): boolean {
  return answered !== '' && answered !== undefined && answered !== new URL(asked).href.split('#', 1)[0];
}

function parseObject(request: string, { contentType, text }: OutboundAnswer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (!isJson(contentType)) throw unexpectedType(request, contentType, 'application/json', { cause });
    throw new OutboundError(request, 'the body is not JSON', 200, { cause });
  }
  if (!isRecord(value)) throw new OutboundError(request, 'the body is no JSON object', 200);
  return value;
}
