import { deepFreeze } from '../core/deep-freeze.js';
import type { RepeatableVerifier } from './verification.js';
import { TokenVerifier, type VerifiedToken } from './verifier.js';

/** Verifies a token each time it is presented, whatever its verification says about how long it holds. */
export class UncachedVerifier extends TokenVerifier {
  constructor(private readonly verifier: RepeatableVerifier) {
    super();
  }

  override async verify(token: string): Promise<VerifiedToken> {
    return deepFreeze((await this.verifier.verify(token)).token);
  }
}
