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
  orderOf(pair: readonly [string, string], round: number): readonly string[];
  compare(one: Measurement, unguarded: Measurement): Round;
  summaryOf(rounds: readonly Round[]): Round & {
    readonly middleHalf: readonly [number, number];
    readonly extremes: readonly [number, number];
  };
}

const { orderOf, compare, summaryOf } = (await import(
  new URL('../../bench/rounds.js', import.meta.url).href
)) as Rounds;

describe('the order of a round', () => {
  it('runs both servers once, and lets them take turns in going first', () => {
    expect([0, 1, 2].map((round) => orderOf(['unguarded', 'guarded'], round))).toEqual([
      ['unguarded', 'guarded'],
      ['guarded', 'unguarded'],
      ['unguarded', 'guarded'],
    ]);
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
