import type { ServerResponse } from 'node:http';
import { placeWith } from './core/kept.js';
import { placeOf, type HttpRequest } from './mcp-auth.context.js';

/** What is told of the body of a response while it is written. */
export interface BodyListener {
  piece(piece: string | Uint8Array): void;
  end(): void;
}

type Write = ServerResponse['write'];
type End = ServerResponse['end'];
type Arguments = readonly unknown[];

/** Says of responses that their prototype tells the listener. */
const TELLS_LISTENER = Symbol('tells the listener of the body');
const tellers = placeWith<{ readonly response: ServerResponse; readonly teller: Teller }>();

/** Tells of each piece of the body when it is sent, and changes nothing. */
export function watchBody(request: HttpRequest, response: ServerResponse, listener: BodyListener): void {
  const teller = new Teller(listener);
  // Where somebody else has a hand in it already, this one has to come first.
  if (TELLS_LISTENER in response && !Object.hasOwn(response, 'write') && !Object.hasOwn(response, 'end')) {
    tellers.keep(placeOf(request), { response, teller });
    return;
  }
  const { write, end } = response;
  response.write = ((...args: Arguments) => {
    teller.write(args);
    return Reflect.apply(write, response, args) as boolean;
  }) as Write;
  response.end = ((...args: Arguments) => {
    teller.end(args);
    return Reflect.apply(end, response, args) as ServerResponse;
  }) as End;
}

/** Has the listeners told by the responses which have this prototype, so that nothing need be added to each of them. */
export function tellListenersOf(prototype: object): void {
  if (Object.hasOwn(prototype, 'write') || Object.hasOwn(prototype, 'end')) return;
  // Looked up each time: tools for tracing replace them while the application runs.
  const inherited = (): ServerResponse => Object.getPrototypeOf(prototype) as ServerResponse;
  const write = function (this: ServerResponse, ...args: Arguments): boolean {
    const teller = tellerOf(this);
    teller?.write(args);
    const goesOn = Reflect.apply(inherited().write, this, args) as boolean;
    // That writes the head as well, where nobody did: then it is known only now that somebody listens.
    if (!teller) tellerOf(this)?.write(args);
    return goesOn;
  };
  const end = function (this: ServerResponse, ...args: Arguments): ServerResponse {
    const teller = tellerOf(this);
    teller?.end(args);
    const response = Reflect.apply(inherited().end, this, args) as ServerResponse;
    if (!teller) tellerOf(this)?.end(args);
    return response;
  };
  Object.defineProperties(prototype, {
    write: { value: write, configurable: true, writable: true },
    end: { value: end, configurable: true, writable: true },
    [TELLS_LISTENER]: { value: true },
  });
}

function tellerOf(response: ServerResponse): Teller | undefined {
  const kept = tellers.of(placeOf(response.req));
  return kept?.response === response ? kept.teller : undefined;
}

/** Makes of the arguments of `write` and `end` what a listener is told. */
class Teller {
  #isEnding = false;

  constructor(private readonly listener: BodyListener) {}

  write([chunk, encoding]: Arguments): void {
    // Of HTTP/2, `end` hands its piece to `write`.
    if (!this.#isEnding) this.#tell(chunk, encoding);
  }

  end([chunk, encoding]: Arguments): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#tell(chunk, encoding);
    this.listener.end();
  }

  #tell(chunk: unknown, encoding: unknown): void {
    if (typeof chunk === 'string') this.listener.piece(isOther(encoding) ? Buffer.from(chunk, encoding) : chunk);
    else if (chunk instanceof Uint8Array) this.listener.piece(chunk);
  }
}

/** An encoding other than UTF-8; what stands there may be a callback. */
function isOther(encoding: unknown): encoding is BufferEncoding {
  return typeof encoding === 'string' && Buffer.isEncoding(encoding) && !/^utf-?8$/i.test(encoding);
}

/** Of a response whose head was written. */
export function isEventStream(response: ServerResponse): boolean {
  return String(response.getHeader('content-type') ?? '').startsWith('text/event-stream');
}
