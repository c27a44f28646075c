import { hash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { TestCertificate } from 'nestjs-mcp-auth/testing';
import { CertificateBinding } from '../../lib/proof/certificate-binding.js';
import { thumbprintInHeader } from '../../lib/proof/certificate-header.js';
import { clientCertificates, type ShownRequest } from '../../lib/proof/client-certificates.js';

// The rules about certificates at their limits, without a server. test/conformance has those of the specifications, over HTTP.

/** A value of ASN.1 that is as whole as a certificate. */
const SMALL = 'MAA=';

const thumbprintOf = (...bytes: number[]): string => hash('sha256', Buffer.from(bytes), 'base64url');
const OF_SMALL = thumbprintOf(0x30, 0);
const hexOf = (thumbprint: string): string => Buffer.from(thumbprint, 'base64url').toString('hex');

describe('the bytes of a certificate', () => {
  const read = (bytes: readonly number[]): string | undefined =>
    thumbprintInHeader(`:${Buffer.from(bytes).toString('base64')}:`, 'rfc9440');
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);

  it.each<[string, number[]]>([
    ['nothing in it', [0x30, 0]],
    ['127 bytes, with a short length', [0x30, 0x7f, ...zeros(127)]],
    ['nothing, with a length of one byte', [0x30, 0x81, 0]],
    ['200 bytes, with a length of one byte', [0x30, 0x81, 200, ...zeros(200)]],
    ['300 bytes, with a length of two', [0x30, 0x82, 1, 44, ...zeros(300)]],
    ['5 bytes, with a length of three', [0x30, 0x83, 0, 0, 5, ...zeros(5)]],
  ])('RFC8705-3-a: are one whole value with %s', (_what, bytes) => {
    expect(read(bytes)).toBe(thumbprintOf(...bytes));
  });

  it.each<[string, number[]]>([
    ['of another kind', [0x31, 0]],
    ['without a length', [0x30]],
    ['that was cut off', [0x30, 2, 0]],
    ['with more after it', [0x30, 0, 0]],
    ['of no known length', [0x30, 0x80, ...zeros(128)]],
    ['whose length is cut off', [0x30, 0x82, 0]],
    ['with a length of two bytes, cut off', [0x30, 0x82, 0, 5, ...zeros(4)]],
    ['with a length of one byte, and more after it', [0x30, 0x81, 0, 0]],
    ['with a length of four bytes', [0x30, 0x84, 0, 0, 0, 1, 0]],
    ['with a length of 127 bytes', [0x30, 0xff, 1]],
  ])('RFC8705-3-a: are no value %s', (_what, bytes) => {
    expect(read(bytes)).toBeUndefined();
  });
});

