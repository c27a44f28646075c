import { hash } from 'node:crypto';
import { McpAuthError } from '../core/error.js';
import { Plain } from '../core/safe-text.js';
import type { ResolvedCertificateHeader, ResolvedMutualTls } from '../options/mutual-tls-options.js';
import { fieldValues, type HeaderSource } from '../request/header-fields.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { peerOf, TrustedPeers } from '../request/trusted-peers.js';
import { thumbprintInHeader } from './certificate-header.js';

/** A request with what it shows of its client. */
export interface ShownRequest {
  /** The header fields. */
  readonly source: HeaderSource;
  readonly request: HttpRequest;
}

/** Finds the certificate of the client of a request. Does NOT verify it: who holds its key is what counts (RFC 8705 §3). */
export interface ClientCertificates {
  /**
   * The SHA-256 of the certificate, base64url.
   *
   * @throws {McpAuthError} `invalid_token` if there is no certificate, or none that can be believed.
   */
  thumbprintOf(shown: ShownRequest): string;
}

/** The source of certificates that the options name. */
export function clientCertificates({ certificate }: ResolvedMutualTls): ClientCertificates {
  return certificate === 'connection' ? new ConnectionCertificates() : new ForwardedCertificates(certificate);
}

/** The used members of a TLS socket, which a plain one does not have. */
interface CertifiedSocket {
  getPeerX509Certificate?(): { readonly raw: Buffer } | undefined;
}

/** Certificates of the TLS connections that this process accepts. */
class ConnectionCertificates implements ClientCertificates {
  /**
   * By socket. Only a certificate is remembered, not its absence: a server may ask for it later. Another one that comes later on
   * the same connection is of the same client (RFC 5746).
   */
  readonly #thumbprints = new WeakMap<object, string>();

  thumbprintOf({ request }: ShownRequest): string {
    const { socket } = nodeRequest(request);
    const known = socket && this.#thumbprints.get(socket);
    if (known !== undefined) return known;
    const certified = socket as CertifiedSocket | undefined;
    const certificate = certified?.getPeerX509Certificate?.();
    if (!socket || !certificate) throw missing({ connection: new Plain(describe(certified)) });
    const thumbprint = hash('sha256', certificate.raw, 'base64url');
    this.#thumbprints.set(socket, thumbprint);
    return thumbprint;
  }
}

function describe(socket: CertifiedSocket | undefined): string {
  return socket?.getPeerX509Certificate ? 'TLS without a client certificate' : 'without TLS';
}

/** Certificates that a proxy passes on in a header field. */
class ForwardedCertificates implements ClientCertificates {
  readonly #proxies: TrustedPeers;

  constructor(private readonly settings: ResolvedCertificateHeader) {
    this.#proxies = new TrustedPeers(settings.trustedProxies);
  }

  thumbprintOf({ source, request }: ShownRequest): string {
    const { header, format } = this.settings;
    const [value, ...others] = fieldValues(source, header);
    const seen = { header, peer: peerOf(request) };
    if (value === undefined || value === '') throw missing(seen);
    if (!this.#proxies.includes(request)) throw new McpAuthError('invalid_token', 'certificate_untrusted', { seen });
    const thumbprint = others.length === 0 ? thumbprintInHeader(value, format) : undefined;
    if (thumbprint === undefined) throw new McpAuthError('invalid_token', 'certificate_malformed', { seen });
    return thumbprint;
  }
}

function missing(seen: Readonly<Record<string, unknown>>): McpAuthError {
  return new McpAuthError('invalid_token', 'certificate_missing', { seen });
}
