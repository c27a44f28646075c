import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';

/** Limits on one answer of an authorization server. */
export interface OutboundLimits {
  /** Longest time until the whole answer is there, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest body, in bytes, after decompression. */
  readonly maxBytes: number;
}

/** How requests are made. */
export interface Outbound extends OutboundLimits {
  /** In place of the global one. What it returns is held to the same limits, whether or not it knows of them. */
  readonly fetch?: typeof fetch;
  /** Ends requests that are under way, and lets none begin. */
  readonly closing?: AbortSignal;
}

/** What else is known of a failed request. */
export interface OutboundErrorDetails extends ErrorOptions {
  /** Of Node.js, such as `ECONNREFUSED`, where there was no answer. */
  readonly code?: string | undefined;
  /** How long the server asked to be left alone. */
  readonly retryAfterSeconds?: number | undefined;
}

/** The answer could not be had, or is not what was asked for. Its message names method, URL and what was seen. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
  /** Of Node.js, such as `ECONNREFUSED`, where there was no answer. */
  readonly code: string | undefined;
  /** How long the server asked to be left alone; undefined where it did not. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    /** Method and URL; nothing of the header or the body. */
    request: string,
    /** What was seen, and nothing of the request. */
    readonly what: string,
    /** HTTP status of the answer, if there was a whole one. */
    readonly status?: number,
    { code, retryAfterSeconds, ...options }: OutboundErrorDetails = {},
  ) {
    super(`${request}: ${what}`, options);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** What is sent besides the URL. */
export interface OutboundRequest {
  readonly method: 'GET' | 'HEAD' | 'OPTIONS' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: URLSearchParams | string;
}

/** Longest `Location` that is looked at, in characters. */
const MAX_LOCATION_LENGTH = 2_000;

/** A whole answer of status 200. */
export interface OutboundAnswer {
  /** In lower case, without parameters. */
  readonly contentType: string;
  readonly text: string;
}

/**
 * Fetches one JSON object: no redirects are followed, no credentials are sent, and time and size are bounded. The content type
 * decides nothing: buckets and file servers call a key set text, or bytes (RFC 7517 §8.5 registers a type, and asks for none).
 *
 * Does not check the scheme of the URL: that is decided where the URL comes from.
 *
 * @throws {OutboundError} for everything that is not 200 and a JSON object in UTF-8.
 */
export async function fetchJsonObject(url: string, outbound: Outbound): Promise<Record<string, unknown>> {
  const request = { method: 'GET', headers: { accept: 'application/json' } } as const;
  return parseObject(`GET ${url}`, await exchange(url, request, () => true, outbound));
}

/**
 * Posts a form within the same bounds. The headers, and with them whatever credentials are sent, are the caller's.
 *
 * @param isExpected whether the answer may have that content type
 * @throws {OutboundError} for everything that is not 200 and of that type; it holds nothing of what was sent.
 */
export function postForm(
  url: string,
  form: { readonly headers: Readonly<Record<string, string>>; readonly body: URLSearchParams },
  isExpected: (contentType: string) => boolean,
  outbound: Outbound,
): Promise<OutboundAnswer> {
  return exchange(url, { method: 'POST', ...form }, isExpected, outbound);
}

/**
 * Does what the application has to do with an answer, within the time of one: others wait for it as well.
 *
 * @throws what the work throws, or a `DOMException` when the time is over.
 */
export async function withinTime<T>(work: () => T | Promise<T>, outbound: Outbound): Promise<T> {
  const deadline = new Deadline(outbound);
  try {
    return await Promise.race([work(), deadline.passed]);
  } finally {
    deadline.clear();
  }
}

/** An answer as it came. */
export interface ProbedAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** In lower case, without parameters. */
  readonly contentType: string;
  /** The body; empty where something was wrong with it. */
  readonly text: string;
  /** Why there is no body; undefined where there is one, or an empty one. */
  readonly flaw: string | undefined;
}

/**
 * Sends one request within the same bounds, for the sake of the answer itself: whatever its status and type, and without
 * following redirects. A body that is too long or too late is left out, and a stream of events is not waited for.
 *
 * @throws {OutboundError} when there is no answer at all
 */
export async function probe(url: string, request: OutboundRequest, outbound: Outbound): Promise<ProbedAnswer> {
  const deadline = new Deadline(outbound);
  try {
    const response = await send(url, request, outbound, deadline);
    return { ...headOf(response), ...(await readProbed(response, url, request, outbound, deadline)) };
  } finally {
    deadline.clear();
  }
}

