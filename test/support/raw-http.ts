import { connect } from 'node:net';

/** An HTTP answer as the socket received it. */
export interface RawResponse {
  readonly status: number;
  /** All fields by name in lower case, in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

/**
 * Sends a request exactly as written, with repeated headers and odd white space, which `fetch` would normalize.
 * Adds `Host`, `Connection: close` and the length of the body.
 */
export async function sendRaw(
  origin: string,
  {
    method = 'POST',
    path,
    headers = [],
    body = '',
  }: {
    readonly method?: string;
    readonly path: string;
    readonly headers?: readonly string[];
    readonly body?: string | Uint8Array;
  },
): Promise<RawResponse> {
  const { hostname, port } = new URL(origin);
  const hasHost = headers.some((line) => /^host:/i.test(line));
  const head = [
    `${method} ${path} HTTP/1.1`,
    ...(hasHost ? [] : [`Host: ${hostname}:${port}`]),
    'Connection: close',
    ...headers,
    ...(body.length === 0 ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  const socket = connect(Number(port), hostname);
  // Not `end`: when a client closes its half of the connection, Node drops an answer that is not ready yet.
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.write(body);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(chunk as Buffer);
  } catch (error) {
    // A server may answer without reading the rest of a body that is too long.
    if (chunks.length === 0) throw error;
  }
  return parse(Buffer.concat(chunks).toString('latin1'));
}

function parse(text: string): RawResponse {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return { status: Number(statusLine.split(' ')[1]), headers, body: text.slice(end + 4) };
}
