import { describe, expect, it } from '@jest/globals';
import { unavailable } from '../../lib/core/error.js';
import { NotAskedError } from '../../lib/core/not-asked-error.js';
import { UnderWayLimit } from '../../lib/issuer/cool-down.js';
import { CustomVerifier } from '../../lib/token/custom-verifier.js';
import { ConfiguredIssuers } from '../../lib/token/trusted-issuers.js';

describe('a token that nobody can judge now', () => {
  it.each<[what: string, cause: unknown, seconds: number]>([
    ['the time that the cause states', new NotAskedError('later', 17), 17],
    ['five seconds where the cause states none', new Error('down'), 5],
    ['five seconds where something else has a time', { retryAfterSeconds: 17 }, 5],
  ])('is refused with 503 and %s', (_what, cause, retryAfterSeconds) => {
    expect(unavailable('introspection_failed', cause)).toMatchObject({
      code: 'temporarily_unavailable',
      reason: 'introspection_failed',
      cause,
      retryAfterSeconds,
    });
  });

  it('may be sent again after a second where the verifier of the application is busy', async () => {
    const limit = new UnderWayLimit(1);
    const verifier = new CustomVerifier(
      () => limit.run(() => new Promise(() => undefined)),
      new ConfiguredIssuers(new Map()),
      { audiences: new Set(['r']), toleranceSeconds: 0, bindings: new Set(), maxLifetimeSeconds: 60, reuseSeconds: 0 },
      () => 0,
      () => undefined,
    );
    void verifier.verify('first');
    await expect(verifier.verify('second')).rejects.toMatchObject({
      reason: 'verifier_unavailable',
      retryAfterSeconds: 1,
    });
  });
});
