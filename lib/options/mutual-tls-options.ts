import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';
import { namesPeers, UNIX_PEERS } from '../request/trusted-peers.js';
import { readHeaderName } from './header-name-option.js';
import type { OptionReader, ReadersOf } from './option-reader.js';

/** How a resource accepts tokens that are bound to a certificate of the client (RFC 8705, mutual TLS). */
export interface MutualTlsOptions {
  /**
   * - `accepted`: tokens that are bound to a certificate need a connection with it; others stay Bearer tokens;
   * - `required`: only tokens that are bound to a certificate.
   * @default 'accepted'
   */
  mode?: 'accepted' | 'required';
  /**
   * Where the certificate of the client comes from:
   * - `connection`: the TLS connection that this process accepts;
   * - a header field of the proxy that accepts the TLS connection. Only one of them is read.
   * @default 'connection'
   */
  certificate?: 'connection' | CertificateHeaderOptions;
}

/** The header field in which a proxy passes the certificate of its client on. */
export interface CertificateHeaderOptions {
  /** Name of the field, such as `client-cert`. The proxy must remove it from the requests of its clients. */
  header: string;
  /**
   * How the proxy writes the certificate:
   * - `rfc9440`: `:MIIC…:`, of RFC 9440;
   * - `pem`: PEM, with escapes as in URLs (nginx, AWS) or on one line (Apache);
   * - `base64`: the base64 of DER, perhaps with escapes (Traefik, HAProxy, Azure). Of several that a comma separates, the first
   *   is that of the client;
   * - `xfcc`: `Hash=…;Cert="…"` (Envoy, Istio). It must describe one client.
   * @default by the name: `rfc9440` for `client-cert`, `pem` for `ssl-client-cert` and `x-amzn-mtls-clientcert-leaf`, `base64` for
   * `x-forwarded-tls-client-cert` and `x-arr-clientcert`, `xfcc` for `x-forwarded-client-cert`; otherwise required
   */
  format?: CertificateFormat;
  /**
   * The proxies that are believed, by the address from which they connect to this process: addresses and ranges such as
   * `10.0.0.0/8`, and `unix` for a Unix domain socket on which this process listens. The field is ignored in requests of others.
   */
  trustedProxies: string[];
}

/** How a proxy writes a certificate into a header field. */
export type CertificateFormat = 'rfc9440' | 'pem' | 'base64' | 'xfcc';

/** The settings for mutual TLS, with every default filled in. */
export interface ResolvedMutualTls {
  readonly mode: 'accepted' | 'required';
  readonly certificate: 'connection' | ResolvedCertificateHeader;
}

/** The settings for a header field with certificates. */
export interface ResolvedCertificateHeader {
  /** In lower case. */
  readonly header: string;
  readonly format: CertificateFormat;
  readonly trustedProxies: readonly string[];
}

const FORMATS = ['rfc9440', 'pem', 'base64', 'xfcc'] as const satisfies readonly CertificateFormat[];

/** The format of the header fields that have the same one everywhere. */
const FORMAT_OF_HEADER: ReadonlyMap<string, CertificateFormat> = new Map([
  ['client-cert', 'rfc9440'],
  ['ssl-client-cert', 'pem'],
  ['x-amzn-mtls-clientcert-leaf', 'pem'],
  ['x-forwarded-tls-client-cert', 'base64'],
  ['x-arr-clientcert', 'base64'],
  ['x-forwarded-client-cert', 'xfcc'],
]);

export const CERTIFICATE_HEADER_OPTIONS = {
  header: (option) => readHeaderName(option, 'Write the name of the header field of your proxy, such as "client-cert"'),
  format: (option) => (option.isGiven ? option.choice(FORMATS) : undefined),
  trustedProxies: readTrustedProxies,
} satisfies ReadersOf<CertificateHeaderOptions>;

export const MUTUAL_TLS_OPTIONS = {
  mode: (option) => option.choice(['accepted', 'required']),
  certificate: readCertificate,
} satisfies ReadersOf<MutualTlsOptions>;

/** The settings for mutual TLS; undefined if the resource does not accept it. */
export function readMutualTls(option: OptionReader): ResolvedMutualTls | undefined {
  if (!option.isGiven || option.value === 'off') return undefined;
  return option.section(MUTUAL_TLS_OPTIONS, 'mode');
}

function readCertificate(option: OptionReader): ResolvedMutualTls['certificate'] {
  if (!option.isGiven || option.value === 'connection') return 'connection';
  if (!isRecord(option.value)) {
    const write = "Write 'connection', or { header, trustedProxies }";
    option.refuse({ why: 'must be "connection" or an object', write });
    return 'connection';
  }
  const { header = '', format, trustedProxies } = option.section(CERTIFICATE_HEADER_OPTIONS);
  const known = format ?? FORMAT_OF_HEADER.get(header);
  if (!known && header !== '') {
    const why = `the format of the header field "${header}" is not known`;
    option.at('format').refuse({ why, write: `Write one of ${FORMATS.join(', ')}` });
  }
  return { header, format: known ?? 'rfc9440', trustedProxies };
}

function readTrustedProxies(option: OptionReader): readonly string[] {
  const write = `Write the addresses of your proxies, such as ["10.0.0.0/8"], or "${UNIX_PEERS}" for a Unix domain socket`;
  if (!option.isGiven) {
    option.refuse({ why: 'it is required: anybody can send a header field', write });
    return [];
  }
  const texts = option.texts(write) ?? [];
  for (const text of texts.filter((one) => !namesPeers(one))) {
    const why = 'must be an IP address, or a range that does not hold all addresses';
    option.refuse({ seen: showValue(text), why, write });
  }
  return texts;
}
