import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { createSecureContext } from 'node:tls';
import type { Outbound } from './outbound.js';

/** A certificate of this server as a client, with its private key. */
export interface ClientKeyPair {
  /** PEM text: the certificate, and those of the authorities between it and the root after it, if the server wants them. */
  readonly certificate: string;
  /** PEM text: the private key without a passphrase. */
  readonly key: string;
}

/** Longest PEM text of a certificate or a key that is read, in characters. */
const MAX_PEM_LENGTH = 65_536;

/** The same for authorities: those of an operating system are 220,000. */
const MAX_AUTHORITIES_LENGTH = 1_048_576;

/** How long a connection is kept for the next request, in milliseconds: shorter than servers keep it. */
const KEPT_MS = 4_000;

/**
 * Checks that certificate and key can be used together. Does not check who issued the certificate, nor until when it is valid.
 *
 * @returns the first certificate
 * @throws {TypeError} otherwise. The message contains nothing of the values.
 */
export function checkKeyPair({ certificate, key }: Readonly<Record<keyof ClientKeyPair, unknown>>): X509Certificate {
  const first = parsed('a certificate as PEM text', certificate, (pem) => new X509Certificate(pem));
  const privateKey = parsed('a private key as PEM text, without a passphrase', key, (pem) => createPrivateKey(pem));
  if (!first.checkPrivateKey(privateKey)) throw new TypeError('the key is not that of the certificate');
  try {
    createSecureContext({ cert: certificate as string, key: key as string });
  } catch {
    // The cause could quote the key.
    throw new TypeError('must be a certificate that TLS can use, with its chain in order');
  }
  return first;
}

/**
 * Checks each certificate: TLS takes no notice of one that it cannot read, nor of those after it.
 *
 * @throws {TypeError} if one cannot be read, or there is none.
 */
export function checkAuthorities(ca: string): void {
  const parse = (pem: string): unknown => {
    const blocks = pem.split(/(?=-----BEGIN )/).filter((block) => block.startsWith('-----BEGIN '));
    return blocks.map((block) => new X509Certificate(block));
  };
  parsed('certificates as PEM text', ca, parse, MAX_AUTHORITIES_LENGTH);
}

function parsed<T>(what: string, pem: unknown, parse: (pem: string) => T, maxLength = MAX_PEM_LENGTH): T {
  try {
    if (typeof pem === 'string' && pem.length <= maxLength && pem.includes('-----BEGIN ')) return parse(pem);
  } catch {
    // The cause could quote the key.
  }
  throw new TypeError(`must be ${what}`);
}

/**
 * Sends requests over connections on which this server shows its certificate, and holds nothing that a log could show of its key.
 * The global `fetch` cannot do that.
 *
 * @see RFC 8705 §2
 */
export class ClientCertificate {
  readonly #load: () => unknown;
  readonly #ca: string | undefined;
  #current: { readonly pair: ClientKeyPair; readonly agent: https.Agent } | undefined;

  /**
   * @param load returns the {@link ClientKeyPair} for the next request
   * @param ca PEM text of the authorities of the server; undefined for those that Node.js knows
   */
  constructor(load: () => unknown, ca: string | undefined) {
    this.#load = load;
    this.#ca = ca;
  }

  /**
   * Has the type of the global `fetch`, and does of it what `outbound.ts` needs: a URL as text, one request without redirects, and a
   * body as text or form. An answer that is compressed stays so.
   *
   * @throws {TypeError} with the error of Node.js as its cause, as `fetch` does.
   */
  readonly fetch: typeof fetch = async (url, init = {}) => {
    const target = new URL(url as string | URL);
    if (target.protocol !== 'https:') throw failed('CLIENT_CERTIFICATE_NEEDS_HTTPS');
    const agent = await this.#agent();
    init.signal?.throwIfAborted();
    return send(target, init, agent);
  };

  /** One for the present certificate. A connection with an earlier one is not used again. */
  async #agent(): Promise<https.Agent> {
    const pair = await this.#pair();
    const current = this.#current;
    if (current?.pair === pair) return current.agent;
    const { certificate: cert, key } = pair;
    const agent = new https.Agent({
      cert,
      key,
      ca: this.#ca,
      keepAlive: true,
      timeout: KEPT_MS,
    });
    this.#current = { pair, agent };
    return agent;
  }

  /** The same object while certificate and key are the same. */
  async #pair(): Promise<ClientKeyPair> {
    try {
      const { certificate, key } = (await this.#load()) as ClientKeyPair;
      const known = this.#current?.pair;
      if (known && known.certificate === certificate && known.key === key) return known;
      checkKeyPair({ certificate, key });
      return { certificate, key };
    } catch {
      // The cause could quote the key.
      throw failed('CLIENT_CERTIFICATE_UNUSABLE');
    }
  }
}

/** How requests are made that show a certificate, if there is one. */
export function outboundWith(certificate: ClientCertificate | undefined, outbound: Outbound): Outbound {
  return certificate ? { ...outbound, fetch: certificate.fetch } : outbound;
}

function failed(code: string): TypeError {
  return new TypeError('fetch failed', { cause: { code } });
}

function send(url: URL, { method, headers, body, signal }: RequestInit, agent: https.Agent): Promise<Response> {
  return new Promise((resolve, reject) => {
    const text = body === undefined || body === null ? '' : String(body as string | URLSearchParams);
    const fields = { ...(headers as Record<string, string>), 'accept-encoding': 'identity' };
    const request = https.request(url, {
      agent,
      method,
      headers: { ...fields, 'content-length': Buffer.byteLength(text) },
      ...(signal && { signal }),
    });
    request.on('error', (cause) => reject(signal?.aborted ? cause : new TypeError('fetch failed', { cause })));
    request.on('response', (incoming) => {
      try {
        resolve(responseOf(incoming));
      } catch (cause) {
        incoming.destroy();
        reject(new TypeError('fetch failed', { cause }));
      }
    });
    request.end(text);
  });
}

/** The statuses with which no answer has a body. */
const WITHOUT_BODY = new Set([204, 205, 304]);

function responseOf(incoming: IncomingMessage): Response {
  const { statusCode: status = 0 } = incoming;
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct as Record<string, string[]>))
    for (const value of values) headers.append(name, value);
  if (!WITHOUT_BODY.has(status))
    return new Response(Readable.toWeb(incoming) as globalThis.ReadableStream<Uint8Array>, { status, headers });
  incoming.resume();
  return new Response(null, { status, headers });
}
