import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestCertificate } from 'nestjs-mcp-auth/testing';
import {
  checkAuthorities,
  checkKeyPair,
  ClientCertificate,
  outboundWith,
  type ClientKeyPair,
} from '../../lib/issuer/client-certificate.js';

// What is sent on connections with a certificate of this server, and which certificates are used, with a server that tells.

const own = TestCertificate.generate({ commonName: 'the MCP server' });
const other = TestCertificate.generate();
const pairOf = ({ cert, key }: TestCertificate): ClientKeyPair => ({ certificate: cert, key });
/** The same key in another form of PEM. */
const rewritten = createPrivateKey(own.key).export({ type: 'sec1', format: 'pem' }) as string;

describe('a certificate of the options with its key', () => {
  it('is used, with text around it, whatever the form of the key is', () => {
    expect(checkKeyPair(pairOf(own)).raw).toEqual(own.der);
    expect(checkKeyPair({ certificate: `# ours\n${own.cert}`, key: rewritten }).raw).toEqual(own.der);
    const padded = { certificate: own.cert.padEnd(65_536, '\n'), key: own.key.padEnd(65_536, '\n') };
    expect(checkKeyPair(padded).raw).toEqual(own.der);
  });

  const NO_CERTIFICATE = 'must be a certificate as PEM text';
  const NO_KEY = 'must be a private key as PEM text, without a passphrase';
  const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    type: 'spki',
    format: 'pem',
  });
  const locked = createPrivateKey(own.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'secret',
  });
  const ofOtherKind = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });

  it.each<[string, object, string]>([
    ['no certificate', { certificate: undefined }, NO_CERTIFICATE],
    ['a certificate as bytes', { certificate: Buffer.from(own.cert) }, NO_CERTIFICATE],
    ['a certificate in DER', { certificate: own.der.toString('latin1') }, NO_CERTIFICATE],
    ['a key in place of the certificate', { certificate: own.key }, NO_CERTIFICATE],
    ['a certificate of 65,537 characters', { certificate: own.cert.padEnd(65_537, '\n') }, NO_CERTIFICATE],
    ['no key', { key: undefined }, NO_KEY],
    ['a key as bytes', { key: Buffer.from(own.key) }, NO_KEY],
    ['a public key', { key: publicKey }, NO_KEY],
    ['a key with a passphrase', { key: locked }, NO_KEY],
    ['a key of 65,537 characters', { key: own.key.padEnd(65_537, '\n') }, NO_KEY],
    ['the key of another certificate', { key: other.key }, 'the key is not that of the certificate'],
    ['a key of another kind', { key: ofOtherKind }, 'the key is not that of the certificate'],
    [
      'a chain that is cut off',
      { certificate: `${own.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
      'must be a certificate that TLS can use, with its chain in order',
    ],
  ])('LIB-05: is refused with a message that has nothing of it: %s', (_what, changes, message) => {
    const check = (): unknown => checkKeyPair({ ...pairOf(own), ...changes });
    expect(check).toThrow(new TypeError(message));
    expect(check).toThrow(expect.not.objectContaining({ cause: expect.anything() }));
  });
});

describe('the authorities of the options', () => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  it.each<[string, string]>([
    ['no text', ''],
    ['text without certificates', '# ours\n'],
    ['a private key', own.key],
    ['a certificate that cannot be read, after one that can', own.cert + broken],
    ['one that cannot be read, before one that can', broken + own.cert],
    ['a private key after a certificate', own.cert + own.key],
    ['1,048,577 characters', own.cert.padEnd(1_048_577, '\n')],
  ])('are refused: %s', (_what, ca) => {
    expect(() => checkAuthorities(ca)).toThrow(new TypeError('must be certificates as PEM text'));
  });

  it.each<[string, string]>([
    ['one certificate', own.cert],
    ['several, with text around them', `# ours\n${own.cert}# others\n${other.cert}# end\n`],
    ['1,048,576 characters', own.cert.padEnd(1_048_576, '\n')],
  ])('may be %s', (_what, ca) => {
    expect(() => checkAuthorities(ca)).not.toThrow();
  });
});

