import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt } from 'jose';

/** The endpoints of an authorization server where the secret of the client changes. Issues what is asked for. */
export class RotatingServer {
  /** What the client has to send now. */
  secret = 'canary-first';
  /** The secret of each request, oldest first; empty for none. */
  readonly seen: string[] = [];
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const answer = this.#answerTo(request.url ?? '', request.headers.authorization, form);
      response.writeHead(answer ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? { error: 'invalid_client' }));
    });
  });

  static async start(): Promise<RotatingServer> {
    const server = new RotatingServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #answerTo(path: string, authorization: string | undefined, form: URLSearchParams): object | undefined {
    const basic = Buffer.from(authorization?.slice('Basic '.length) ?? '', 'base64').toString();
    const secret = form.get('client_secret') ?? basic.split(':')[1] ?? '';
    this.seen.push(secret);
    if (secret !== this.secret) return undefined;
    if (path === '/introspect') return { active: true, token_type: 'Bearer', ...decodeJwt(form.get('token') ?? '') };
    const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token';
    return { access_token: `token-${this.seen.length}`, token_type: 'Bearer', issued_token_type };
  }
}