describe('a certificate in a header field', () => {
  const CERT = TestCertificate.generate();
  const BEGIN = '-----BEGIN CERTIFICATE-----';
  const END = '-----END CERTIFICATE-----';
  const ESCAPED = encodeURIComponent(BEGIN + SMALL + END);

  it.each([
    ['rfc9440', `:${SMALL}:`],
    ['rfc9440', ':MAA:'],
    ['pem', BEGIN + SMALL + END],
    ['pem', ` ${BEGIN} M AA\t= ${END} `],
    ['pem', `  ${BEGIN}${SMALL}${END}  `],
    ['pem', ESCAPED],
    ['pem', `%0A${ESCAPED}%0A%0A`],
    ['base64', SMALL],
    ['base64', 'MAA'],
    ['base64', 'MAA%3D'],
    ['base64', `${SMALL},MIEA`],
    ['xfcc', `Hash=${hexOf(OF_SMALL)}`],
    ['xfcc', `hASH=${hexOf(OF_SMALL).toUpperCase()}`],
    ['xfcc', `Hash="${hexOf(OF_SMALL)}"`],
    ['xfcc', `By=;Hash=${hexOf(OF_SMALL)};Subject=""`],
    ['xfcc', `Cert="${ESCAPED}"`],
    ['xfcc', `Cert=${ESCAPED}`],
    ['xfcc', `Cert="\\${ESCAPED}"`],
    ['xfcc', `CERT="${ESCAPED}";By="a\\"b";hash=${hexOf(OF_SMALL)}`],
    ['xfcc', `By="a,b;c";Cert="${ESCAPED}"`],
  ] as const)('RFC8705-3-a: of the format %s is read: %s', (format, value) => {
    expect(thumbprintInHeader(value, format)).toBe(OF_SMALL);
  });

  it.each([
    ['rfc9440', SMALL],
    ['rfc9440', `x:${SMALL}:`],
    ['rfc9440', `:${SMALL}:x`],
    ['rfc9440', `:${SMALL}==:`],
    ['rfc9440', ':=:'],
    ['rfc9440', '::'],
    ['rfc9440', ':MA-A:'],
    ['pem', SMALL],
    ['pem', `x${BEGIN}${SMALL}${END}`],
    ['pem', `${BEGIN}${SMALL}${END}x`],
    ['pem', `${BEGIN}${SMALL}-${END}`],
    ['pem', BEGIN + END],
    ['pem', `${BEGIN}${SMALL}${END}${BEGIN}${SMALL}${END}`],
    ['pem', `${ESCAPED}%`],
    ['base64', ''],
    ['base64', `x ${SMALL}`],
    ['base64', `${SMALL} `],
    ['base64', `${SMALL}==`],
    ['base64', `${SMALL},`],
    ['base64', `,${SMALL}`],
    ['base64', `${SMALL}, ${SMALL}`],
    ['base64', `${SMALL},MAE=`],
    ['base64', `${SMALL}%`],
    ['xfcc', ''],
    ['xfcc', 'By=x'],
    ['xfcc', hexOf(OF_SMALL)],
    ['xfcc', `=${hexOf(OF_SMALL)}`],
    ['xfcc', `Hash=${hexOf(OF_SMALL)};`],
    ['xfcc', `Hash=${hexOf(OF_SMALL)},`],
    ['xfcc', `x Hash=${hexOf(OF_SMALL)}`],
    ['xfcc', `Hash=${hexOf(OF_SMALL)}0`],
    ['xfcc', `Hash=0${hexOf(OF_SMALL)}`],
    ['xfcc', `Hash=${hexOf(OF_SMALL).slice(1)}`],
    ['xfcc', `Hash=g${hexOf(OF_SMALL).slice(1)}`],
    ['xfcc', `Hash=${hexOf(OF_SMALL)};hash=${hexOf(OF_SMALL)}`],
    ['xfcc', `Cert="${ESCAPED}";cert="${ESCAPED}"`],
    ['xfcc', `Cert="${ESCAPED}"x`],
    ['xfcc', `Cert="${ESCAPED}`],
    ['xfcc', `Cert="${ESCAPED}\\"`],
    ['xfcc', `Cert="${SMALL}"`],
    ['xfcc', `Cert="${SMALL}";Hash=${hexOf(OF_SMALL)}`],
    ['xfcc', `Cert="${ESCAPED}";Hash=${hexOf(CERT.thumbprint)}`],
    ['xfcc', `Cert="${ESCAPED}";Hash=`],
    ['xfcc', `Hash=${hexOf(OF_SMALL)},By=x`],
    ['xfcc', `By=x,Hash=${hexOf(OF_SMALL)}`],
  ] as const)('RFC8705-3-a: of the format %s is not %j', (format, value) => {
    expect(thumbprintInHeader(value, format)).toBeUndefined();
  });

  it('LIB-01: is read up to 16,384 characters', () => {
    const pem = BEGIN + SMALL + END;
    expect(thumbprintInHeader(pem.padEnd(16_384), 'pem')).toBe(OF_SMALL);
    expect(thumbprintInHeader(pem.padEnd(16_385), 'pem')).toBeUndefined();
  });
});

const TRUSTED = { header: 'client-cert', format: 'rfc9440', trustedProxies: ['10.0.0.1'] } as const;

/** The reason of a refusal, with what was seen. */
function refusalOf(check: () => unknown): unknown {
  try {
    return check();
  } catch (error) {
    const { code, reason, seen } = error as { code: string; reason: string; seen: object };
    return [code, reason, seen];
  }
}

function shown(headers: Record<string, string | string[]>, socket?: object): ShownRequest {
  const request = { headers, rawHeaders: [], method: 'GET', ...(socket && { socket }) };
  return { source: request, request };
}

