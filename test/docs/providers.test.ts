import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import * as library from 'nestjs-mcp-auth';
import { PRODUCTS } from '../../lib/products/known-products.js';
import type { Product, ProductFacts } from '../../lib/products/product.js';

const PRODUCT_FILES = new URL('../../lib/products/', import.meta.url);
const page = await readFile(new URL('../../docs/providers.md', import.meta.url), 'utf8');

/** The sections of the page that are about no product. */
const GENERAL_SECTIONS: ReadonlySet<string> = new Set([
  'What each product supports',
  'Tokens for other APIs',
  'By their issuer',
]);

const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.split('\n', 1)[0]!, section]),
);

/** The facts in the order of the columns, each with the head of its column. */
const COLUMNS: Readonly<Record<Exclude<keyof ProductFacts, 'edition'>, string>> = {
  metadata: 'metadata',
  pkce: 'PKCE S256 advertised',
  dynamicRegistration: 'dynamic registration',
  clientMetadataDocuments: 'client ID metadata documents',
  resourceIndicators: 'resource indicators (RFC 8707)',
  responseIssuer: '`iss` in responses (RFC 9207)',
  accessToken: 'access token',
  tokenType: '`typ`',
  introspection: 'introspection (RFC 7662)',
};

function rowOf({ name, facts }: Product): string {
  const link = `[${name}](#${name.toLowerCase().replaceAll(' ', '-')})`;
  const columns = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];
  return line([
    facts.edition === undefined ? link : `${link} ${facts.edition}`,
    ...columns.map((column) => facts[column]),
  ]);
}

/** The row of a product in the table of tokens for other APIs; none for a product without such a grant. */
function downstreamRowOf({ name, downstream, advice }: Product): string[] {
  if (!downstream) return [];
  const { grant, see, target } = downstream;
  return [line([`${name} ([documentation](${see}))`, `\`${grant}\``, target, advice.exchange ?? ''])];
}

function line(cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === '' ? ' |' : ` ${cell} |`)).join('')}`;
}

describe('docs/providers.md', () => {
  it('has a table with the facts of each product, in the order of the products', () => {
    expect(page).toContain(line(['', ...Object.values(COLUMNS)]));
    const rows = page.split('\n').filter((text) => text.startsWith('| ['));
    expect(rows).toEqual(PRODUCTS.map(rowOf));
  });

  it('has a table with the grants for tokens of other APIs, in the order of the products', () => {
    const rows = sections
      .get('Tokens for other APIs')!
      .split('\n')
      .filter((text) => /^\| \w/.test(text));
    expect(rows).toEqual(PRODUCTS.flatMap(downstreamRowOf));
  });

  it('has a section for each product, in the same order, and none for another', () => {
    const ofProducts = [...sections.keys()].filter((heading) => !GENERAL_SECTIONS.has(heading));
    expect(ofProducts).toEqual(PRODUCTS.map(({ name }) => name));
  });

  it.each(PRODUCTS)('calls the preset in the section of $name', ({ name, preset }) => {
    const code = new RegExp(`^\`\`\`ts\\n[^\`]*\\b${preset.name}\\(`, 'm');
    const mentioned = new RegExp(`\`${preset.name}\\(\\)\` throws`);
    expect(sections.get(name)).toMatch(preset === library.google ? mentioned : code);
  });
});

describe('lib/products', () => {
  it('has no description of a product that is not in the list', async () => {
    const files = (await readdir(PRODUCT_FILES)).filter((name) => name.endsWith('.ts'));
    const modules = (await Promise.all(files.map((name) => import(new URL(name, PRODUCT_FILES).href)))) as Record<
      string,
      unknown
    >[];
    const described = modules.flatMap((module) => Object.values(module).filter(isProduct));
    expect(described.map(({ name }) => name).toSorted()).toEqual(PRODUCTS.map(({ name }) => name).toSorted());
  });

  it.each(PRODUCTS)('has a preset of $name that the package exports', ({ preset }) => {
    expect(library).toHaveProperty(preset.name, preset);
  });

  it('says of each product with a grant for other APIs what it needs, and where that is documented', () => {
    const exchanging = PRODUCTS.filter(({ downstream }) => downstream !== undefined);
    for (const { advice, downstream } of exchanging) {
      expect(advice.exchange).toMatch(/^[a-z]/);
      expect(downstream!.see).toMatch(/^https:\/\/[\w./#-]+$/);
    }
    expect(PRODUCTS.filter(({ advice }) => advice.exchange !== undefined)).toEqual(exchanging);
  });

  // What the page calls a problem, the log and the doctor must know how to solve.
  it.each<[fact: string, of: keyof ProductFacts, pattern: RegExp, topic: keyof Product['advice']]>([
    ['does not advertise PKCE', 'pkce', /^no/, 'pkce'],
    ['lists "plain"', 'pkce', /plain/, 'pkcePlain'],
    ['names itself in responses only if told to', 'responseIssuer', /opt-in|differs/, 'responseIssuer'],
    ['introspects for some clients only', 'introspection', /for clients/, 'introspection'],
  ])('has advice on each product that %s', (_fact, of, pattern, topic) => {
    const affected = PRODUCTS.filter(({ facts }) => pattern.test(facts[of] ?? ''));
    const advised = PRODUCTS.filter(({ advice }) => advice[topic] !== undefined);
    expect(affected.length).toBeGreaterThan(0);
    expect(advised.map(({ name }) => name)).toEqual(affected.map(({ name }) => name));
  });
});

function isProduct(value: unknown): value is Product {
  return typeof value === 'object' && value !== null && 'facts' in value && 'preset' in value;
}
