import type { ServerResponse } from 'node:http';
import { mediaTypeOf } from '../core/media-type.js';

/** What is told of the body of a response while it is written. */
export interface BodyListener {
  piece(piece: string | Uint8Array): void;
  end(): void;
}

type Arguments = readonly unknown[];

/**
 * Tells of each piece of the body once it was written, and changes nothing. It is put on the response itself, where it stays
 * when another application is handed the response.
 *
 * @param choose is asked for the listener when the first piece was written: the head is known then
 */
export function watchBody(response: ServerResponse, choose: () => BodyListener | undefined): void {
  const { write, end } = response;
  const teller = new Teller(choose);
  response.write = ((...args: Arguments) => {
    const goesOn = Reflect.apply(write, response, args) as boolean;
    teller.wrote(args);
    return goesOn;
  }) as ServerResponse['write'];
  response.end = ((...args: Arguments) => {
    const isFirst = teller.begin();
    Reflect.apply(end, response, args);
    if (isFirst) teller.ended(args);
    return response;
  }) as ServerResponse['end'];
}

/** Makes of the arguments of `write` and `end` what a listener is told. */
class Teller {
  #listener: BodyListener | undefined;
  #isChosen = false;
  #isEnding = false;

  constructor(private readonly choose: () => BodyListener | undefined) {}

  wrote(args: Arguments): void {
    // Of HTTP/2, `end` hands its piece to `write`.
    if (!this.#isEnding) this.#tell(args);
  }

  /** @returns whether the response was not ended before. */
  begin(): boolean {
    const isFirst = !this.#isEnding;
    this.#isEnding = true;
    return isFirst;
  }

  ended(args: Arguments): void {
    this.#tell(args);
    this.#listener?.end();
  }

  #tell([chunk, encoding]: Arguments): void {
    if (!this.#isChosen) this.#listener = this.choose();
    this.#isChosen = true;
    if (!this.#listener) return;
    if (typeof chunk === 'string') this.#listener.piece(isOther(encoding) ? Buffer.from(chunk, encoding) : chunk);
    else if (chunk instanceof Uint8Array) this.#listener.piece(chunk);
  }
}

/** An encoding other than UTF-8; what stands there may be a callback. */
function isOther(encoding: unknown): encoding is BufferEncoding {
  return typeof encoding === 'string' && Buffer.isEncoding(encoding) && !/^utf-?8$/i.test(encoding);
}

/** Of a response whose head was written. */
export function isEventStream(response: ServerResponse): boolean {
  return mediaTypeOf(response.getHeader('content-type')) === 'text/event-stream';
}
