/** A whole event of a stream. */
export interface ServerSentEvent {
  /** `message` where the stream names none. */
  readonly type: string;
  readonly data: string;
}

/** What is told of an event stream while it is written. */
export interface EventStreamListener {
  /** An event has this id, which clients send back as `Last-Event-ID`. */
  id(id: string): void;
  event(event: ServerSentEvent): void;
}

/** What a longer line says is not looked at: neither ids nor messages that create a task are that long. */
const MAX_LINE_LENGTH = 1_048_576;

/**
 * Reads an event stream in pieces, as it is written, however the pieces divide it.
 *
 * @see HTML Standard §9.2.6, "Interpreting an event stream"
 */
export class EventStreamReader {
  readonly #decoder = new TextDecoder();
  /** The line that has begun. */
  #line = '';
  #isTooLong = false;
  /** The last piece ended with CR, so that LF at the start of the next belongs to it. */
  #endedWithReturn = false;
  #type = '';
  #data: string[] = [];

  constructor(private readonly listener: EventStreamListener) {}

  read(piece: string | Uint8Array): void {
    let text = typeof piece === 'string' ? piece : this.#decoder.decode(piece, { stream: true });
    if (this.#endedWithReturn && text.startsWith('\n')) text = text.slice(1);
    if (text === '') return;
    this.#endedWithReturn = text.endsWith('\r');
    const lines = text.split(/\r\n|\r|\n/);
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      this.#append(line);
      if (!this.#isTooLong) this.#readLine(this.#line);
      this.#line = '';
      this.#isTooLong = false;
    }
    this.#append(rest);
  }

  #append(text: string): void {
    if (this.#isTooLong || this.#line.length + text.length > MAX_LINE_LENGTH) {
      this.#isTooLong = true;
      this.#line = '';
    } else this.#line += text;
  }

  #readLine(line: string): void {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    switch (field) {
      case 'id':
        return this.#readId(valueAfter(line, colon));
      case 'event':
        this.#type = valueAfter(line, colon);
        return;
      case 'data':
        this.#data.push(valueAfter(line, colon));
    }
  }

  /** An empty id means that there is none, and one with NUL is to be ignored. */
  #readId(id: string): void {
    if (id !== '' && !id.includes('\0')) this.listener.id(id);
  }

  #dispatch(): void {
    const event = { type: this.#type || 'message', data: this.#data.join('\n') };
    this.#type = '';
    this.#data = [];
    if (event.data !== '') this.listener.event(event);
  }
}

/** Without the one space that may follow the colon. */
function valueAfter(line: string, colon: number): string {
  if (colon === -1) return '';
  return line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
}
