import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

type Results = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

interface Report {
  report(results: Results): string;
  chartsOf(results: Results): Readonly<Record<string, string>>;
}

const bench = new URL('../../bench/', import.meta.url);
const { report, chartsOf } = (await import(new URL('report.js', bench).href)) as Report;

describe('the published results', () => {
  const results = JSON.parse(read('results.json')) as Results;

  it('are those that the report writes from the figures', () => {
    expect(read('RESULTS.md')).toBe(report(results));
  });

  it('come with the charts that the report draws from the figures', () => {
    const drawn = chartsOf(results);
    expect(readdirSync(new URL('charts/', bench)).toSorted()).toEqual(Object.keys(drawn).toSorted());
    for (const [file, svg] of Object.entries(drawn)) expect([file, read(`charts/${file}`)]).toEqual([file, svg]);
  });
});

describe('a report', () => {
  it('shows every chart', () => {
    const results = { throughput: throughput('v20.1.0', 0.8), throughputElsewhere: throughput('v24.1.0', 0.9) };
    const shown = [...report(results).matchAll(/\]\(charts\/([^)]+)\)/g)].map(([, file]) => file);
    expect(shown).toEqual(Object.keys(chartsOf(results)));
    expect(shown).toHaveLength(2);
  });

  it.each([
    ['v24.1.0', 0.92, '| 0.92 (the least: 0.97), Node v24.1.0 | yes |'],
    ['v24.1.0', 0.91, '| 0.91 (the least: 0.97), Node v24.1.0 | **no** |'],
    ['v20.1.0', 0.99, '| not measured |  |'],
  ])('judges a tool call on a current Node only: %s with %d', (node, ratio, line) => {
    expect(aimOf({ throughput: throughput(node, ratio) }, 'an MCP `tools/call`')).toContain(line);
  });

  it.each([
    [8.04, 'yes'],
    [8.06, '**no**'],
  ])('judges the cost of a decision as it is shown: %d µs', (micros, met) => {
    const figures = [{ label: 'a plain route', micros }];
    expect(aimOf({ decisions: part(figures) }, 'a decision')).toContain(`| ${met} |`);
  });

  it.each([
    [1.154, '1.15, 0.60 | yes'],
    [1.156, '1.16, 0.60 | **no**'],
  ])('judges a proof beside jose: %d', (ratio, verdict) => {
    const row = { alg: 'ES256', guard: 115, embedded: 100, signature: 80, bearer: 8 };
    const results = {
      dpop: part([
        { ...row, ratio },
        { ...row, ratio: 0.6 },
      ]),
    };
    expect(aimOf(results, 'a known token with a proof')).toContain(`| ${verdict} |`);
    expect(report(results)).toContain(`| ES256 | 115 | 100 | 80 | 8 | ${ratio.toFixed(2)} |`);
  });

  it('judges the memory for used proofs', () => {
    const rows = [{ proofs: 1_000_000, heap: 2 ** 27, rss: 2 ** 28 }];
    const results = { dpopMemory: part({ rows, seconds: 300, bounds: { each: 95.3, most: 95.3 * 500_000 } }) };
    expect(aimOf(results, 'memory for a used proof')).toContain('| ≤ 110 | 95 | yes |');
    expect(report(results)).toContain('| 1,000,000 | 128.0 | 256.0 |');
  });

  it('judges the import of the package, built and packed', () => {
    const rows = [80, 81].map((millis) => ({ label: 'x', millis, lowest: 1, highest: 99, cpu: 70 }));
    const aim = aimOf({ imports: part({ node: 'v24.1.0', rows }) }, 'import of the package');
    expect(aim).toContain('| 80, 81 | **no** |');
  });

  it('shows the spread of our share of the processor time', () => {
    const share = (value: number): object => ({ percent: value, micros: 10 * value });
    const names = ['library', 'hashing', 'onBehalf', 'asyncHooks', 'gc', 'together', 'rest'];
    const runs = [2, 1, 3].map((value) => ({
      name: 'run',
      shares: Object.fromEntries(names.map((name) => [name, share(value)])),
    }));
    const text = report({ profile: part({ node: 'v24.1.0', rows: [{ title: 'tools/call', runs }] }) });
    expect(text).toContain('| functions of this library | 2.0 (1.0–3.0) | 20.0 (10.0–30.0) |');
  });
});

function read(file: string): string {
  return readFileSync(new URL(file, bench), 'utf8');
}

function aimOf(results: Results, what: string): string | undefined {
  return report(results)
    .split('\n')
    .find((line) => line.startsWith(`| ${what}`));
}

function throughput(node: string, cpuRatio: number): Record<string, unknown> {
  const row = { perSecond: 1, ratio: 1, cpu: 1, middleHalf: [1, 1], extremes: [1, 1] };
  const rows = [
    { ...row, id: 'mcpUnguarded', label: 'no guard', cpuRatio: 1 },
    { ...row, id: 'mcpLookup', label: 'the least', cpuRatio: 0.97 },
    { ...row, id: 'mcpOurs', label: 'nestjs-mcp-auth', cpuRatio },
  ];
  const series = [{ title: 'One token', groups: [{ group: 'MCP tools/call', rows }] }];
  return part({ alg: 'RS256', rounds: 20, seconds: 0.3, unfit: [], series, node });
}

function part(figures: unknown): Record<string, unknown> {
  const versions = { library: '0.1.0', compared: {}, platform: {} };
  return { at: '2026-01-01T00:00', quick: false, machine: 'a machine', versions, figures };
}
