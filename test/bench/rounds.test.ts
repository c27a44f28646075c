import { describe, expect, it } from '@jest/globals';

interface Measurement {
  readonly cpu: number;
  readonly perSecond: number;
}

interface Round extends Measurement {
  readonly cpuRatio: number;
  readonly ratio: number;
}

interface Rounds {
  neighbours(ids: readonly string[], round: number): readonly (readonly string[])[];
  compare(one: Measurement, unguarded: Measurement): Round;
  summaryOf(rounds: readonly Round[]): Round & {
    readonly middleHalf: readonly [number, number];
    readonly extremes: readonly [number, number];
  };
}

const { neighbours, compare, summaryOf } = (await import(
  new URL('../../bench/rounds.js', import.meta.url).href
)) as Rounds;

describe('the order of a round', () => {
  it('puts every server next to the unguarded one', () => {
    expect(neighbours(['a', 'b', 'c'], 0)).toEqual([['a', 'b'], ['c']]);
  });

  it('begins with the next server in the next round', () => {
    expect(neighbours(['a', 'b', 'c'], 4)).toEqual([['b', 'c'], ['a']]);
  });

  it('gives a server its turns before and after the unguarded one', () => {
    const places = [0, 1].map((round) => neighbours(['a', 'b'], round)[0]!.indexOf('a'));
    expect(places).toEqual([0, 1]);
  });
});

describe('the ratios of a server', () => {
  it('say which part of the requests is left', () => {
    expect(compare({ cpu: 125, perSecond: 900 }, { cpu: 100, perSecond: 1_000 })).toMatchObject({
      cpuRatio: 0.8,
      ratio: 0.9,
    });
  });

  it('are medians of the rounds, so that one disturbed round does not count', () => {
    const unguarded = { cpu: 100, perSecond: 1_000 };
    const rounds = [110, 111, 112, 113, 900].map((cpu) => compare({ cpu, perSecond: 900 }, unguarded));
    const { cpuRatio, middleHalf, extremes } = summaryOf(rounds);
    expect(cpuRatio).toBeCloseTo(100 / 112);
    expect(middleHalf).toEqual([100 / 113, 100 / 111]);
    expect(extremes).toEqual([100 / 900, 100 / 110]);
  });
});