describe('the certificate of a connection', () => {
  const { der, thumbprint } = TestCertificate.generate();
  const certificates = clientCertificates({ mode: 'accepted', certificate: 'connection' });
  const read = (socket?: object): unknown => refusalOf(() => certificates.thumbprintOf(shown({}, socket)));
  const missing = (connection: string): unknown => ['invalid_token', 'certificate_missing', { connection }];

  it('RFC8705-3-a: is missing where there is no TLS, or no connection', () => {
    expect([read(), read({})]).toEqual([missing('without TLS'), missing('without TLS')]);
  });

  it('RFC8705-3-a: is asked for until it is there, and then no more', () => {
    const answers = [undefined, { raw: der }, { raw: Buffer.from('x') }];
    const socket = { getPeerX509Certificate: () => answers.shift() };
    expect(read(socket)).toEqual(missing('TLS without a client certificate'));
    expect([read(socket), read(socket)]).toEqual([thumbprint, thumbprint]);
    expect(answers).toHaveLength(1);
    expect(read({ getPeerX509Certificate: () => undefined })).toEqual(missing('TLS without a client certificate'));
  });
});

describe('the certificate of a proxy', () => {
  const certificates = clientCertificates({ mode: 'accepted', certificate: TRUSTED });
  const read = (value: string | string[] | undefined, remoteAddress = '10.0.0.1'): unknown =>
    refusalOf(() =>
      certificates.thumbprintOf(shown(value === undefined ? {} : { 'client-cert': value }, { remoteAddress })),
    );
  const seenFrom = (peer: string): object => ({ header: '"client-cert"', peer: `"${peer}"` });

  it('RFC8705-3-b: counts where the proxy is trusted, and the log says where it is not', () => {
    expect(read(`:${SMALL}:`)).toBe(OF_SMALL);
    expect(read(`:${SMALL}:`, '10.0.0.2')).toEqual(['invalid_token', 'certificate_untrusted', seenFrom('10.0.0.2')]);
  });

  it.each([undefined, '', []])('RFC8705-3-a: is missing: %j', (value) => {
    expect(read(value)).toEqual(['invalid_token', 'certificate_missing', seenFrom('10.0.0.1')]);
  });

  it.each(['x', [`:${SMALL}:`, `:${SMALL}:`]])('RFC8705-3-a: cannot be read: %j', (value) => {
    expect(read(value)).toEqual(['invalid_token', 'certificate_malformed', seenFrom('10.0.0.1')]);
  });
});

describe('a token that is bound to a certificate', () => {
  const [resource, required, without] = [
    { mutualTls: { mode: 'accepted', certificate: TRUSTED } },
    { mutualTls: { mode: 'required', certificate: TRUSTED } },
    {},
  ];
  const tenant = { mutualTls: resource.mutualTls, tenant: { of: resource } };
  const binding = new CertificateBinding({ resources: [resource, required, without] } as never);
  const check = (cnf: unknown, one: object, request?: ShownRequest): unknown =>
    refusalOf(() => binding.check({ claims: { cnf } } as never, one as never, request));
  const sent = shown({ 'client-cert': `:${SMALL}:` }, { remoteAddress: '10.0.0.1' });
  const bound = { 'x5t#S256': OF_SMALL };

  it('RFC8705-3-a: is accepted with it, and is that of a tenant, too', () => {
    for (const one of [resource, required, tenant]) expect(check(bound, one, sent)).toBe(OF_SMALL);
  });

  it('RFC8705-3-a: is refused with another, and without a request', () => {
    const other = { 'x5t#S256': 'a'.repeat(43) };
    expect(check(other, resource, sent)).toEqual(['invalid_token', 'certificate_of_another', {}]);
    expect(check(bound, resource)).toEqual(['invalid_token', 'certificate_missing', {}]);
  });

  it('RFC8705-3-a: is needed only where the resource requires it', () => {
    expect([check(undefined, resource, sent), check({ jkt: 'a' }, resource)]).toEqual([undefined, undefined]);
    expect(check(undefined, required, sent)).toEqual(['invalid_token', 'unbound_token', {}]);
    expect(check(bound, without, sent)).toBeUndefined();
  });
});
