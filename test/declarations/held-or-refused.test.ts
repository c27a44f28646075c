import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { alwaysAsync } from '../fuzz/property.js';
import { PLATFORMS } from '../support/platforms.js';
import { LOSSES, outcomeOf, PLACES, REQUIRING, TARGETS, type Case, type Requiring } from './cases.js';

const requirings = Object.keys(REQUIRING) as Requiring[];

/** The decorators whose refusal asks for another token. The others need another caller, or more scopes. */
const ANSWERED_401: ReadonlySet<Requiring> = new Set(['RequireAuthentication', 'RequireProof']);

/** What is lost on a class has nothing to be above or below of on the method. */
const anyCase: fc.Arbitrary<Case> = fc.record({
  requiring: fc.constantFrom(...requirings),
  target: fc.constantFrom(...TARGETS),
  place: fc.constantFrom(...PLACES),
  loss: fc.constantFrom(...LOSSES),
  isHandlerAbove: fc.boolean(),
});

describe.each(PLATFORMS)('what a decorator declares, on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
  });
  afterAll(() => issuer.close());

  it('LIB-20: holds, or the application does not start, whatever else stands on the method and the class', async () => {
    await alwaysAsync(60, anyCase, async (one) => {
      const outcome = await outcomeOf(one, platform, issuer);
      expect({ ...one, ran: 'ran' in outcome ? outcome.ran : [] }).toEqual({ ...one, ran: [] });
    });
  });

  const kept = TARGETS.flatMap((target) => [
    ...requirings.map((requiring) => ({ target, requiring, loss: 'nothing' as const })),
    { target, requiring: 'RequireScopes' as const, loss: 'another function' as const },
  ]);
  it.each(kept)('LIB-20: holds above $loss: $requiring on a $target', async ({ target, loss, requiring }) => {
    const outcome = await outcomeOf(
      { requiring, target, loss, place: 'above', isHandlerAbove: true },
      platform,
      issuer,
    );
    expect(outcome).toEqual({ status: ANSWERED_401.has(requiring) ? 401 : 403, ran: [] });
  });

  const lost = TARGETS.flatMap((target) =>
    (
      [
        'another function',
        'an accessor',
        'a proxy of the function',
        'an overriding subclass',
        'an overriding subclass with the other requirement',
      ] as const
    ).map((loss) => ({ target, loss })),
  );
  it.each(lost)('LIB-20: refuses to start where $loss has dropped it from a $target', async ({ target, loss }) => {
    const outcome = await outcomeOf(
      { requiring: 'RequireScopes', target, loss, place: 'below', isHandlerAbove: loss !== 'an accessor' },
      platform,
      issuer,
    );
    expect(outcome).toEqual({
      refused: expect.stringMatching(
        /(?:Subject|Overriding)\.act: saw .*@RequireScopes\("admin"\).*\. Write @RequireScopes\("admin"\)/,
      ),
    });
  });
});
