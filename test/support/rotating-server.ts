import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { decodeJwt } from 'jose';
import { LoopbackServer } from './loopback-server.js';

/** The endpoints of an authorization server where the secret of the client changes. Issues what is asked for. */
export class RotatingServer {
  /** What the client has to send now. */
  secret = 'canary-first';
  /** The secret of each request, oldest first; empty for none. */
  readonly seen: string[] = [];
  readonly #server = new LoopbackServer(createServer((request, response) => void this.#handle(request, response)));

  static async start(): Promise<RotatingServer> {
    const server = new RotatingServer();
    await server.#server.listen();
    return server;
  }

  get origin(): string {
    return this.#server.origin;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    const answer = this.#answerTo(request.url ?? '', request.headers.authorization, form);
    response.writeHead(answer ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { error: 'invalid_client' }));
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
