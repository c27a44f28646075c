import { describe, expect, it } from '@jest/globals';
import { formatAccessMap, type AccessMapRow } from 'nestjs-mcp-auth';
import { sortAccessMap } from '../../lib/core/access-map.js';

const ROW: AccessMapRow = {
  kind: 'tool',
  name: 'notes_read',
  resource: 'notes',
  access: 'token',
  scopes: { allOf: [], anyOf: [] },
  authentications: [],
  needsProof: false,
  policies: [],
  declaredAt: [],
};

/** The lines of the text, without the heading, in cells. */
function cellsOf(...rows: AccessMapRow[]): string[][] {
  const [, ...lines] = formatAccessMap(rows).split('\n');
  return lines.map((line) => line.split(/ {2,}/));
}

describe('an access map as text', () => {
  it('has a heading and columns as wide as their longest cell, and no spaces at the end of a line', () => {
    const rows = [ROW, { ...ROW, name: 'a', resource: null, declaredAt: ['Notes.read', 'Notes'] }];
    expect(formatAccessMap(rows)).toBe(
      [
        'KIND  NAME        RESOURCE  ACCESS  NEEDS  DECLARED AT',
        'tool  a           -         token   -      Notes.read, Notes',
        'tool  notes_read  notes     token   -      -',
      ].join('\n'),
    );
    expect(formatAccessMap([])).toBe('KIND  NAME  RESOURCE  ACCESS  NEEDS  DECLARED AT');
    expect(formatAccessMap([{ ...ROW, declaredAt: [' a '] }])).toMatch(/ a$/);
  });

  it('says everything that a row needs', () => {
    const needs: AccessMapRow = {
      ...ROW,
      scopes: { allOf: ['a', 'b'], anyOf: [['c', 'd'], ['e']] },
      authentications: [
        { acr: ['phr', 'phrh'], maxAgeSeconds: 0 },
        { acr: [], maxAgeSeconds: 60 },
        { acr: ['pwd'], maxAgeSeconds: null },
      ],
      needsProof: true,
      policies: ['owner'],
    };
    expect(cellsOf(needs)[0]?.[4]).toBe(
      'a, b, (c or d), (e), acr phr or phrh, signed in within 0 s, signed in within 60 s, acr pwd, proof of a key, policy owner',
    );
  });

  it('cannot be broken by a name', () => {
    expect(cellsOf({ ...ROW, name: 'a\nb' })[0]?.[1]).toBe(String.raw`a\u{a}b`);
  });
});

it('an access map is sorted by kind, name and resource, in a copy', () => {
  const kinds = ['route', 'tool', 'resource', 'resource-template', 'prompt', 'operation', 'handler'] as const;
  const rows = kinds.toReversed().map((kind) => ({ ...ROW, kind }));
  expect(sortAccessMap(rows).map(({ kind }) => kind)).toEqual(kinds);
  expect(rows[0]?.kind).toBe('handler');
  const keys = (...list: [name: string, resource: string | null][]): string[] =>
    sortAccessMap(list.map(([name, resource]) => ({ ...ROW, name, resource }))).map(
      (row) => `${row.name} ${row.resource}`,
    );
  expect(keys(['b', 'a'], ['B', 'a'], ['a', 'b'], ['a', 'a'], ['a', null])).toEqual([
    'B a',
    'a null',
    'a a',
    'a b',
    'b a',
  ]);
  expect(keys(['a', null], ['a', 'a'], ['a', 'b'], ['b', 'a'])).toEqual(['a null', 'a a', 'a b', 'b a']);
  expect(keys(['a', 'A'], ['a', null], ['a', 'B'])).toEqual(['a null', 'a A', 'a B']);
  // Names of which one is the beginning of the other.
  expect(keys(['ab', 'a'], ['a', 'z'])).toEqual(['a z', 'ab a']);
});
