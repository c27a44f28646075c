/** A complete event of an event stream. */
export interface ServerSentEvent {
  /** `message` if the stream names no type. */
  readonly type: string;
  readonly data: string;
}

/** Receives the content of an event stream while it is written. */
export interface EventStreamListener {
  /** Called with the id of an event, which clients send back as `Last-Event-ID`. */
  id(id: string): void;
  event(event: ServerSentEvent): void;
}

/** In characters. Longer lines are skipped: ids, and messages that create a task, are shorter. */
const MAX_LINE_LENGTH = 1_048_576;

/**
 * Reads an event stream while it is written. A piece may begin and end anywhere in the stream.
 *
 * @see HTML Standard §9.2.6, "Interpreting an event stream"
 */
export class EventStreamReader {
  readonly #decoder = new TextDecoder();
  /** The beginning of the current line. */
  #line = '';
  #isTooLong = false;
  /** Whether the last piece ended with CR: LF at the start of the next piece then belongs to it. */
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

  /** Skips an empty id, which means that there is no id, and an id with NUL, which clients ignore. */
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

/** The value of a line, without the one space that may follow the colon. */
function valueAfter(line: string, colon: number): string {
  if (colon === -1) return '';
  return line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
}
