import { Injectable } from '@nestjs/common';
import { authInfoOf } from '../caller/caller.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { McpAuthError } from '../core/error.js';
import { continueWith, type MaybePromise } from '../core/maybe-promise.js';
import { readCredentials } from '../request/credentials.js';
import type { HeaderSource } from '../request/header-fields.js';
import type { HttpRequest } from '../request/http-message.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';
import { ProofOfPossession } from '../proof/proof-of-possession.js';
import type { AccessRequest } from './access-request.js';

/** Determines who is calling. Does not decide what they may do. */
@Injectable()
export class Authenticator {
  constructor(private readonly proofs: ProofOfPossession) {}

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
    const credentials = readCredentials(source);
    switch (credentials.kind) {
      case 'none':
        if (access.isOpen) return undefined;
        throw new McpAuthError('authorization_required', 'no_credentials');
      case 'unsupported':
        // RFC 6750 §3.1: no error code, as if there were no credentials.
        throw new McpAuthError('authorization_required', 'unsupported_scheme');
      case 'repeated':
        throw new McpAuthError('invalid_request', 'repeated_credentials');
      case 'malformed':
        throw new McpAuthError('invalid_token', 'malformed_credentials');
      case 'bearer':
        return this.verify(credentials.token, access.server);
      case 'dpop':
        return this.#verifyBound(credentials.token, access, source, request);
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
    const proof = await this.proofs.checkDpop({ token, verified, resource, source, request });
    return authInfoOf(token, verified, resource.identifier.value, proof);
  }

  /**
   * Verifies a Bearer token for this resource, and returns its caller.
   *
   * @throws {McpAuthError} when the token is refused, or cannot be verified now.
   */
  verify(token: string, { verifier, resource }: ResourceServer): MaybePromise<McpAuthInfo> {
    const { value: identifier } = resource.identifier;
    return continueWith(verifier.verify(token), (verified) => {
      this.proofs.checkBearer(verified, resource);
      return authInfoOf(token, verified, identifier);
    });
  }
}
