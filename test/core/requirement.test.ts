import { describe, expect, it } from '@jest/globals';
import {
  challengeScopes,
  isEmptyRequirement,
  meets,
  NO_REQUIREMENT,
  combine,
  type Requirement,
} from '../../lib/core/requirement.js';
import { ScopeHierarchy } from '../../lib/core/scopes.js';

const FLAT = new ScopeHierarchy();
const LADDER = new ScopeHierarchy({ admin: ['write'], write: ['read'] });

const all = (...allOf: string[]): Requirement => ({ allOf, anyOf: [] });
const any = (...anyOf: string[][]): Requirement => ({ allOf: [], anyOf });

describe('meets', () => {
  it('needs nothing where nothing is required', () => {
    expect(meets(NO_REQUIREMENT, [], FLAT)).toBe(true);
  });

  it.each<[Requirement, string[], boolean]>([
    [all('a'), ['a'], true],
    [all('a'), [], false],
    [all('a', 'b'), ['b', 'a', 'c'], true],
    [all('a', 'b'), ['a'], false],
    [any(['a', 'b']), ['b'], true],
    [any(['a', 'b']), ['c'], false],
    [any(['a', 'b'], ['c', 'd']), ['a', 'b'], false],
    [any(['a', 'b'], ['c', 'd']), ['b', 'c'], true],
    [{ allOf: ['x'], anyOf: [['a', 'b']] }, ['a', 'b'], false],
    [{ allOf: ['x'], anyOf: [['a', 'b']] }, ['b', 'x'], true],
    // A group of nothing cannot be satisfied.
    [any([]), ['a'], false],
  ])('%j with %j: %s', (requirement, granted, met) => {
    expect(meets(requirement, granted, FLAT)).toBe(met);
  });

  it('takes a broader scope for those it implies, and not the other way round', () => {
    expect(meets(all('read'), ['admin'], LADDER)).toBe(true);
    expect(meets(any(['x', 'read']), ['write'], LADDER)).toBe(true);
    expect(meets(all('admin'), ['read', 'write'], LADDER)).toBe(false);
  });
});

it('a requirement is empty if it needs no scope', () => {
  expect([NO_REQUIREMENT, all(), any()].every(isEmptyRequirement)).toBe(true);
  expect([all('a'), any(['a']), any([])].some(isEmptyRequirement)).toBe(false);
});

describe('combine', () => {
  it('needs what any of them needs, in order and once', () => {
    expect(combine(all('b', 'a'), NO_REQUIREMENT, all('a', 'c'), any(['x', 'y']))).toEqual({
      allOf: ['b', 'a', 'c'],
      anyOf: [['x', 'y']],
    });
  });

  it('keeps groups apart: each needs one of its own', () => {
    const both = combine(any(['a', 'b']), any(['c', 'd']));
    expect(meets(both, ['a', 'b'], FLAT)).toBe(false);
    expect(meets(both, ['a', 'd'], FLAT)).toBe(true);
  });

  it('needs nothing of nothing', () => {
    expect(combine()).toEqual(NO_REQUIREMENT);
  });
});

describe('challengeScopes', () => {
  it('names everything an operation needs, held or not', () => {
    expect(challengeScopes(all('a', 'b'), ['a'], FLAT)).toEqual(['a', 'b']);
    expect(challengeScopes(all('a', 'b'), [], FLAT)).toEqual(['a', 'b']);
  });

  it('names of a group the first, which its author put there as the least', () => {
    expect(challengeScopes(any(['read', 'admin']), [], FLAT)).toEqual(['read']);
    expect(challengeScopes(any(['read', 'admin']), ['other'], FLAT)).toEqual(['read']);
  });

  it('names of a group the one that is held, so that a step up does not lose it', () => {
    expect(challengeScopes({ allOf: ['x'], anyOf: [['read', 'admin']] }, ['admin'], FLAT)).toEqual(['x', 'admin']);
  });

  it('names of a group the one that is held by implication, and never the broader scope itself', () => {
    expect(challengeScopes({ allOf: ['x'], anyOf: [['other', 'read']] }, ['admin'], LADDER)).toEqual(['x', 'read']);
    expect(challengeScopes(all('read'), ['admin'], LADDER)).toEqual(['read']);
  });

  it('chooses from each group, and names nothing twice', () => {
    expect(
      challengeScopes(
        {
          allOf: ['a'],
          anyOf: [
            ['a', 'b'],
            ['c', 'd'],
          ],
        },
        ['d'],
        FLAT,
      ),
    ).toEqual(['a', 'd']);
  });

  it('is enough: whoever gets what it names meets the requirement', () => {
    const requirements = [all('a', 'b'), any(['a', 'b'], ['b', 'c']), { allOf: ['read'], anyOf: [['x', 'write']] }];
    for (const requirement of requirements) {
      for (const granted of [[], ['a'], ['b'], ['write'], ['x']]) {
        expect(meets(requirement, challengeScopes(requirement, granted, LADDER), LADDER)).toBe(true);
      }
    }
  });

  it('names nothing where nothing is needed', () => {
    expect(challengeScopes(NO_REQUIREMENT, ['a'], FLAT)).toEqual([]);
    expect(challengeScopes(any([]), ['a'], FLAT)).toEqual([]);
  });
});
