/** Limits on one answer of an authorization server. */
export interface OutboundLimits {
  /** Longest time until the whole answer is there, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest body, in bytes, after decompression. */
  readonly maxBytes: number;
}

/** The answer could not be had, or is not what was asked for. Its message names the URL and what was seen. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';

  constructor(
    url: string,
    what: string,
    /** HTTP status of the answer, if there was one. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(`GET ${url}: ${what}`, options);
  }
}

/**
 * Fetches one JSON object. The only function of this library that opens a connection: no redirects are followed,
 * no credentials are sent, and time and size are bounded.
 *
 * Does not check the scheme of the URL: that is decided where the URL comes from.
 *
 * @throws {OutboundError} for everything that is not 200, `application/json` (or `+json`), and a JSON object.
 */
export async function fetchJsonObject(url: string, limits: OutboundLimits): Promise<Record<string, unknown>> {
  const response = await request(url, limits.timeoutMs);
  try {
    if (response.status !== 200) throw new OutboundError(url, `status ${response.status}`, response.status);
    const type = (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    if (type !== 'application/json' && !/^application\/[\w.+-]+\+json$/.test(type)) {
      throw new OutboundError(url, `content type "${type}", expected application/json`, 200);
    }
    return parseObject(url, await readText(url, response, limits.maxBytes));
  } finally {
    // Ends the transfer of a body that was not read to its end; nothing to do for one that was.
    await response.body?.cancel().catch(() => undefined);
  }
}

async function request(url: string, timeoutMs: number): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
      credentials: 'omit',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    throw new OutboundError(url, describe(cause, timeoutMs), undefined, { cause });
  }
}

async function readText(url: string, response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += (chunk as Uint8Array).byteLength;
      if (bytes > maxBytes) throw new OutboundError(url, `the body is longer than ${maxBytes} bytes`, 200);
      text += decoder.decode(chunk as Uint8Array, { stream: true });
    }
    return text + decoder.decode();
  } catch (cause) {
    if (cause instanceof OutboundError) throw cause;
    throw new OutboundError(url, 'the body could not be read to its end', 200, { cause });
  }
}

function parseObject(url: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OutboundError(url, 'the body is not JSON', 200, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OutboundError(url, 'the body is no JSON object', 200);
  }
  return value as Record<string, unknown>;
}

function describe(cause: unknown, timeoutMs: number): string {
  if (!(cause instanceof Error)) return 'no answer';
  if (cause.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  const inner = cause.cause;
  return inner instanceof Error ? `no answer (${(inner as NodeJS.ErrnoException).code ?? inner.message})` : 'no answer';
}
