import { describe, expect, it } from '@jest/globals';

interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  readonly extremes?: readonly [number, number];
  readonly isOurs?: boolean;
}

interface Charts {
  barChart(chart: { title: string; description: string; bars: readonly Bar[]; reference?: number }): string;
  fileNameOf(...words: string[]): string;
}

const { barChart, fileNameOf } = (await import(new URL('../../bench/charts.js', import.meta.url).href)) as Charts;

const svg = barChart({
  title: 'Ratio & more',
  description: 'Longer is better.',
  reference: 1,
  bars: [
    { label: 'no guard', value: 1, text: '1.00' },
    { label: 'ours, `cache: false`, <x>', value: 0.5, text: '0.50', extremes: [0.25, 0.75], isOurs: true },
  ],
});

describe('a bar chart', () => {
  it('has a title and a description for readers who cannot see it', () => {
    expect(svg).toContain('aria-labelledby="title desc"');
    expect(svg).toContain('<title id="title">Ratio &amp; more</title>');
    expect(svg).toContain('<desc id="desc">Longer is better.</desc>');
  });

  it('has colours for light and for dark pages', () => {
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
  });

  it('draws one bar for each subject, from zero, in proportion', () => {
    const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths).toHaveLength(2);
    expect(widths[1]! / widths[0]!).toBeCloseTo(0.5, 3);
  });

  it('draws the range of a bar on the same scale', () => {
    const [, from, to] = /class="extremes" x1="([\d.]+)" x2="([\d.]+)"/.exec(svg)!;
    const [, one] = /class="reference" x1="([\d.]+)"/.exec(svg)!;
    const [, zero] = /<rect [^>]*x="([\d.]+)"/.exec(svg)!;
    const scaled = [from, to].map((x) => (Number(x) - Number(zero)) / (Number(one) - Number(zero)));
    expect(scaled[0]).toBeCloseTo(0.25, 3);
    expect(scaled[1]).toBeCloseTo(0.75, 3);
  });

  it('keeps every bar inside the picture where a range exceeds the reference', () => {
    const wide = barChart({
      title: '',
      description: '',
      reference: 1,
      bars: [{ label: '', value: 1, text: '1.00', extremes: [0.5, 3] }],
    });
    const [, width] = /viewBox="0 0 (\d+) /.exec(wide)!;
    const ends = [...wide.matchAll(/x2="([\d.]+)"/g)].map(([, x]) => Number(x));
    expect(Math.max(...ends)).toBeLessThan(Number(width));
  });

  it('escapes what XML reads as markup', () => {
    expect(svg).toContain('>ours, cache: false, &lt;x&gt;</text>');
  });
});

it('names the file of a chart by its words', () => {
  expect(fileNameOf('One token', 'GET /notes, Express', 'node', '24')).toBe('one-token-get-notes-express-node-24.svg');
});
