import { once } from 'node:events';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';

/** A message of either protocol. */
export interface SocketMessage {
  readonly event: string;
  readonly data: unknown;
}

/** A client of a WebSocket gateway. */
export interface TestSocket {
  /** Sends a message, and waits for the next message. */
  ask(event: string, data?: unknown): Promise<SocketMessage>;
  send(event: string, data?: unknown): void;
  next(): Promise<SocketMessage>;
  close(): void;
}

export type OpenSocket = (origin: string, headers?: Record<string, string>) => Promise<TestSocket>;

/** Keeps messages that the test has not read yet. */
class Inbox {
  readonly #messages: SocketMessage[] = [];
  readonly #waiting: ((message: SocketMessage) => void)[] = [];

  put(message: SocketMessage): void {
    const resolve = this.#waiting.shift();
    if (resolve) resolve(message);
    else this.#messages.push(message);
  }

  next(): Promise<SocketMessage> {
    const message = this.#messages.shift();
    return message ? Promise.resolve(message) : new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function socketOf(send: TestSocket['send'], inbox: Inbox, close: () => void): TestSocket {
  const ask = (event: string, data?: unknown): Promise<SocketMessage> => {
    send(event, data);
    return inbox.next();
  };
  return { ask, send, next: () => inbox.next(), close };
}

/**
 * For `WsAdapter`.
 *
 * @param tls options of the TLS connection
 */
export const openWs = async (
  origin: string,
  headers: Record<string, string> = {},
  tls: object = {},
): Promise<TestSocket> => {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/`, { ...tls, headers });
  const inbox = new Inbox();
  socket.on('message', (text: Buffer) => inbox.put(JSON.parse(text.toString()) as SocketMessage));
  await once(socket, 'open');
  return socketOf(
    (event, data) => socket.send(JSON.stringify({ event, data })),
    inbox,
    () => socket.terminate(),
  );
};

/** For `IoAdapter`. An answer without an event arrives as the acknowledgement `ack`. */
export const openSocketIo: OpenSocket = async (origin, headers = {}) => {
  const socket = io(origin, { extraHeaders: headers, transports: ['websocket'], forceNew: true });
  const inbox = new Inbox();
  socket.onAny((event: string, data: unknown) => inbox.put({ event, data }));
  await new Promise<void>((resolve, reject) => {
    socket.on('connect', resolve);
    socket.on('connect_error', reject);
  });
  const send = (event: string, data?: unknown): void => {
    socket.emit(event, data, (answer: unknown) => inbox.put({ event: 'ack', data: answer }));
  };
  return socketOf(send, inbox, () => socket.disconnect());
};
