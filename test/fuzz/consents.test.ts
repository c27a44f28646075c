import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { McpAuthConsentError } from '../../lib/consent/consent-error.js';
import { ConsentFlow } from '../../lib/consent/consent-flow.js';
import { SealedValues } from '../../lib/shared-state/sealed-values.js';
import { UsedLinks } from '../../lib/consent/used-links.js';
import { always, alwaysAsync, jsonValue } from './property.js';

const SECRET: [string] = ['a secret of this test that nobody can guess'];
const NOW = 1_700_000_000_000;
const FACTS = { principal: 'alice', clientId: 'client', resource: 'https://mcp.example.com/mcp', to: 'acme' };

function newFlow(): ConsentFlow {
  const reports = { storeAnswered: () => undefined, storeFailed: () => undefined };
  const used = new UsedLinks(undefined, reports, () => NOW);
  return new ConsentFlow({ url: 'https://mcp.example.com/connect', secret: SECRET, seconds: 600 }, used, () => NOW);
}

/** The sealed value in a new link. */
function linkOf(flow: ConsentFlow): string {
  return new URL(flow.begin(FACTS, 'Consent').url).searchParams.get('consent') as string;
}

/** Text in which something is changed, left out or added. */
function changed(text: string): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.constantFrom('A', '-', '_', '=', '==', '+', '/', ' ', '\n', '\0', '.', text),
  );
  return fc
    .tuple(fc.nat(text.length), fc.nat(4), piece)
    .map(([at, length, instead]) => text.slice(0, at) + instead + text.slice(at + length));
}

describe('any sealed value', () => {
  it('opens with what was sealed, and not for another purpose', () => {
    always(1_000, fc.dictionary(fc.string(), jsonValue), (given) => {
      const content = JSON.parse(JSON.stringify(given)) as object;
      const sealed = new SealedValues(SECRET, 'one').seal(content);
      if (sealed.length <= 4_096) expect(new SealedValues(SECRET, 'one').open(sealed)).toEqual(content);
      expect(new SealedValues(SECRET, 'other').open(sealed)).toBeUndefined();
    });
  });

  it('that was changed anywhere, or is anything else, does not open', () => {
    const values = new SealedValues(SECRET, 'one');
    const sealed = values.seal({ to: 'acme' });
    const other = fc.oneof(changed(sealed), fc.string({ unit: 'binary' }), fc.base64String(), jsonValue);
    always(6_000, other, (text) => {
      if (text !== sealed) expect(values.open(text)).toBeUndefined();
    });
  });
});

describe('any callback of a consent', () => {
  const flow = newFlow();
  const link = linkOf(flow);
  const { state } = flow.open(link, 'alice');

  /** What comes in the place of a link or a state: lists and objects, too, as query parsers make them. */
  const parameter = fc.oneof(
    fc.constantFrom<unknown>(link, state, [link], [state], { state }, undefined),
    changed(link),
    changed(state),
    jsonValue,
  );
  const user = fc.oneof(fc.constant('alice'), fc.constant('mallory'), fc.string());

  it('opens a link of this user alone, or is refused', () => {
    let opened = 0;
    always(3_000, fc.tuple(parameter, user), ([text, principal]) => {
      try {
        expect(flow.open(text, principal)).toMatchObject({ to: 'acme' });
        expect([text, principal]).toEqual([link, 'alice']);
        opened += 1;
      } catch (error) {
        if (!(error instanceof McpAuthConsentError)) throw error;
      }
    });
    expect(opened).toBeGreaterThan(20);
  });

  it('ends a consent once, with a state of this user for this third party, or is refused', async () => {
    let ended = 0;
    const to = fc.constantFrom('acme', 'acme', 'other', 'ACME', '__proto__');
    await alwaysAsync(3_000, fc.tuple(parameter, user, to), async ([text, principal, target]) => {
      try {
        await flow.finish(text, principal, target);
        expect([text, principal, target]).toEqual([state, 'alice', 'acme']);
        ended += 1;
      } catch (error) {
        if (!(error instanceof McpAuthConsentError)) throw error;
      }
    });
    expect(ended).toBe(1);
  });
});