describe('a request with the certificate', () => {
  interface Received {
    readonly request: IncomingMessage;
    readonly body: string;
    readonly thumbprint: string | undefined;
    readonly socket: TLSSocket;
  }
  const authority = TestCertificate.generate({ commonName: 'localhost' });
  let server: Server;
  let origin: string;
  let received: Received[];
  let answer: (response: ServerResponse) => void;
  beforeAll(async () => {
    const options = { cert: authority.cert, key: authority.key, requestCert: true, rejectUnauthorized: false };
    server = createServer(options, (request, response) => void receive(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  beforeEach(() => {
    received = [];
    answer = (response) => response.end('good');
  });

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const socket = request.socket as TLSSocket;
    const { fingerprint256 } = socket.getPeerX509Certificate() ?? {};
    const thumbprint = fingerprint256 && Buffer.from(fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
    received.push({ request, body: Buffer.concat(chunks).toString(), thumbprint, socket });
    answer(response);
  }

  const certificate = (load: () => unknown = () => pairOf(own), ca: string | undefined = authority.cert) =>
    new ClientCertificate(load, ca);
  const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
    const error = await work.then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toBe('fetch failed');
    return ((error as Error).cause as { code?: string } | undefined)?.code;
  };

  it('RFC8705-2: uses the same connection while the certificate is the same, and another for another', async () => {
    let pair = pairOf(own);
    const { fetch: send } = certificate(() => pair);
    const sendNow = async (): Promise<void> => void (await (await send(origin)).text());
    await sendNow();
    pair = pairOf(own);
    await sendNow();
    pair = { ...pair, key: rewritten };
    await sendNow();
    pair = pairOf(other);
    await sendNow();
    const [first, second, third, fourth] = received;
    expect(second?.socket).toBe(first?.socket);
    expect(third?.socket).not.toBe(first?.socket);
    expect([third?.thumbprint, fourth?.thumbprint]).toEqual([own.thumbprint, other.thumbprint]);
  });

  it('LIB-29: is not sent over plain http, nor to a server that is not known', async () => {
    let asked = 0;
    const { fetch: send } = certificate(() => (asked += 1));
    expect(await codeOf(send(origin.replace('https', 'http')))).toBe('CLIENT_CERTIFICATE_NEEDS_HTTPS');
    expect(asked).toBe(0);
    expect(await codeOf(new ClientCertificate(() => pairOf(own), undefined).fetch(origin))).toMatch(/CERT/);
    expect(received).toEqual([]);
  });

  it('RFC8705-2: sends method, fields and body, and gets status, fields and body', async () => {
    answer = (response) => response.writeHead(201, { 'x-one': '1', 'set-cookie': ['a=1', 'b=2'] }).end('caf\u00e9');
    const response = await certificate().fetch(`${origin}/token?x=1`, {
      method: 'POST',
      headers: { authorization: 'Basic x', 'accept-encoding': 'gzip' },
      body: new URLSearchParams({ a: 'b c' }),
    });
    expect([response.status, response.headers.get('x-one'), response.headers.getSetCookie()]).toEqual([
      201,
      '1',
      ['a=1', 'b=2'],
    ]);
    expect(await response.text()).toBe('caf\u00e9');
    const [{ request, body, thumbprint } = {} as Received] = received;
    expect([request.method, request.url, body, thumbprint]).toEqual(['POST', '/token?x=1', 'a=b+c', own.thumbprint]);
    expect(request.headers).toMatchObject({
      authorization: 'Basic x',
      'accept-encoding': 'identity',
      'content-length': '5',
    });
  });

  it.each<[string, RequestInit | undefined, string, string]>([
    ['nothing', undefined, 'GET', ''],
    ['no body', { method: 'POST', body: null }, 'POST', ''],
    ['text beyond ASCII', { method: 'POST', body: 'caf\u00e9 \u20ac' }, 'POST', 'caf\u00e9 \u20ac'],
  ])('RFC8705-2: may have %s', async (_what, init, method, body) => {
    expect(await (await certificate().fetch(new URL(origin), init)).text()).toBe('good');
    expect(received.map(({ request, body: text }) => [request.method, text])).toEqual([[method, body]]);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['the certificate alone', { certificate: own.cert }],
    ['another certificate with the same key', { certificate: other.cert, key: own.key }],
    ['the same certificate with another key', { certificate: own.cert, key: other.key }],
  ])('LIB-29: is not sent if the function of the application returns %s', async (_what, pair) => {
    expect(await codeOf(certificate(() => pair).fetch(origin))).toBe('CLIENT_CERTIFICATE_UNUSABLE');
    let present: unknown = pairOf(own);
    const { fetch: send } = certificate(() => present);
    await (await send(origin)).text();
    present = pair;
    expect(await codeOf(send(origin))).toBe('CLIENT_CERTIFICATE_UNUSABLE');
    expect(received).toHaveLength(1);
  });

  it('LIB-29: is not sent if the function of the application throws', async () => {
    const failing = certificate(() => Promise.reject(new Error('s3cret')));
    expect(await codeOf(failing.fetch(origin))).toBe('CLIENT_CERTIFICATE_UNUSABLE');
    expect(received).toEqual([]);
  });

  it('LIB-29: is ended by its signal, before it is sent and after', async () => {
    const stopped = AbortSignal.abort(new Error('too late'));
    await expect(certificate().fetch(origin, { signal: stopped })).rejects.toThrow('too late');
    expect(received).toEqual([]);
    const controller = new AbortController();
    const closed = new Promise((resolve) => {
      answer = (response) => {
        response.once('close', resolve);
        controller.abort();
      };
    });
    await expect(certificate().fetch(origin, { signal: controller.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await closed;
  });

  it('LIB-29: fails as one of the global fetch if the connection does', async () => {
    answer = (response) => response.socket?.destroy();
    expect(await codeOf(certificate().fetch(origin))).toBe('ECONNRESET');
    const { signal } = new AbortController();
    expect(await codeOf(certificate().fetch(origin, { signal }))).toBe('ECONNRESET');
  });

  it('LIB-29: fails, and ends the connection, if the status is none', async () => {
    const closed = new Promise((resolve) => {
      answer = (response) => {
        response.socket?.once('close', resolve);
        response.writeHead(999).write('x');
      };
    });
    const error = await certificate()
      .fetch(origin)
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ name: 'TypeError', message: 'fetch failed', cause: { name: 'RangeError' } });
    await closed;
  });

  it.each([204, 205, 304])(
    'RFC9110-6.4.1: may get %d, which has no body, and leaves the connection usable',
    async (status) => {
      answer = (response) => response.writeHead(status).end();
      const { fetch: send } = certificate();
      const response = await send(origin);
      expect([response.status, response.body]).toEqual([status, null]);
      answer = (next) => next.end('good');
      expect(await (await send(origin)).text()).toBe('good');
      expect(received[1]?.socket).toBe(received[0]?.socket);
    },
  );

  it('is made by requests of the endpoints that need one, and by no others', () => {
    const outbound = { timeoutMs: 1, maxBytes: 2, fetch };
    const one = certificate();
    expect(outboundWith(undefined, outbound)).toBe(outbound);
    expect(outboundWith(one, outbound)).toEqual({ timeoutMs: 1, maxBytes: 2, fetch: one.fetch });
  });
});
