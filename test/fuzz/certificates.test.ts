import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { TestCertificate } from 'nestjs-mcp-auth/testing';
import { thumbprintInHeader } from '../../lib/proof/certificate-header.js';
import { withWatchdog } from '../support/watchdog.js';
import { always } from './property.js';

const FORMATS = ['rfc9440', 'pem', 'base64', 'xfcc'] as const;
type Format = (typeof FORMATS)[number];

const certificates = Array.from({ length: 3 }, () => TestCertificate.generate());
const THUMBPRINTS = new Set(certificates.map(({ thumbprint }) => thumbprint));
const format = fc.constantFrom(...FORMATS);
const certificate = fc.constantFrom(...certificates);

/** The certificate as proxies write it. */
function written({ der, cert }: TestCertificate, as: Format): string {
  switch (as) {
    case 'rfc9440':
      return `:${der.toString('base64')}:`;
    case 'pem':
      return encodeURIComponent(cert);
    case 'base64':
      return der.toString('base64');
    case 'xfcc':
      return `By=spiffe://x;Hash=${Buffer.from(hashOf(cert), 'base64url').toString('hex')};Cert="${encodeURIComponent(cert)}"`;
  }
}

function hashOf(cert: string): string {
  return certificates.find((one) => one.cert === cert)!.thumbprint;
}

const piece = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    'Hash=',
    'Cert="',
    '"',
    ';',
    ',',
    ', ',
    ':',
    '%',
    '%0',
    '\\',
    '\\"',
    '=',
    'MAA=',
    '-----BEGIN CERTIFICATE-----',
  ),
  fc.tuple(certificate, format).map(([one, as]) => written(one, as)),
);

describe('any header field with a client certificate', () => {
  it('has the certificate that a proxy wrote, in its own format', () => {
    always(500, fc.tuple(certificate, format), ([one, as]) => {
      expect(thumbprintInHeader(written(one, as), as)).toBe(one.thumbprint);
    });
  });

  it('is read without harm, and has one certificate or none', () => {
    const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
    always(6_000, fc.tuple(text, format), ([value, as]) => {
      const read = thumbprintInHeader(value, as);
      expect(read ?? 'A'.repeat(43)).toMatch(/^[\w-]{43}$/);
    });
  });

  it('of two proxies, or sent twice, has none', () => {
    always(500, fc.tuple(certificate, certificate, format, fc.constantFrom(', ', ' , ')), ([one, other, as, comma]) => {
      expect(thumbprintInHeader(`${written(one, as)}${comma}${written(other, as)}`, as)).toBeUndefined();
    });
  });

  it('that was changed anywhere has no other certificate of somebody here', () => {
    const change = fc.tuple(fc.nat(), fc.nat(2_000), piece);
    always(4_000, fc.tuple(certificate, format, change), ([one, as, [from, length, text]]) => {
      const value = written(one, as);
      const at = from % value.length;
      const read = thumbprintInHeader(value.slice(0, at) + text + value.slice(at + length), as);
      // It may be the same one still, or that of the text in its place, if the rest is left out.
      if (read === undefined || !THUMBPRINTS.has(read)) return;
      expect(read === one.thumbprint || text.length > 100).toBe(true);
    });
  });

  it('is read in a time that grows no faster than its length', () => {
    always(60, fc.tuple(fc.array(piece, { maxLength: 3 }), piece, format), ([start, again, as]) => {
      const text = (start.join('') + again.repeat(16_384)).slice(0, 16_384);
      withWatchdog(() => void thumbprintInHeader(text, as));
    });
  });
});
