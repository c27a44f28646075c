import type { ServerResponse } from 'node:http';
import { isRecord } from './core/record.js';

/**
 * Keeps what is written to a response until its end, and then sends the text that the function makes of it, under the
 * head that was written. A response that is destroyed instead sends nothing.
 */
export function holdBack(response: ServerResponse, change: (text: string) => Promise<string>): void {
  const { writeHead, end } = response;
  const chunks: Uint8Array[] = [];
  let head: unknown[] = [response.statusCode];
  const keep = (chunk: unknown, rest: readonly unknown[]): void => {
    if (typeof chunk === 'string') chunks.push(Buffer.from(chunk, (rest[0] as BufferEncoding | undefined) ?? 'utf8'));
    else if (chunk instanceof Uint8Array) chunks.push(chunk);
    const written = rest.at(-1) ?? chunk;
    if (typeof written === 'function') written();
  };
  const send = async (): Promise<void> => {
    const text = await change(Buffer.concat(chunks).toString('utf8'));
    response.writeHead = writeHead;
    response.end = end;
    response.removeHeader('Content-Length');
    Reflect.apply(writeHead, response, head.map(withoutLength));
    response.end(text);
  };
  response.flushHeaders = () => undefined;
  response.writeHead = ((...args: unknown[]) => {
    head = args;
    return response;
  }) as ServerResponse['writeHead'];
  response.write = ((chunk: unknown, ...rest: unknown[]) => {
    keep(chunk, rest);
    return true;
  }) as ServerResponse['write'];
  response.end = ((chunk?: unknown, ...rest: unknown[]) => {
    keep(chunk, rest);
    send().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
    return response;
  }) as ServerResponse['end'];
}

/** The text may be shorter than the one whose length was written. */
function withoutLength(argument: unknown): unknown {
  if (!isRecord(argument)) return argument;
  return Object.fromEntries(Object.entries(argument).filter(([name]) => name.toLowerCase() !== 'content-length'));
}