function headOf({ status, headers }: Response): Pick<ProbedAnswer, 'status' | 'headers' | 'contentType'> {
  return { status, headers, contentType: contentTypeOf(headers) };
}

async function readProbed(
  response: Response,
  url: string,
  request: OutboundRequest,
  { maxBytes }: Outbound,
  deadline: Deadline,
): Promise<Pick<ProbedAnswer, 'text' | 'flaw'>> {
  try {
    if (contentTypeOf(response.headers) === 'text/event-stream')
      return { text: '', flaw: 'the body is a stream of events' };
    return { text: await readText(nameOf(url, request), response, maxBytes, deadline), flaw: undefined };
  } catch (error) {
    return { text: '', flaw: (error as OutboundError).what };
  } finally {
    endTransfer(response);
  }
}

function contentTypeOf(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Whether a content type, in lower case and without parameters, is JSON. */
export function isJson(contentType: string): boolean {
  return contentType === 'application/json' || /^application\/[\w.+-]+\+json$/.test(contentType);
}

async function exchange(
  url: string,
  request: OutboundRequest,
  isExpected: (contentType: string) => boolean,
  outbound: Outbound,
): Promise<OutboundAnswer> {
  const deadline = new Deadline(outbound);
  try {
    const response = await send(url, request, outbound, deadline);
    return await readAnswer(response, url, request, isExpected, outbound, deadline);
  } finally {
    deadline.clear();
  }
}

async function readAnswer(
  response: Response,
  url: string,
  request: OutboundRequest,
  isExpected: (contentType: string) => boolean,
  { maxBytes }: Outbound,
  deadline: Deadline,
): Promise<OutboundAnswer> {
  const name = nameOf(url, request);
  try {
    if (response.redirected || isElsewhere(response.url, url))
      throw new OutboundError(name, 'a redirect was followed', 302);
    if (response.status !== 200) throw ofStatus(name, url, response);
    const contentType = contentTypeOf(response.headers);
    if (!isExpected(contentType)) throw ofType(name, contentType, request.headers['accept'] ?? 'another');
    try {
      return { contentType, text: await readText(name, response, maxBytes, deadline) };
    } catch (cause) {
      const isOfType = isJson(contentType) || contentType === request.headers['accept'];
      // What is no JSON at all is better called by its type than by how it could not be read.
      throw isOfType || (cause as OutboundError).status === undefined
        ? cause
        : ofType(name, contentType, 'application/json', { cause });
    }
  } catch (cause) {
    // Not a response at all, which only a fetch of the application can return.
    throw cause instanceof OutboundError ? cause : new OutboundError(name, 'no usable answer', undefined, { cause });
  } finally {
    endTransfer(response);
  }
}

function ofStatus(name: string, url: string, { status, headers }: Response): OutboundError {
  const retryAfterSeconds = status === 429 || status === 503 ? retryAfterIn(headers) : undefined;
  const target = status >= 300 && status < 400 ? redirectTarget(headers, url) : undefined;
  const redirect = target === undefined ? '' : `, a redirect to ${target}, and redirects are not followed`;
  return new OutboundError(name, `status ${status}${redirect}`, status, { retryAfterSeconds });
}

function ofType(name: string, contentType: string, expected: string, options?: ErrorOptions): OutboundError {
  const seen = contentType === '' ? 'no content type' : `content type ${showValue(contentType)}`;
  return new OutboundError(name, `${seen}, expected ${expected}`, 200, options);
}

/** Where a redirect leads: origin and path alone, since a query may hold anything. */
function redirectTarget(headers: Headers, url: string): string | undefined {
  const location = headers.get('location') ?? '';
  const target = location === '' || location.length > MAX_LOCATION_LENGTH ? undefined : resolved(location, url);
  if (!target) return undefined;
  return showValue(/^https?:$/.test(target.protocol) ? target.origin + target.pathname : target.protocol);
}

function resolved(location: string, base: string): URL | undefined {
  try {
    return new URL(location, base);
  } catch {
    return undefined;
  }
}

/** Seconds, from either form of the header (RFC 9110 §10.2.3). */
function retryAfterIn(headers: Headers): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const at = value.length > 40 ? NaN : Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

/** A fetch of the application may follow redirects without saying so. Empty where it made the response itself. */
function isElsewhere(answered: string, asked: string): boolean {
  return answered !== '' && answered !== undefined && answered !== new URL(asked).href.split('#', 1)[0];
}

async function send(url: string, request: OutboundRequest, outbound: Outbound, deadline: Deadline): Promise<Response> {
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
    // It may come yet, from a fetch that does not know of signals.
    void asked.then(endTransfer).catch(() => undefined);
    throw new OutboundError(nameOf(url, request), describe(cause, outbound), undefined, { cause, code: codeOf(cause) });
  }
}

