import { describe, expect, it } from '@jest/globals';
import {
  checkAudience,
  checkTimes,
  checkTimesPresent,
  firstStated,
  namedClaim,
  statedClaim,
  stringClaim,
  writtenClaim,
} from '../../lib/token/claims.js';

// The rules about claims at their limits, without a server. test/conformance has those of the specifications, over HTTP.

const NOW = 10_000;
const RULES = { toleranceSeconds: 5, maxLifetimeSeconds: 60 };

/** The reason of the refusal, with what was seen; undefined if it is accepted. */
function refusalOf(check: () => unknown): unknown {
  try {
    check();
    return undefined;
  } catch (error) {
    const { reason, seen } = error as { reason: string; seen: object };
    return [reason, seen];
  }
}

describe('a claim', () => {
  const claims = { a: 'x', empty: '', none: null, list: [], zero: 0, no: false, 'a/b~c': 1, deep: { er: { x: 'y' } } };

  it('is absent where it is empty, null or inherited', () => {
    const stated = Object.keys(claims).filter((name) => statedClaim(claims, name) !== undefined);
    expect(stated).toEqual(['a', 'zero', 'no', 'a/b~c', 'deep']);
    expect(statedClaim(claims, 'toString')).toBeUndefined();
    expect(statedClaim({ list: [''] }, 'list')).toEqual(['']);
  });

  it.each<[string, unknown, unknown]>([
    ['a', 'x', 'x'],
    ['a/b~c', 1, 1],
    ['/a~1b~0c', 1, 1],
    ['/deep/er/x', 'y', 'y'],
    ['/deep/er/z', undefined, undefined],
    ['/deep/er/x/y', undefined, undefined],
    ['/deep/toString', undefined, undefined],
    ['/list/length', undefined, undefined],
    ['deep/er', undefined, undefined],
    ['/empty', '', undefined],
    ['empty', '', undefined],
    ['/none', undefined, undefined],
    ['none', undefined, undefined],
    ['/list', [], undefined],
    ['/~01', undefined, undefined],
  ])('%s is written as %j and names %j', (name, written, named) => {
    expect(writtenClaim(claims, name)).toEqual(written);
    expect(namedClaim(claims, name)).toEqual(named);
  });

  it('is the first of several that is stated', () => {
    expect(firstStated(claims, ['empty', 'none', 'zero', 'a'])).toEqual({ name: 'zero', value: 0 });
    expect(firstStated(claims, ['empty', 'other'])).toBeUndefined();
    expect(stringClaim(claims, ['empty', 'a'])).toBe('x');
    expect(stringClaim(claims, ['other'])).toBeUndefined();
    expect(refusalOf(() => stringClaim(claims, ['zero', 'a']))).toEqual(['claim_malformed', { zero: 'a number' }]);
  });
});

describe('the times of a token', () => {
  it.each<[Record<string, unknown>, unknown]>([
    [{ exp: NOW + 60 }, undefined],
    [{ exp: NOW + 65 }, undefined],
    [{ exp: NOW + 65.4 }, ['lifetime_too_long', { exp: '65' }]],
    [{ exp: NOW - 4 }, undefined],
    [{ exp: NOW - 5 }, ['expired', { exp: '-5' }]],
    [{ exp: 0 }, ['expired', { exp: '-10000' }]],
    [{}, ['expiry_missing', {}]],
    [{ exp: null }, ['expiry_missing', {}]],
    [{ exp: -1 }, ['time_malformed', { exp: '-1' }]],
    [{ exp: Infinity }, ['time_malformed', { exp: 'Infinity' }]],
    [{ exp: String(NOW) }, ['time_malformed', { exp: 'text' }]],
    [{ exp: NOW + 1, nbf: NOW + 5 }, undefined],
    [{ exp: NOW + 1, nbf: NOW + 6 }, ['not_yet_valid', { nbf: '6' }]],
    [{ exp: NOW + 1, nbf: true }, ['time_malformed', { nbf: 'true or false' }]],
    [{ exp: NOW + 1, iat: NOW + 300 }, undefined],
    [{ exp: NOW + 1, iat: NOW + 301 }, ['not_yet_valid', { iat: '301' }]],
    [{ exp: NOW + 1, iat: [1] }, ['time_malformed', { iat: 'a list' }]],
    [{ exp: NOW - 5, iat: 'x' }, ['time_malformed', { iat: 'text' }]],
  ])('%j: %j', (claims, refusal) => {
    expect(refusalOf(() => checkTimes(claims, NOW, RULES))).toEqual(refusal);
    if (refusal === undefined) expect(checkTimes(claims, NOW, RULES)).toBe(claims['exp']);
  });

  it('may lack the expiry where an answer is used for a short time only', () => {
    expect(checkTimesPresent({}, NOW, RULES)).toBeUndefined();
    expect(refusalOf(() => checkTimesPresent({ nbf: NOW + 6 }, NOW, RULES))).toEqual(['not_yet_valid', { nbf: '6' }]);
    expect(refusalOf(() => checkTimesPresent({ exp: NOW - 5 }, NOW, RULES))).toEqual(['expired', { exp: '-5' }]);
  });
});

describe('the audience of a token', () => {
  const accepted = new Set(['https://a.example', 'b']);
  it.each<[unknown, unknown]>([
    ['b', ['b']],
    [
      ['c', 'b'],
      ['c', 'b'],
    ],
    ['c', 'audience_rejected'],
    ['https://a.example/', 'audience_rejected'],
    [['c'], 'audience_rejected'],
    [['b', 1], 'claim_malformed'],
    [{ b: 1 }, 'claim_malformed'],
    [1, 'claim_malformed'],
    [[], 'audience_missing'],
    ['', 'audience_missing'],
    [undefined, 'audience_missing'],
  ])('%j: %j', (aud, result) => {
    if (Array.isArray(result)) expect(checkAudience({ aud }, accepted)).toEqual(result);
    else expect(refusalOf(() => checkAudience({ aud }, accepted))).toEqual([result, expect.anything()]);
  });

  it('is in the first of the named claims that is stated', () => {
    expect(checkAudience({ aud: 'c', resource: 'b' }, accepted, ['resource', 'aud'])).toEqual(['b']);
    expect(checkAudience({ aud: 'b', resource: '' }, accepted, ['resource', 'aud'])).toEqual(['b']);
    const other = refusalOf(() => checkAudience({ aud: 'b', resource: 'c' }, accepted, ['resource', 'aud']));
    expect(other).toEqual(['audience_rejected', {}]);
    expect(refusalOf(() => checkAudience({ resource: 1 }, accepted, ['resource']))).toEqual([
      'claim_malformed',
      { resource: 'a number' },
    ]);
  });
});
