import type { ServerResponse } from 'node:http';
import { decoderOf } from './content-coding.js';
import { headerInHead, headWithout, type Head } from './write-head-hook.js';

/**
 * Keeps what is written to a response until its end, and then sends the text that the function makes of it, under the
 * head that was written. A response that is destroyed instead sends nothing.
 *
 * @param otherwise what is sent where the text cannot be had, since the body has a content coding that is not known here
 */
export function rewriteBody(
  response: ServerResponse,
  change: (text: string) => Promise<string>,
  otherwise: 'as-it-is' | 'nothing',
): void {
  // All of them are put back before anything is sent: `end(text)` of HTTP/2, and of some middleware, calls `write`.
  const { writeHead, write, end, flushHeaders } = response;
  const chunks: Uint8Array[] = [];
  let head: Head | undefined;
  let isEnded = false;
  const keep = (chunk: unknown, rest: readonly unknown[]): void => {
    // Not refused: what a framework writes behind its own end has no place in the answer, and breaks nothing.
    if (isEnded) return;
    if (typeof chunk === 'string') chunks.push(Buffer.from(chunk, (rest[0] as BufferEncoding | undefined) ?? 'utf8'));
    else if (chunk instanceof Uint8Array) chunks.push(chunk);
  };
  const send = async (): Promise<void> => {
    const written = head ?? [response.statusCode];
    const decode = decoderOf(headerInHead(response, written, 'content-encoding'));
    const bytes = Buffer.concat(chunks);
    const unreadable = otherwise === 'nothing' ? '' : bytes;
    const body = decode ? await change(decode(bytes).toString('utf8')) : unreadable;
    Object.assign(response, { writeHead, write, end, flushHeaders });
    // What is sent has another length, and is not compressed.
    const outdated = body !== bytes ? ['content-length', 'content-encoding'] : ['content-length'];
    for (const name of outdated) response.removeHeader(name);
    Reflect.apply(writeHead, response, headWithout(written, outdated));
    response.end(body);
  };
  response.flushHeaders = () => undefined;
  response.writeHead = ((...args: Head) => {
    head = args;
    return response;
  }) as ServerResponse['writeHead'];
  response.write = ((chunk: unknown, ...rest: unknown[]) => {
    keep(chunk, rest);
    callBack(chunk, rest);
    return true;
  }) as ServerResponse['write'];
  response.end = ((chunk?: unknown, ...rest: unknown[]) => {
    keep(chunk, rest);
    callBack(chunk, rest);
    if (isEnded) return response;
    isEnded = true;
    send().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
    return response;
  }) as ServerResponse['end'];
}

/** The last argument of `write` and `end` may be a function that is called once the chunk was taken. */
function callBack(chunk: unknown, rest: readonly unknown[]): void {
  const taken = rest.findLast((one) => one !== undefined) ?? chunk;
  if (typeof taken === 'function') taken();
}
