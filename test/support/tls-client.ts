import { Agent, request, type AgentOptions } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** An answer over TLS. */
export interface TlsAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The connection on which it came. */
  readonly socket: TLSSocket;
}

/** A client with one connection at a time, which it keeps. */
export interface TlsClient {
  send(url: string, headers: Readonly<Record<string, string | string[]>>, body?: string): Promise<TlsAnswer>;
  /** Closes the connection. The next request opens another one. */
  disconnect(): void;
}

/** A client with a certificate, or with none. It accepts any certificate of a server. */
export function tlsClient(
  certificate?: { readonly key: string; readonly cert: string },
  options?: AgentOptions,
): TlsClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, ...certificate, ...options });
  return {
    send: (url, headers, body) =>
      new Promise((resolve, reject) => {
        const sent = request(url, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, (response) => {
          let text = '';
          const { statusCode: status = 0, headers: answered } = response;
          const socket = response.socket as TLSSocket;
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('error', reject);
          response.on('end', () => resolve({ status, headers: answered, text, socket }));
        });
        sent.on('error', reject);
        sent.end(body);
      }),
    disconnect: () => agent.destroy(),
  };
}
