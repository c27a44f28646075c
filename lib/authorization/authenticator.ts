import { Injectable } from '@nestjs/common';
import { authInfoOf, credentialInfoOf } from '../caller/caller.js';
import type { CallerProof, McpAuthInfo } from '../core/auth-info.js';
import { McpAuthError } from '../core/error.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import { Plain } from '../core/safe-text.js';
import { readCredentials, type BearerCredential, type HeaderCredential } from '../request/credentials.js';
import type { HeaderSource } from '../request/header-fields.js';
import type { HttpRequest } from '../request/http-message.js';
import type { ResourceCredential } from '../resource-servers/resource-credentials.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';
import { CertificateBinding } from '../proof/certificate-binding.js';
import type { ShownRequest } from '../proof/client-certificates.js';
import { ProofOfPossession } from '../proof/proof-of-possession.js';
import { Revocations } from '../revocation/revocations.js';
import type { AccessRequest } from './access-request.js';

/** Determines who is calling. Does not decide what they may do. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly proofs: ProofOfPossession,
    private readonly certificates: CertificateBinding,
    private readonly revocations: Revocations,
  ) {}

  /**
   * The caller of a request; undefined if the request is allowed without a token and has none. Synchronous if the token is
   * in the cache.
   *
   * @throws {McpAuthError} when the credentials are refused.
   */
  authenticate(
    source: HeaderSource,
    access: AccessRequest,
    request: HttpRequest,
  ): MaybePromise<McpAuthInfo | undefined> {
    const credentials = readCredentials(source, access.server.credentials.headers);
    switch (credentials.kind) {
      case 'none':
        if (access.isOpen) return undefined;
        throw new McpAuthError('authorization_required', 'no_credentials');
      case 'unsupported':
        // RFC 6750 §3.1: no error code, as if there were no credentials.
        throw new McpAuthError('authorization_required', 'unsupported_scheme');
      case 'repeated':
        throw new McpAuthError('invalid_request', 'repeated_credentials');
      case 'several':
        throw new McpAuthError('invalid_request', 'several_credentials');
      case 'malformed':
        throw new McpAuthError('invalid_token', 'malformed_credentials');
      case 'bearer':
        return this.#verifyBearer(credentials, access.server, { source, request });
      case 'dpop':
        return this.#verifyBound(credentials.token, access, source, request);
      case 'header':
        return this.#verifyHeader(credentials, access.server);
    }
  }

  async #verifyBound(
    token: string | undefined,
    access: AccessRequest,
    source: HeaderSource,
    request: HttpRequest,
  ): Promise<McpAuthInfo> {
    const { verifier, resource } = access.server;
    // Without the option, the scheme is like any other that is not supported.
    if (!resource.dpop) throw new McpAuthError('authorization_required', 'dpop_scheme');
    access.scheme = 'DPoP';
    if (token === undefined) throw new McpAuthError('invalid_token', 'malformed_credentials');
    const verified = await verifier.verify(token);
    const certificateThumbprint = this.certificates.check(verified, resource, { source, request });
    const credentials = { token, verified, resource, source, request, certificateThumbprint };
    const proof = await this.proofs.checkDpop(credentials);
    return this.revocations.admit(authInfoOf(token, verified, resource, proof));
  }

  /**
   * Verifies an access token, or another Bearer credential, for this resource, and returns its caller. Accepts no token that is bound
   * to a certificate, since there is no request that shows one.
   *
   * @throws {McpAuthError} when the token is refused, or cannot be verified now.
   */
  verify(token: string, server: ResourceServer): MaybePromise<McpAuthInfo> {
    return this.#verifyBearer({ kind: 'bearer', token }, server, undefined);
  }

  #verifyBearer(
    bearer: BearerCredential,
    server: ResourceServer,
    shown: ShownRequest | undefined,
  ): MaybePromise<McpAuthInfo> {
    const { token } = bearer;
    const credential = server.credentials.ofToken(token);
    if (credential) return this.#verifyCredential(token, credential, server);
    const { verifier, resource } = server;
    return continueWith(verifier.verify(token, bearer), (verified) => {
      this.proofs.checkBearer(verified, resource);
      const certificate = this.certificates.check(verified, resource, shown);
      const proof = certificate === undefined ? undefined : shownBy(certificate);
      return this.revocations.admit(authInfoOf(token, verified, resource, proof));
    });
  }

  #verifyHeader({ header, value }: HeaderCredential, server: ResourceServer): MaybePromise<McpAuthInfo> {
    const credential = server.credentials.inHeader(header);
    if (!credential) throw new McpAuthError('authorization_required', 'no_credentials');
    try {
      const caller = this.#verifyCredential(value, credential, server);
      return caller instanceof Promise ? caller.catch((error: unknown) => Promise.reject(withoutToken(error))) : caller;
    } catch (error) {
      throw withoutToken(error);
    }
  }

  #verifyCredential(
    text: string,
    credential: ResourceCredential,
    { resource }: ResourceServer,
  ): MaybePromise<McpAuthInfo> {
    return continueWith(credential.verify(text), (verified) =>
      this.revocations.admit(credentialInfoOf(credential.name, text, verified, resource)),
    );
  }
}

/** The proof of a caller with the scheme Bearer who has shown this certificate. */
function shownBy(certificateThumbprint: string): CallerProof {
  return Object.freeze({ method: 'mtls', keyThumbprint: undefined, certificateThumbprint });
}

/**
 * The refusal of a credential that is not a Bearer token: the challenge has no error code, since the client has used a method
 * that it does not offer (RFC 6750 §3.1), and has no token that it could renew.
 */
function withoutToken(error: unknown): unknown {
  if (!(error instanceof McpAuthError) || error.code !== 'invalid_token') return error;
  const seen = Object.fromEntries(Object.entries(error.seen).map(([name, text]) => [name, new Plain(text)]));
  return new McpAuthError('authorization_required', error.reason, { cause: error.cause, seen });
}
