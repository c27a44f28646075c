import { isRecord } from '../core/record.js';
import { logger } from '../observability/logger.js';
import { OptionReader, readWhole, type ReadersOf } from '../options/option-reader.js';
import type { PolicyContext } from '../options/policy-option.js';
import { readUrl } from '../options/url-option.js';

/** Who the decision point is asked about. */
export interface AuthzenSubject {
  /** @default the `kind` of the caller: `user`, `client` or `unknown` */
  readonly type?: string;
  /** @default the `principalKey` of the caller */
  readonly id?: string;
  /** Whatever the decision point needs beside it, as JSON. @default none */
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** The arguments of `authzen()`. */
export interface AuthzenOptions {
  /**
   * The URL of the evaluation endpoint, such as `https://pdp.example.com/access/v1/evaluation`; https, or http on loopback,
   * without query and fragment.
   */
  url: string;
  /** Header fields of each request, such as `authorization` of this server; or a function that returns them. @default none */
  headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
  /** Makes the requests instead of the global `fetch`; the same limits apply. @default the global fetch */
  fetch?: typeof fetch;
  /** Longest time until the whole answer has arrived, in milliseconds, 1 to 60000. @default 2000 */
  timeoutMs?: number;
  /** Sends the arguments of calls as `context.arguments`. They may hold personal data and secrets. @default false */
  sendArguments?: boolean;
  /**
   * Who the decision point is asked about, for example `({ auth }) => ({ id: auth.subject })`. A subject is unique only at its
   * issuer: with several issuers, `id` must name the issuer, too.
   * @default kind and principalKey of the caller
   */
  subject?: (context: PolicyContext) => AuthzenSubject;
  /** Accepts plain http beyond loopback; logged as a warning. Decisions can then be changed on the way. @default false */
  allowInsecureHttp?: boolean;
}

/** The arguments after validation. */
export interface ResolvedAuthzen {
  readonly url: string;
  /** With names in lower case. */
  readonly headers: () => Record<string, string>;
  readonly fetch: typeof fetch | undefined;
  readonly timeoutMs: number;
  readonly sendArguments: boolean;
  readonly subject: AuthzenOptions['subject'];
}

const READERS = {
  url: readEndpoint,
  headers: readHeaders,
  fetch: (option) => option.function<typeof fetch>('Write a function like the global fetch'),
  timeoutMs: (option) => option.number(2_000, 1, 60_000, 'Write milliseconds, such as'),
  sendArguments: (option) => option.flag(false),
  subject: (option) => option.function<NonNullable<AuthzenOptions['subject']>>('Write ({ auth }) => ({ id: … })'),
  allowInsecureHttp: (option) => option.flag(false),
} satisfies ReadersOf<AuthzenOptions>;

/** @throws {McpAuthConfigError} listing every problem. */
export function readAuthzen(options: AuthzenOptions): ResolvedAuthzen {
  const input: unknown = isRecord(options) ? { ...options } : options;
  const allowsInsecureHttp = isRecord(input) && input['allowInsecureHttp'] === true;
  const option = OptionReader.of(input, 'authzen()', allowsInsecureHttp);
  const resolved = readWhole(option, () => option.section(READERS));
  for (const warning of option.warnings) logger.warn(warning);
  return resolved;
}

/** Log lines name the URL, so it must not hold a secret. */
function readEndpoint(option: OptionReader): string {
  const url = readUrl(option);
  if (url === '' || !/[?#]/.test(url)) return url;
  const write = 'Write the URL without it, and credentials into headers';
  option.refuse({ seen: 'a URL with a query or fragment', why: 'it would stand in the log', write });
  return '';
}

function readHeaders(option: OptionReader): () => Record<string, string> {
  const { value } = option;
  if (typeof value === 'function') return () => headersIn((value as () => unknown)());
  try {
    const headers = value === undefined ? {} : headersIn(value);
    return () => headers;
  } catch {
    const write = 'Write an object such as { authorization: "Bearer …" }, or a function that returns one';
    option.refuse({ seen: 'something else', why: 'must be an object of header fields', write });
    return () => ({});
  }
}

/** A copy with names in lower case. @throws {TypeError} for anything but header fields; without their values. */
function headersIn(value: unknown): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every((one) => typeof one === 'string'))
    throw new TypeError('headers must return an object of header fields');
  try {
    return Object.fromEntries(new Headers(value as Record<string, string>));
  } catch {
    throw new TypeError('headers must return header fields that HTTP allows');
  }
}
