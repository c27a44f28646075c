import type { ServerResponse } from 'node:http';
import { decoderOf } from './content-coding.js';
import { headerInHead, headWithout, type Head } from './write-head-hook.js';

/** Makes the text that is sent from the text that was written. */
export type ChangeText = (text: string) => Promise<string>;

/** What is sent if the text cannot be read, because the body has an unknown content coding. */
export type UnreadableBody = 'as-it-is' | 'nothing';

/**
 * Buffers what is written to a response until its end, and then sends the text that `change` returns for it, with the head
 * that was written. A response that is destroyed before its end sends nothing.
 *
 * @param otherwise what is sent if the body cannot be decoded, since its content coding is unknown
 */
export function rewriteBody(
  response: ServerResponse,
  change: (text: string) => Promise<string>,
  otherwise: 'as-it-is' | 'nothing',
): void {
  // All of them are restored before anything is sent: `end(text)` of HTTP/2, and of some middleware, calls `write`.
  const { writeHead, write, end, flushHeaders } = response;
  const chunks: Uint8Array[] = [];
  let head: Head | undefined;
  let isEnded = false;
  const keep = (chunk: unknown, rest: readonly unknown[]): void => {
    // What a framework writes after `end` is dropped without an error: it does not belong to the answer.
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
    // The new body has another length, and no content coding.
    const outdated = body !== bytes ? ['content-length', 'content-encoding'] : ['content-length'];
    for (const name of outdated) response.removeHeader(name);
    Reflect.apply(writeHead, response, headWithout(written, outdated));
    response.end(body);
  };
  response.flushHeaders = () => undefined;
  response.writeHead = ((...head: Head) => {
    buffered.head = head;
    return response;
  }) as ServerResponse['writeHead'];
  response.write = ((chunk: unknown, ...rest: unknown[]) => {
    buffered.keep(chunk, rest);
    return true;
  }) as ServerResponse['write'];
  response.end = ((chunk?: unknown, ...rest: unknown[]) => {
    buffered.keep(chunk, rest);
    buffered.end();
    return response;
  }) as ServerResponse['end'];
}

/** Calls the callback of `write` or `end`, which is the last argument if there is one. */
function callBack(chunk: unknown, rest: readonly unknown[]): void {
  const taken = rest.findLast((one) => one !== undefined) ?? chunk;
  if (typeof taken === 'function') taken();
}