/** Of a body that was not read to its end; does nothing for one that was. Nobody waits: a stream of the application may not. */
function endTransfer(response: Response): void {
  try {
    void response.body?.cancel?.().catch(() => undefined);
  } catch {
    // No stream at all, which only a fetch of the application can return.
  }
}

async function readText(request: string, response: Response, maxBytes: number, deadline: Deadline): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const reader = response.body?.getReader();
  let text = '';
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = (await Promise.race([reader?.read(), deadline.passed])) ?? { done: true };
      if (done) return text + decoder.decode();
      bytes += byteLengthOf(value);
      if (bytes > maxBytes) throw new OutboundError(request, `the body is longer than ${maxBytes} bytes`, 200);
      text += decoder.decode(value, { stream: true });
    }
  } catch (cause) {
    if (cause instanceof OutboundError) throw cause;
    // A body that is too late is no answer: what was to come nobody knows.
    const status = deadline.signal.aborted ? undefined : 200;
    throw new OutboundError(request, `the body could not be read to its end${readingFlaw(cause)}`, status, { cause });
  } finally {
    void reader?.cancel().catch(() => undefined);
    reader?.releaseLock();
  }
}

function readingFlaw(cause: unknown): string {
  const { name, code } = isRecord(cause) ? cause : {};
  if (name === 'TimeoutError') return ' in time';
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? ': it is not UTF-8' : '';
}

/** @throws {TypeError} for what is no bytes, of which nobody knows how many there are. */
function byteLengthOf(chunk: unknown): number {
  if (!ArrayBuffer.isView(chunk)) throw new TypeError('the body is no stream of bytes');
  return chunk.byteLength;
}

/** When one request has to be over, headers, body and all. Holds for a fetch that does not know of signals too. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #closing: AbortSignal | undefined;
  readonly #close = (): void => this.#controller.abort(new DOMException('The application is closing', 'AbortError'));
  /** Rejects at the deadline, and never resolves. */
  readonly passed: Promise<never>;

  constructor({ timeoutMs, closing }: Outbound) {
    const { signal } = this.#controller;
    this.passed = new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    this.passed.catch(() => undefined);
    const expire = (): void => this.#controller.abort(new DOMException('The time is over', 'TimeoutError'));
    this.#timer = setTimeout(expire, timeoutMs).unref();
    this.#closing = closing;
    closing?.addEventListener('abort', this.#close);
    if (closing?.aborted) this.#close();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#closing?.removeEventListener('abort', this.#close);
  }
}

function nameOf(url: string, { method }: OutboundRequest): string {
  return `${method} ${url}`;
}

function parseObject(request: string, { contentType, text }: OutboundAnswer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (!isJson(contentType)) throw ofType(request, contentType, 'application/json', { cause });
    throw new OutboundError(request, 'the body is not JSON', 200, { cause });
  }
  if (!isRecord(value)) throw new OutboundError(request, 'the body is no JSON object', 200);
  return value;
}

/** By their members, not their class: with a fetch of the application, errors may come from another realm. */
function describe(cause: unknown, { timeoutMs, fetch: ofApplication }: Outbound): string {
  const { name, cause: inner } = isRecord(cause) ? cause : {};
  if (name === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  if (name === 'AbortError') return 'given up, since the application is closing';
  const code = codeOf(cause);
  if (code !== undefined) return `no answer (${code})`;
  const { message } = isRecord(inner) ? inner : {};
  // A fetch of the application may say what it was to send, credentials and token included.
  return typeof message === 'string' && !ofApplication ? `no answer (${message})` : 'no answer';
}

/** The code of Node.js that `fetch` keeps in the cause of its error. */
function codeOf(cause: unknown): string | undefined {
  const { cause: inner } = isRecord(cause) ? cause : {};
  const { code } = isRecord(inner) ? inner : {};
  return typeof code === 'string' && /^\w{1,50}$/.test(code) ? code : undefined;
}
