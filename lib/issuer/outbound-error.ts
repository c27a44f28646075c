import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';

/** What else is known about a failed request. */
export interface OutboundErrorDetails extends ErrorOptions {
  /** The error code of Node.js, such as `ECONNREFUSED`, if there was no answer. */
  readonly code?: string | undefined;
  /** How long the server asked to wait. */
  readonly retryAfterSeconds?: number | undefined;
}

/** A request got no answer, or an unexpected one. The message names method, URL and what was seen. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
  /** The error code of Node.js, such as `ECONNREFUSED`, if there was no answer. */
  readonly code: string | undefined;
  /** How long the server asked to wait; undefined if it did not ask. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    /** Method and URL, without headers and body. */
    request: string,
    /** What was seen, without anything of the request. */
    readonly what: string,
    /** HTTP status of the answer, if all of it arrived. */
    readonly status?: number,
    { code, retryAfterSeconds, ...options }: OutboundErrorDetails = {},
  ) {
    super(`${request}: ${what}`, options);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** @param by the time limit, and the function of the application that sent the request, if there is one */
export function noAnswer(
  request: string,
  cause: unknown,
  by: { readonly timeoutMs: number; readonly fetch?: unknown },
): OutboundError {
  return new OutboundError(request, whyNoAnswer(cause, by), undefined, { cause, code: codeOf(cause) });
}

/** Reads members and does not check the class: an error of the application's fetch may come from another realm. */
function whyNoAnswer(
  cause: unknown,
  { timeoutMs, fetch: ofApplication }: { readonly timeoutMs: number; readonly fetch?: unknown },
): string {
  const { name, cause: inner } = isRecord(cause) ? cause : {};
  if (name === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  if (name === 'AbortError') return 'given up, since the application is closing';
  const code = codeOf(cause);
  if (code !== undefined) return `no answer (${code})`;
  const { message } = isRecord(inner) ? inner : {};
  // A fetch of the application may quote the request, including credentials and the token.
  return typeof message === 'string' && !ofApplication ? `no answer (${message})` : 'no answer';
}

/** The error code of Node.js, which `fetch` keeps in the cause of its error. */
function codeOf(cause: unknown): string | undefined {
  const { cause: inner } = isRecord(cause) ? cause : {};
  const { code } = isRecord(inner) ? inner : {};
  return typeof code === 'string' && /^\w{1,50}$/.test(code) ? code : undefined;
}

export function unexpectedType(
  request: string,
  mediaType: string,
  expected: string,
  options?: ErrorOptions,
): OutboundError {
  const seen = mediaType === '' ? 'no content type' : `content type ${showValue(mediaType)}`;
  return new OutboundError(request, `${seen}, expected ${expected}`, 200, options);
}

export function unexpectedStatus(request: string, url: string, { status, headers }: Response): OutboundError {
  const retryAfterSeconds = status === 429 || status === 503 ? retryAfterIn(headers) : undefined;
  const target = status >= 300 && status < 400 ? redirectTarget(headers, url) : undefined;
  const redirect = target === undefined ? '' : `, a redirect to ${target}, and redirects are not followed`;
  return new OutboundError(request, `status ${status}${redirect}`, status, { retryAfterSeconds });
}

/** Longest `Location` that is parsed, in characters. */
const MAX_LOCATION_LENGTH = 2_000;

/** The target of a redirect: origin and path only, since a query may contain anything. */
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

/** Seconds to wait, from either form of the header (RFC 9110 §10.2.3). */
function retryAfterIn(headers: Headers): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const at = value.length > 40 ? NaN : Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}
