import type { ServerResponse } from 'node:http';
import { mediaTypeOf } from '../core/media-type.js';

/** Receives the body of a response while it is written. */
export interface BodyListener {
  piece(piece: string | Uint8Array): void;
  end(): void;
}

type Arguments = readonly unknown[];

/**
 * Passes each piece of the body to a listener after it was written. Does not change the body. Replaces methods of the response
 * object itself, where they stay if another application receives the response.
 *
 * @param choose returns the listener; called after the first piece was written, when the head is known
 */
export function watchBody(response: ServerResponse, choose: () => BodyListener | undefined): void {
  const { write, end } = response;
  const reporter = new BodyReporter(choose);
  response.write = ((...args: Arguments) => {
    const goesOn = Reflect.apply(write, response, args) as boolean;
    reporter.wrote(args);
    return goesOn;
  }) as ServerResponse['write'];
  response.end = ((...args: Arguments) => {
    const isFirst = reporter.begin();
    Reflect.apply(end, response, args);
    if (isFirst) reporter.ended(args);
    return response;
  }) as ServerResponse['end'];
}

/** Passes the arguments of `write` and `end` to a listener. */
class BodyReporter {
  #listener: BodyListener | undefined;
  #isChosen = false;
  #isEnding = false;

  constructor(private readonly choose: () => BodyListener | undefined) {}

  wrote(args: Arguments): void {
    // With HTTP/2, `end` passes its piece to `write`.
    if (!this.#isEnding) this.#tell(args);
  }

  /** @returns whether this is the first call of `end` */
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

/** Whether an argument is an encoding other than UTF-8. It may also be a callback. */
function isOther(encoding: unknown): encoding is BufferEncoding {
  return typeof encoding === 'string' && Buffer.isEncoding(encoding) && !/^utf-?8$/i.test(encoding);
}

/** Whether a response is an event stream. Call it after the head was written. */
export function isEventStream(response: ServerResponse): boolean {
  return mediaTypeOf(response.getHeader('content-type')) === 'text/event-stream';
}
