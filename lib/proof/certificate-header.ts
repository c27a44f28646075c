import { hash } from 'node:crypto';
import type { CertificateFormat } from '../options/mutual-tls-options.js';

/** Longest value that is read, in characters. Node reads 16 KiB of header fields in all, unless it is told otherwise. */
const MAX_LENGTH = 16_384;

/** One certificate in PEM, perhaps on one line (RFC 7468). */
const PEM = /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/;

/** A byte sequence, and no parameters (RFC 8941 §3.3.5). */
const BYTE_SEQUENCE = /^:([A-Za-z0-9+/]+={0,2}):$/;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** One pair of an element of Envoy, and what follows it: another pair, another element, or nothing. */
const XFCC_PAIR = /([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|,|$)/y;

const SHA256_HEX = /^[0-9A-Fa-f]{64}$/;

/**
 * The SHA-256 of the certificate in the header field of a proxy, base64url; undefined if the value is not one certificate in
 * this format. Does NOT verify the certificate: the proxy has seen that its client holds the key.
 */
export function thumbprintInHeader(value: string, format: CertificateFormat): string | undefined {
  if (value.length > MAX_LENGTH) return undefined;
  switch (format) {
    case 'rfc9440':
      return thumbprintOf(BYTE_SEQUENCE.exec(value)?.[1]);
    case 'pem':
      return thumbprintOfPem(unescaped(value));
    case 'base64':
      return thumbprintInChain(unescaped(value));
    case 'xfcc':
      return thumbprintInElement(value);
  }
}

function thumbprintOfPem(text: string | undefined): string | undefined {
  return thumbprintOf(text === undefined ? undefined : PEM.exec(text)?.[1]?.replaceAll(/\s/g, ''));
}

/** The first of a chain is that of the client (RFC 8446 §4.4.2). A space after a comma shows two fields that were joined. */
function thumbprintInChain(text: string | undefined): string | undefined {
  const thumbprints = text?.split(',').map((one) => (BASE64.test(one) ? thumbprintOf(one) : undefined)) ?? [];
  return thumbprints.includes(undefined) ? undefined : thumbprints[0];
}

/**
 * Envoy writes one element for each proxy and client that the request has passed. Of several, none is known to be the client
 * whose token this is.
 */
function thumbprintInElement(value: string): string | undefined {
  const pairs = pairsOf(value);
  if (!pairs) return undefined;
  const valuesOf = (name: string): string[] => pairs.filter(([key]) => key === name).map(([, one]) => one);
  const [ofHash, ...hashes] = valuesOf('hash');
  const [ofCertificate, ...certificates] = valuesOf('cert');
  if (hashes.length > 0 || certificates.length > 0) return undefined;
  if (ofHash !== undefined && !SHA256_HEX.test(ofHash)) return undefined;
  const named = ofHash === undefined ? undefined : Buffer.from(ofHash, 'hex').toString('base64url');
  if (ofCertificate === undefined) return named;
  const shown = thumbprintOfPem(unescaped(ofCertificate));
  return named === undefined || named === shown ? shown : undefined;
}

/** The pairs of the only element, with their keys in lower case; undefined if there are several elements. */
function pairsOf(value: string): [key: string, value: string][] | undefined {
  const pairs: [string, string][] = [];
  for (let at = 0; ; at = XFCC_PAIR.lastIndex) {
    XFCC_PAIR.lastIndex = at;
    const found = XFCC_PAIR.exec(value);
    if (!found) return undefined;
    const [, key = '', quoted, plain = '', end] = found;
    if (end === ',') return undefined;
    pairs.push([key.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain]);
    if (end === '') return pairs;
  }
}

/** Decodes the percent-encoding of URLs; undefined if it is broken. A `+` stays a `+`: it is a character of base64. */
function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function thumbprintOf(base64: string | undefined): string | undefined {
  const der = Buffer.from(base64 ?? '', 'base64');
  return isWhole(der) ? hash('sha256', der, 'base64url') : undefined;
}

/** Whether these bytes are one value of ASN.1 of the kind SEQUENCE, as each certificate is, and nothing after it. */
function isWhole(der: Buffer): boolean {
  const [tag, first] = der;
  if (tag !== 0x30 || first === undefined) return false;
  if (first < 0x80) return der.length === 2 + first;
  const count = first - 0x80;
  if (count < 1 || count > 3 || der.length < 2 + count) return false;
  return der.length === 2 + count + der.readUIntBE(2, count);
}
