/** Limits on one answer of an authorization server. */
export interface OutboundLimits {
  /** Longest time until the whole answer is there, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest body, in bytes, after decompression. */
  readonly maxBytes: number;
}

/** The answer could not be had, or is not what was asked for. Its message names method, URL and what was seen. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';

  constructor(
    /** Method and URL; nothing of the header or the body. */
    request: string,
    what: string,
    /** HTTP status of the answer, if there was one. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(`${request}: ${what}`, options);
  }
}

/** What is sent besides the URL. */
interface OutboundRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: URLSearchParams;
}

/** A whole answer of status 200. */
export interface OutboundAnswer {
  /** In lower case, without parameters. */
  readonly contentType: string;
  readonly text: string;
}

/**
 * Fetches one JSON object: no redirects are followed, no credentials are sent, and time and size are bounded.
 *
 * Does not check the scheme of the URL: that is decided where the URL comes from.
 *
 * @throws {OutboundError} for everything that is not 200, `application/json` (or `+json`), and a JSON object.
 */
export async function fetchJsonObject(url: string, limits: OutboundLimits): Promise<Record<string, unknown>> {
  const request = { method: 'GET', headers: { accept: 'application/json' } } as const;
  const { text } = await exchange(url, request, isJson, limits);
  return parseObject(`GET ${url}`, text);
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
  limits: OutboundLimits,
): Promise<OutboundAnswer> {
  return exchange(url, { method: 'POST', ...form }, isExpected, limits);
}

/** Whether a content type, in lower case and without parameters, is JSON. */
export function isJson(contentType: string): boolean {
  return contentType === 'application/json' || /^application\/[\w.+-]+\+json$/.test(contentType);
}

/** The only function of this library that opens a connection. */
async function exchange(
  url: string,
  request: OutboundRequest,
  isExpected: (contentType: string) => boolean,
  limits: OutboundLimits,
): Promise<OutboundAnswer> {
  const name = `${request.method} ${url}`;
  const response = await send(url, request, limits.timeoutMs);
  try {
    if (response.status !== 200) throw new OutboundError(name, `status ${response.status}`, response.status);
    const contentType = (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    if (!isExpected(contentType)) {
      const expected = request.headers['accept'] ?? 'another';
      throw new OutboundError(name, `content type "${contentType}", expected ${expected}`, 200);
    }
    return { contentType, text: await readText(name, response, limits.maxBytes) };
  } finally {
    // Ends the transfer of a body that was not read to its end; nothing to do for one that was.
    await response.body?.cancel().catch(() => undefined);
  }
}

async function send(url: string, request: OutboundRequest, timeoutMs: number): Promise<Response> {
  try {
    return await fetch(url, {
      ...request,
      redirect: 'manual',
      credentials: 'omit',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    throw new OutboundError(`${request.method} ${url}`, describe(cause, timeoutMs), undefined, { cause });
  }
}

async function readText(request: string, response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += (chunk as Uint8Array).byteLength;
      if (bytes > maxBytes) throw new OutboundError(request, `the body is longer than ${maxBytes} bytes`, 200);
      text += decoder.decode(chunk as Uint8Array, { stream: true });
    }
    return text + decoder.decode();
  } catch (cause) {
    if (cause instanceof OutboundError) throw cause;
    throw new OutboundError(request, 'the body could not be read to its end', 200, { cause });
  }
}

function parseObject(request: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OutboundError(request, 'the body is not JSON', 200, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OutboundError(request, 'the body is no JSON object', 200);
  }
  return value as Record<string, unknown>;
}

function describe(cause: unknown, timeoutMs: number): string {
  if (!(cause instanceof Error)) return 'no answer';
  if (cause.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  const inner = cause.cause;
  return inner instanceof Error ? `no answer (${(inner as NodeJS.ErrnoException).code ?? inner.message})` : 'no answer';
}
