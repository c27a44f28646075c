import { describe, expect, it } from '@jest/globals';
import { meetsAuthentication, strictest, type AuthenticationRequirement } from '../../lib/core/authentication.js';

const ANY: AuthenticationRequirement = { acr: [], maxAgeSeconds: undefined };
const NOW = 10_000;
const TOLERANCE = 5;

function meets(requirement: Partial<AuthenticationRequirement>, claims: Record<string, unknown>): boolean {
  return meetsAuthentication({ ...ANY, ...requirement }, claims, NOW, TOLERANCE);
}

describe('a sign-in', () => {
  it.each<[string, Record<string, unknown>, boolean]>([
    ['as old as allowed', { auth_time: NOW - 60 }, true],
    ['older by the tolerance', { auth_time: NOW - 65 }, true],
    ['older by more', { auth_time: NOW - 66 }, false],
    ['in the future by the tolerance', { auth_time: NOW + 5 }, true],
    ['in the future by more', { auth_time: NOW + 6 }, false],
    ['without a time', {}, false],
    ['whose time is text', { auth_time: String(NOW) }, false],
    ['whose time is no number', { auth_time: Number.NaN }, false],
    ['whose time never ends', { auth_time: Infinity }, false],
    ['whose time is inherited', Object.create({ auth_time: NOW }) as Record<string, unknown>, false],
  ])('%s: %#', (_what, claims, met) => {
    expect(meets({ maxAgeSeconds: 60 }, claims)).toBe(met);
  });

  it.each<[Record<string, unknown>, boolean]>([
    [{ acr: 'phr' }, true],
    [{ acr: 'phrh' }, true],
    [{ acr: 'pwd' }, false],
    [{ acr: ['phr'] }, false],
    [{}, false],
    [Object.create({ acr: 'phr' }) as Record<string, unknown>, false],
  ])('with %j has one of the classes: %s', (claims, met) => {
    expect(meets({ acr: ['phr', 'phrh'] }, claims)).toBe(met);
  });

  it('needs both where both are required, and nothing where nothing is', () => {
    expect(meets({}, {})).toBe(true);
    expect(meets({ acr: ['phr'], maxAgeSeconds: 60 }, { acr: 'phr' })).toBe(false);
    expect(meets({ acr: ['phr'], maxAgeSeconds: 60 }, { auth_time: NOW })).toBe(false);
    expect(meets({ acr: ['phr'], maxAgeSeconds: 0 }, { acr: 'phr', auth_time: NOW })).toBe(true);
  });
});

describe('the strictest of several requirements', () => {
  it('has the shortest age and the classes of the last that names any', () => {
    expect(
      strictest([
        { acr: ['a'], maxAgeSeconds: 60 },
        { acr: ['b', 'c'], maxAgeSeconds: 300 },
        { acr: [], maxAgeSeconds: undefined },
      ]),
    ).toEqual({ acr: ['b', 'c'], maxAgeSeconds: 60 });
    expect(strictest([ANY, { acr: [], maxAgeSeconds: 0 }])).toEqual({ acr: [], maxAgeSeconds: 0 });
  });

  it('needs nothing where none does', () => {
    expect(strictest([])).toEqual(ANY);
    expect(strictest([ANY, ANY])).toEqual(ANY);
  });
});
