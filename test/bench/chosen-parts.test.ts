import { describe, expect, it } from '@jest/globals';

interface Flags {
  readonly quick?: boolean;
  readonly memory?: boolean;
  readonly only?: string;
  readonly node?: string;
}

const { chosenParts } = (await import(new URL('../../bench/chosen-parts.js', import.meta.url).href)) as {
  chosenParts(flags: Flags, parts: readonly string[]): string[];
};

const PARTS = ['counts', 'imports', 'profile', 'throughput', 'memory', 'dpopMemory'];
const chosen = (flags: Flags): string => chosenParts(flags, PARTS).join(' ');

describe('The benchmark', () => {
  it.each(PARTS)('measures %s alone, if it is named', (part) => {
    expect(chosen({ only: part })).toBe(part);
    expect(chosen({ only: part, quick: true })).toBe(part);
  });

  it('measures the memory only on request, or quickly', () => {
    expect(chosen({})).toBe('counts imports profile throughput');
    expect(chosen({ memory: true })).toBe('memory');
    expect(chosen({ memory: true, only: 'memory' })).toBe('memory');
    expect(chosen({ quick: true })).toBe(PARTS.join(' '));
  });

  it('measures with another Node what does not run in its own process', () => {
    expect(chosen({ node: 'node22' })).toBe('imports profile throughput');
    expect(chosen({ node: 'node22', only: 'profile' })).toBe('profile');
  });

  it('refuses a part that does not exist, or that another Node cannot run', () => {
    expect(() => chosen({ only: 'profiles' })).toThrow('There is no part "profiles", only counts,');
    expect(() => chosen({ only: 'counts', node: 'node22' })).toThrow('only imports, profile, throughput');
    expect(() => chosen({ only: 'profile', memory: true })).toThrow('leave it out, or --only=profile');
    expect(() => chosen({ memory: true, node: 'node22' })).toThrow('There is no part "memory"');
  });
});
