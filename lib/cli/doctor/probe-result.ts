import { isRecord, ownMember } from '../../core/record.js';
import { showText, showValue } from '../../core/safe-text.js';
import { isJson } from '../../core/media-type.js';

/** The answer to a request, with any status. */
export interface Answer {
  readonly kind: 'answer';
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  /** The media type in lower case, without parameters. */
  readonly contentType: string;
  readonly text: string;
  /** Why the body was not read; undefined if it was. */
  readonly flaw: string | undefined;
  /** When the request was sent and when the answer arrived, in milliseconds since the epoch. */
  readonly askedAt: number;
  readonly cameAt: number;
}

/** No answer: the server did not answer, or the request was not sent. */
export interface NoAnswer {
  readonly kind: 'no-answer';
  readonly url: string;
  readonly why: string;
}

/** The result of one request. */
export type ProbeResult = Answer | NoAnswer;

type JsonObject = Readonly<Record<string, unknown>>;

/** The JSON object of an answer, or why it is not one, in words that can follow a colon. */
export function readDocument(seen: ProbeResult): { readonly document: JsonObject } | { readonly flaw: string } {
  if (seen.kind === 'no-answer' || seen.status !== 200) return { flaw: describe(seen) };
  if (!isJson(seen.contentType)) return { flaw: `${describe(seen)}, where application/json is expected` };
  if (seen.flaw !== undefined) return { flaw: seen.flaw };
  const document = parse(seen.text);
  return isRecord(document) ? { document } : { flaw: 'the body is not a JSON object' };
}

/** The JSON object of an answer; undefined if there is none. */
export function documentOf(seen: ProbeResult | undefined): JsonObject | undefined {
  const read = seen && readDocument(seen);
  return read && 'document' in read ? read.document : undefined;
}

/** Describes a result: status and content type, or the target of a redirect, or why there is no answer. */
export function describe(seen: ProbeResult): string {
  if (seen.kind === 'no-answer') return showText(seen.why);
  const { status, headers, contentType } = seen;
  const location = headers.get('location');
  if (status >= 300 && status < 400 && location !== null)
    return `status ${status}, a redirect to ${showValue(location)}`;
  return `status ${status}${contentType === '' ? '' : `, content type ${showValue(contentType)}`}`;
}

/** Statuses of rate limits and of gateways that do not reach the server (RFC 6585 §4, RFC 9110 §15.6). */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Whether there is no answer, or the answer says nothing about how the server behaves at other times. */
export function isPassing(seen: ProbeResult): boolean {
  return seen.kind === 'no-answer' || PASSING.has(seen.status);
}

/** Whether the endpoint did not process the request: nothing is at the URL, or it does not allow the method. */
export function isNotThere({ status }: Answer): boolean {
  return [404, 405, 410, 501].includes(status);
}

/** Whether the endpoint refused the request itself, and is neither missing nor temporarily unavailable. */
export function isRefusal(seen: ProbeResult): boolean {
  return seen.kind === 'answer' && seen.status >= 400 && seen.status < 500 && !isPassing(seen) && !isNotThere(seen);
}

/** The code and description of an OAuth error answer (RFC 6749 §5.2), shortened; empty if it has neither. */
export function errorText(seen: ProbeResult): string {
  const document = seen.kind === 'answer' && seen.flaw === undefined ? parse(seen.text) : undefined;
  if (!isRecord(document)) return '';
  const parts = ['error', 'error_description'].flatMap((name) => {
    const value = ownMember(document, name);
    return typeof value === 'string' && value !== '' ? [`${name} ${showValue(value)}`] : [];
  });
  return parts.length === 0 ? '' : `, ${parts.join(', ')}`;
}

export function statusOf(seen: ProbeResult): number | undefined {
  return seen.kind === 'answer' ? seen.status : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
