import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';

/** An answer over HTTP/2. */
export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Resolves with the body when the server has ended it. */
  readonly text: Promise<string>;
  /** Resolves when a part of the body has arrived. */
  readonly begun: Promise<void>;
}

/** An HTTP/2 connection without TLS. */
export interface Http2Client {
  send(headers: Readonly<Record<string, string>>, body?: string): Promise<Http2Answer>;
  close(): Promise<void>;
}

export function http2Client(origin: string): Http2Client {
  const session: ClientHttp2Session = connect(origin);
  return {
    send: (headers, body) =>
      answerOf(
        session.request(
          { ':method': body === undefined ? 'GET' : 'POST', ...headers },
          { endStream: body === undefined },
        ),
        body,
      ),
    close: () => new Promise((resolve) => session.close(resolve)),
  };
}

function answerOf(stream: ClientHttp2Stream, body: string | undefined): Promise<Http2Answer> {
  let text = '';
  const begun = new Promise<void>((resolve) => stream.once('data', () => resolve()));
  const ended = new Promise<string>((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    stream.once('end', () => resolve(text));
    stream.once('error', reject);
  });
  if (body !== undefined) stream.end(body);
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.once('response', (headers) => resolve({ status: headers[':status'] ?? 0, headers, text: ended, begun }));
  });
}
