import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import type { VerifiedToken } from '../core/token-verifier.js';
import { ResolvedOptions } from '../options/options.js';
import { configuredResource, type ResolvedResource } from '../options/resource-options.js';
import { clientCertificates, type ClientCertificates, type ShownRequest } from './client-certificates.js';
import { boundThumbprint, isSame } from './thumbprint.js';

/** Checks whether the sender of a token holds the certificate to which it is bound. Does not verify the token. */
@Injectable()
export class CertificateBinding {
  /** By configured resource, which its tenants share. */
  readonly #certificates = new Map<ResolvedResource, ClientCertificates>();

  constructor(options: ResolvedOptions) {
    for (const resource of options.resources)
      if (resource.mutualTls) this.#certificates.set(resource, clientCertificates(resource.mutualTls));
  }

  /**
   * The thumbprint of the certificate to which a token is bound, and which its sender has shown; undefined for a token that is
   * bound to none and need not be.
   *
   * @param shown undefined if the token came without a request, as over stdio
   * @throws {McpAuthError} `invalid_token`
   * @see RFC 8705 §3
   */
  check({ claims }: VerifiedToken, resource: ResolvedResource, shown: ShownRequest | undefined): string | undefined {
    const { mutualTls } = resource;
    if (!mutualTls) return undefined;
    const bound = boundThumbprint(claims, 'x5t#S256');
    if (bound === undefined) {
      if (mutualTls.mode === 'required') throw new McpAuthError('invalid_token', 'unbound_token');
      return undefined;
    }
    if (!shown) throw new McpAuthError('invalid_token', 'certificate_missing');
    const certificates = this.#certificates.get(configuredResource(resource)) as ClientCertificates;
    if (!isSame(certificates.thumbprintOf(shown), bound))
      throw new McpAuthError('invalid_token', 'certificate_of_another');
    return bound;
  }
}
