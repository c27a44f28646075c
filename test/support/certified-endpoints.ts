import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { TestCertificate, type TestIssuer } from 'nestjs-mcp-auth/testing';
import { LoopbackServer } from './loopback-server.js';

/** A request that came over TLS. */
export interface CertifiedRequest {
  readonly path: string;
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
  /** The thumbprint of the certificate that the client showed; undefined for none. */
  readonly thumbprint: string | undefined;
  readonly socket: TLSSocket;
}

/**
 * The endpoints `/token` and `/introspect` of a `TestIssuer` for clients with a certificate, over real TLS. A client is known by the
 * thumbprint of its certificate, and by `client_id` in the body. Hands its requests to the issuer, with the secret there.
 */
export class CertifiedEndpoints {
  readonly requests: CertifiedRequest[] = [];
  /** The thumbprints of the client. */
  readonly accepted = new Set<string>();
  /** Answers a request instead of the endpoint; false if it does not. */
  answer: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  /** That of the server, which is its own authority. */
  readonly certificate: TestCertificate;
  readonly #server: LoopbackServer;

  private constructor(
    private readonly issuer: TestIssuer,
    /** Whether TLS itself refuses clients without a certificate of this authority. */
    authority: TestCertificate | undefined,
  ) {
    this.certificate = TestCertificate.generate({ commonName: 'localhost' });
    const { cert, key } = this.certificate;
    const isStrict = authority !== undefined;
    const tls = { cert, key, requestCert: true, rejectUnauthorized: isStrict, ...(isStrict && { ca: authority.cert }) };
    this.#server = new LoopbackServer(createServer(tls, (request, response) => void this.#handle(request, response)));
  }

  static async start(issuer: TestIssuer, authority?: TestCertificate): Promise<CertifiedEndpoints> {
    const endpoints = new CertifiedEndpoints(issuer, authority);
    await endpoints.#server.listen();
    return endpoints;
  }

  get origin(): string {
    return this.#server.origin;
  }

  /** For the metadata of the issuer (RFC 8705 §5). */
  get aliases(): object {
    const { origin } = this;
    return { token_endpoint: `${origin}/token`, introspection_endpoint: `${origin}/introspect` };
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    const socket = request.socket as TLSSocket;
    const raw = socket.getPeerX509Certificate()?.raw;
    const thumbprint = raw && hash('sha256', raw, 'base64url');
    const { url: path = '', headers } = request;
    this.requests.push({ path, form, authorization: headers.authorization, thumbprint, socket });
    if (this.answer(request, response)) return;
    const answer = await this.#answerOf(path, form, thumbprint);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  async #answerOf(path: string, form: URLSearchParams, thumbprint: string | undefined): Promise<Response> {
    const isToken = path === '/token';
    const { clientId, clientSecret } = isToken ? this.issuer.tokenClient : this.issuer.introspectionClient;
    if (form.get('client_id') !== clientId || !this.accepted.has(thumbprint ?? ''))
      return Response.json({ error: 'invalid_client' }, { status: 401 });
    const body = new URLSearchParams(form);
    body.delete('client_id');
    const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
    const target = isToken ? this.issuer.tokenUri : this.issuer.introspectionUri;
    const answer = await fetch(target, { method: 'POST', body, headers: { authorization, 'x-over-tls': '1' } });
    return new Response(await answer.text(), {
      status: answer.status,
      headers: { 'content-type': 'application/json' },
    });
  }
}
