import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CertificateHeaderOptions } from 'nestjs-mcp-auth';
import { TestCertificate } from 'nestjs-mcp-auth/testing';
import { callOf } from '../support/challenge-cases.js';
import { expectInvalid, expectRan } from '../support/mutual-tls-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import type { TlsAnswer } from '../support/tls-client.js';

const PROXY = ['127.0.0.1'];

type Written = (certificate: TestCertificate) => string;

/** The certificate without the lines around it and the line breaks, as Traefik and Azure write it. */
const base64: Written = ({ der }) => der.toString('base64');
const hex: Written = ({ thumbprint }) => Buffer.from(thumbprint, 'base64url').toString('hex');
/** As `ngx_escape_uri()` does it: everything except unreserved characters. */
const escapedByNginx: Written = ({ cert }) =>
  cert.replaceAll(/[^A-Za-z0-9._~-]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
/** As AWS does it, where `+`, `=` and `/` are safe. */
const escapedByAws: Written = ({ cert }) => cert.replaceAll(/[ \n]/g, (one) => (one === ' ' ? '%20' : '%0A'));

const HASH_AND_CERT: Written = (one) => `Hash=${hex(one)};Cert="${escapedByNginx(one)}";Subject="CN=a,O=\\"b\\"";URI=`;

/** How proxies write a certificate. */
const GOOD: readonly (readonly [proxy: string, options: Omit<CertificateHeaderOptions, 'trustedProxies'>, Written])[] =
  [
    ['RFC 9440', { header: 'client-cert' }, (one) => `:${base64(one)}:`],
    ['nginx, $ssl_client_escaped_cert', { header: 'x-client-cert', format: 'pem' }, escapedByNginx],
    ['ingress-nginx', { header: 'ssl-client-cert' }, escapedByNginx],
    ['an AWS load balancer', { header: 'x-amzn-mtls-clientcert-leaf' }, escapedByAws],
    [
      'Apache, %{SSL_CLIENT_CERT}s',
      { header: 'x-client-cert', format: 'pem' },
      ({ cert }) => cert.replaceAll('\n', ' '),
    ],
    ['Traefik 3', { header: 'x-forwarded-tls-client-cert' }, base64],
    ['Traefik 2', { header: 'x-forwarded-tls-client-cert' }, (one) => encodeURIComponent(base64(one))],
    ['Traefik, a chain', { header: 'x-forwarded-tls-client-cert' }, (one) => `${base64(one)},${base64(AUTHORITY)}`],
    ['HAProxy, %[ssl_c_der,base64]', { header: 'x-ssl-client-der', format: 'base64' }, base64],
    ['Azure', { header: 'x-arr-clientcert' }, base64],
    [
      'Envoy, the hash',
      { header: 'x-forwarded-client-cert' },
      (one) => `By=spiffe://x/y;Hash=${hex(one)};Subject="CN=a, b"`,
    ],
    ['Envoy, the certificate', { header: 'x-forwarded-client-cert' }, (one) => `Cert="${escapedByNginx(one)}"`],
    ['Envoy, both', { header: 'x-forwarded-client-cert' }, HASH_AND_CERT],
    [
      'Envoy, with a chain',
      { header: 'x-forwarded-client-cert' },
      (one) => `${HASH_AND_CERT(one)};Chain="${escapedByNginx(one)}"`,
    ],
  ];

const AUTHORITY = TestCertificate.generate({ commonName: 'an authority' });
const certificate = TestCertificate.generate({ commonName: 'the client' });
const other = TestCertificate.generate({ commonName: 'another client' });

/** Values that are not one certificate. */
const BAD: readonly (readonly [what: string, header: string, value: string])[] = [
  ['text', 'client-cert', 'garbage'],
  ['base64 without colons', 'client-cert', base64(certificate)],
  ['a parameter', 'client-cert', `:${base64(certificate)}:;a=1`],
  ['two byte sequences', 'client-cert', `:${base64(certificate)}:, :${base64(certificate)}:`],
  ['bytes that are no certificate', 'client-cert', `:${Buffer.from('x'.repeat(400)).toString('base64')}:`],
  ['a certificate that was cut off', 'client-cert', `:${certificate.der.subarray(0, -1).toString('base64')}:`],
  [
    'bytes after a certificate',
    'client-cert',
    `:${Buffer.concat([certificate.der, certificate.der]).toString('base64')}:`,
  ],
  ['an empty byte sequence', 'client-cert', '::'],
  ['a broken escape', 'ssl-client-cert', `%zz${escapedByNginx(certificate)}`],
  ['escapes that are not UTF-8', 'ssl-client-cert', '%ff%fe'],
  ['two PEM certificates', 'ssl-client-cert', escapedByNginx(certificate) + escapedByNginx(certificate)],
  ['a private key', 'ssl-client-cert', encodeURIComponent(certificate.key)],
  ['what Apache writes for none', 'ssl-client-cert', '(null)'],
  ['base64 with text', 'x-forwarded-tls-client-cert', `${base64(certificate)}!`],
  ['a chain with a gap', 'x-forwarded-tls-client-cert', `,${base64(certificate)}`],
  ['two joined fields', 'x-forwarded-tls-client-cert', `${base64(certificate)}, ${base64(other)}`],
  ['two elements of Envoy', 'x-forwarded-client-cert', `Hash=${hex(certificate)},Hash=${hex(other)}`],
  [
    'the element of a proxy after that of the client',
    'x-forwarded-client-cert',
    `${HASH_AND_CERT(certificate)},By=x;Hash=${hex(other)}`,
  ],
  [
    'an element without a certificate after that of the client',
    'x-forwarded-client-cert',
    `Hash=${hex(certificate)},By=x`,
  ],
  ['an element without a certificate before it', 'x-forwarded-client-cert', `By=x,Hash=${hex(certificate)}`],
  ['two hashes', 'x-forwarded-client-cert', `Hash=${hex(certificate)};Hash=${hex(certificate)}`],
  [
    'a hash of another certificate',
    'x-forwarded-client-cert',
    `Hash=${hex(certificate)};Cert="${escapedByNginx(other)}"`,
  ],
  ['an invalid hash', 'x-forwarded-client-cert', `Hash=${hex(certificate)}0`],
  ['neither hash nor certificate', 'x-forwarded-client-cert', 'By=spiffe://x;Subject="CN=a"'],
  ['an open quote', 'x-forwarded-client-cert', `Cert="${escapedByNginx(certificate)}`],
  ['a hash inside a quoted value', 'x-forwarded-client-cert', `Subject="x;Hash=${hex(certificate)}"`],
  ['an escaped quote', 'x-forwarded-client-cert', `Subject="x\\";Hash=${hex(certificate)};a=\\""`],
];

const HEADERS = [...new Set(BAD.map(([, header]) => header))];

describe.each(PLATFORMS)('9. Mutual TLS behind a proxy, on %s', (platform) => {
  const servers = new Map<string, NotesServer>();

  async function serverWith(options: Partial<CertificateHeaderOptions>): Promise<NotesServer> {
    const name = JSON.stringify(options);
    const known = servers.get(name) ?? (await startBehindProxy(platform, options));
    servers.set(name, known);
    for (const list of [known.ran, known.log]) list.splice(0);
    return known;
  }

  afterAll(async () => {
    for (const server of servers.values()) await server.close();
  });

  it.each(GOOD)('RFC8705-3-a: takes the certificate from the header field of %s', async (_proxy, options, written) => {
    const server = await serverWith({ ...options, trustedProxies: PROXY });
    const token = await server.mint({ cnf: certificate.confirmation });
    const send = (one: TestCertificate): Promise<TlsAnswer> => call(server, token, { [options.header]: written(one) });
    expectRan({ server }, await send(certificate));
    expectInvalid({ server }, await send(other), 'certificate_of_another');
    expectInvalid({ server }, await call(server, token, {}), 'certificate_missing');
    expectInvalid({ server }, await call(server, token, { [options.header]: '' }), 'certificate_missing');
  });

  it.each(BAD)('RFC8705-3-a: refuses %s in %s', async (_what, header, value) => {
    const server = await serverWith({ header, trustedProxies: PROXY });
    const token = await server.mint({ cnf: certificate.confirmation });
    expectInvalid({ server }, await call(server, token, { [header]: value }), 'certificate_malformed');
  });

  it.each(HEADERS)('RFC8705-3-b: refuses several fields %s, whichever of them is right', async (header) => {
    const server = await serverWith({ header, trustedProxies: PROXY });
    const token = await server.mint({ cnf: certificate.confirmation });
    const [, , written] = GOOD.find(([, options]) => options.header === header)!;
    for (const values of [
      [certificate, other],
      [other, certificate],
      [certificate, certificate],
    ]) {
      const headers = [
        'Content-Type: application/json',
        'Accept: application/json, text/event-stream',
        `Authorization: Bearer ${token}`,
        ...values.map((one) => `${header}: ${written(one)}`),
      ];
      const body = JSON.stringify(callOf('ping'));
      const { status } = await sendRaw(server.origin, { path: '/mcp', headers, body });
      expect({ header, status, ran: server.ran }).toEqual({ header, status: 401, ran: [] });
    }
  });

  it.each(HEADERS)('RFC8705-3-a: refuses a field %s that is too large', async (header) => {
    const server = await serverWith({ header, trustedProxies: PROXY });
    const token = await server.mint({ cnf: certificate.confirmation });
    const answer = await call(server, token, { [header]: `:${'A'.repeat(13_000)}:` });
    expectInvalid({ server }, answer, 'certificate_malformed');
  });

  describe('that is not trusted', () => {
    it.each(GOOD)('RFC8705-3-b: ignores the header field of %s', async (_proxy, options, written) => {
      const server = await serverWith({ ...options, trustedProxies: ['10.0.0.0/8', '2001:db8::/32', 'unix'] });
      const token = await server.mint({ cnf: certificate.confirmation });
      const forwarded = { 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', 'x-real-ip': '10.0.0.1' };
      const answer = await call(server, token, { ...forwarded, [options.header]: written(certificate) });
      expectInvalid({ server }, answer, 'certificate_untrusted');
      expect(server.log.join('\n')).toContain('127.0.0.1');
      expect((await call(server, await server.mint(), { [options.header]: written(certificate) })).status).toBe(200);
    });
  });

  describe('for each request', () => {
    let server: NotesServer;
    beforeAll(async () => {
      server = await serverWith({ header: 'client-cert', trustedProxies: PROXY });
    });
    beforeEach(() => void server.ran.splice(0));

    it('RFC8705-3-a: judges the clients of one connection of the proxy apart', async () => {
      const field = (one: TestCertificate): Record<string, string> => ({ 'client-cert': `:${base64(one)}:` });
      const [ofOne, ofOther] = await Promise.all(
        [certificate, other].map((one) => server.mint({ cnf: one.confirmation })),
      );
      const statuses: number[] = [];
      for (const [token, fields] of [
        [ofOne, field(certificate)],
        [ofOther, field(other)],
        [ofOne, field(other)],
        [ofOther, field(certificate)],
        [ofOne, {}],
        [ofOne, field(certificate)],
      ] as const)
        statuses.push((await call(server, token!, fields)).status);
      expect(statuses).toEqual([200, 200, 401, 401, 401, 200]);
    });
  });
});

function startBehindProxy(platform: Platform, options: Partial<CertificateHeaderOptions>): Promise<NotesServer> {
  const mutualTls = { certificate: options as CertificateHeaderOptions };
  return startNotesServer(platform, { issuer: { alg: 'ES256' }, options: { mutualTls } });
}

async function call(server: NotesServer, token: string, headers: Record<string, string>): Promise<TlsAnswer> {
  const response = await server.callTool('ping', token, {}, headers);
  const text = await response.text();
  return { status: response.status, headers: Object.fromEntries(response.headers), text } as TlsAnswer;
}
