import type { ServerResponse } from 'node:http';

/** What is told of the body of a response while it is written. */
export interface BodyListener {
  piece(piece: string | Uint8Array): void;
  end(): void;
}

/** Tells of each piece of the body before it is sent, and changes nothing. */
export function watchBody(response: ServerResponse, listener: BodyListener): void {
  const { write, end } = response;
  let isEnding = false;
  const tell = (chunk: unknown, encoding: unknown): void => {
    if (typeof chunk === 'string') listener.piece(isUtf8(encoding) ? chunk : Buffer.from(chunk, encoding));
    else if (chunk instanceof Uint8Array) listener.piece(chunk);
  };
  response.write = ((chunk: unknown, ...rest: unknown[]) => {
    // Of HTTP/2, `end` hands its piece to `write`.
    if (!isEnding) tell(chunk, rest[0]);
    return Reflect.apply(write, response, [chunk, ...rest]) as boolean;
  }) as ServerResponse['write'];
  response.end = ((...args: unknown[]) => {
    if (!isEnding) {
      isEnding = true;
      tell(args[0], args[1]);
      listener.end();
    }
    return Reflect.apply(end, response, args) as ServerResponse;
  }) as ServerResponse['end'];
}

/** Of a response whose head was written. */
export function isEventStream(response: ServerResponse): boolean {
  return String(response.getHeader('content-type') ?? '').startsWith('text/event-stream');
}

/** Anything but the name of another encoding: what stands there may be a callback. */
function isUtf8(encoding: unknown): encoding is Exclude<unknown, BufferEncoding> {
  return typeof encoding !== 'string' || !Buffer.isEncoding(encoding) || /^utf-?8$/i.test(encoding);
}
