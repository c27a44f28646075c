import { isRecord } from '../core/record.js';
import type { Deadline } from '../core/deadline.js';
import { OutboundError } from './outbound-error.js';

/**
 * Reads a body as UTF-8, up to a number of bytes after decompression, until the deadline.
 *
 * @throws {OutboundError} when the body is too long, too late, or not UTF-8.
 */
export async function readText(
  request: string,
  response: Response,
  maxBytes: number,
  deadline: Deadline,
): Promise<string> {
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
    // A late body counts as no answer, since the rest of it is unknown.
    const status = deadline.signal.aborted ? undefined : 200;
    throw new OutboundError(request, `the body could not be read to its end${readingFlaw(cause)}`, status, { cause });
  } finally {
    void reader?.cancel().catch(() => undefined);
    reader?.releaseLock();
  }
}

/** Cancels a body that was not read to its end. Does not wait: a stream of the application may never respond. */
export function endTransfer(response: Response): void {
  try {
    void response.body?.cancel().catch(() => undefined);
  } catch {
    // Only a fetch of the application can return a body that is not a stream.
  }
}

function readingFlaw(cause: unknown): string {
  const { name, code } = isRecord(cause) ? cause : {};
  if (name === 'TimeoutError') return ' in time';
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? ': it is not UTF-8' : '';
}

/** @throws {TypeError} for a chunk that is not bytes, since its length is unknown. */
function byteLengthOf(chunk: unknown): number {
  if (!ArrayBuffer.isView(chunk)) throw new TypeError('the body is not a stream of bytes');
  return chunk.byteLength;
}
