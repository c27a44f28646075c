import { OutboundError } from '../issuer/outbound-error.js';
import type { IssuerPart } from './event-types.js';

/** The option that sets the URL of each part. */
const URL_OPTIONS: Readonly<Record<IssuerPart | 'token', string>> = {
  metadata: 'discovery: { url } (or the whole document as metadata)',
  keys: 'jwksUri',
  introspection: 'introspection.endpoint',
  token: 'tokenEndpoint',
};

const UNKNOWN_AUTHORITY =
  'Node.js does not know the authority that signed its certificate: start the application with NODE_EXTRA_CA_CERTS=<PEM file ' +
  'of that authority>, or let the server send its intermediate certificates';
const OTHER_NAME =
  'its certificate is for another name: configure the server under a name in the certificate, or let the server use a ' +
  'certificate for this name';

const REFUSED_CLIENT =
  'it does not accept the certificate of this server: see that auth has the one that is registered there, with its chain, and that ' +
  'it has not expired';

/** Advice by the error code of Node.js, or of `ClientCertificate`. */
const CERTIFICATE_ADVICE: ReadonlyMap<string, string> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNKNOWN_AUTHORITY],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_GET_ISSUER_CERT', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNKNOWN_AUTHORITY],
  ['CERT_UNTRUSTED', UNKNOWN_AUTHORITY],
  ['CERT_HAS_EXPIRED', 'its certificate has expired: renew it; NODE_EXTRA_CA_CERTS does not help'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet: set the clock of this machine right'],
  ['CERT_REVOKED', 'its certificate was revoked: replace it'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', OTHER_NAME],
  ['HOSTNAME_MISMATCH', OTHER_NAME],
  [
    'CLIENT_CERTIFICATE_UNUSABLE',
    'let keyPair of auth return { certificate, key }: PEM text, and the key of the certificate',
  ],
  [
    'CLIENT_CERTIFICATE_NEEDS_HTTPS',
    'let the server have the endpoint on https, since a certificate can be shown there only',
  ],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'it wants a certificate of this server: set auth to tls_client_auth'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', REFUSED_CLIENT],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', REFUSED_CLIENT],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', REFUSED_CLIENT],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', REFUSED_CLIENT],
]);

/** What to do about a failed request to an authorization server; undefined if the message of the error is enough. */
export function adviceForFailure(error: unknown, part: IssuerPart | 'token'): string | undefined {
  if (!(error instanceof OutboundError)) return undefined;
  const { status, code } = error;
  if (status !== undefined && status >= 300 && status < 400)
    return `configure the URL that it redirects to: ${URL_OPTIONS[part]}`;
  return code === undefined ? undefined : CERTIFICATE_ADVICE.get(code);
}
