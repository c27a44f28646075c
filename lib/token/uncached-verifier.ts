import { deepFreeze } from '../core/deep-freeze.js';
import { ResourceVerifier, type CacheableVerifier } from './verification.js';
import type { VerifiedToken } from '../core/token-verifier.js';

/** Verifies a token each time it is presented, whatever its verification says about how long it holds. */
export class UncachedVerifier extends ResourceVerifier {
  constructor(private readonly verifier: CacheableVerifier) {
    super();
  }

  override async verify(token: string): Promise<VerifiedToken> {
    return deepFreeze((await this.verifier.verify(token)).token);
  }
}
