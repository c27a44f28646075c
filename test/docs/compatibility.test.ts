import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';

interface Row {
  readonly id: string;
  readonly what: string;
  readonly expected: string;
  readonly seen: string;
  readonly ok: boolean;
  readonly result: 'works' | 'fails' | 'absent';
  readonly note?: string;
}

interface Result {
  readonly kind: 'product' | 'client';
  readonly name: string;
  readonly version: string;
  readonly variant?: string;
  readonly date: string;
  readonly node: string;
  readonly rows: readonly Row[];
}

interface Published extends Result {
  readonly command: string;
}

interface Results {
  readResults(folder?: URL): readonly Published[];
}

interface Page {
  compatibilityPage(results: readonly Published[]): string;
}

const lab = new URL('../../lab/compatibility/', import.meta.url);
const { readResults } = (await import(new URL('results.js', lab).href)) as Results;
const { compatibilityPage } = (await import(new URL('page.js', lab).href)) as Page;

describe('docs/compatibility.md', () => {
  it('is the page that "npm run lab:page" makes of the published results', async () => {
    const page = await readFile(new URL('../../docs/compatibility.md', import.meta.url), 'utf8');
    expect(page).toBe(compatibilityPage(readResults()));
  });

  it('shows no run that saw something unexpected', () => {
    const unexpected = readResults().flatMap(({ name, rows }) =>
      rows.filter(({ ok }) => !ok).map(({ id }) => [name, id]),
    );
    expect(unexpected).toEqual([]);
  });
});

describe('the page of results', () => {
  const row = (id: string, result: Row['result'], note?: string): Row => ({
    id,
    what: `what ${id} is`,
    expected: '200',
    seen: '200',
    ok: true,
    result,
    ...(note !== undefined && { note }),
  });
  const result = (kind: Result['kind'], name: string, rows: readonly Row[], variant?: string): Published => ({
    kind,
    name,
    version: '1.0',
    date: '2026-11-30',
    node: '20.20.2',
    command: 'npm run lab -- one',
    rows,
    ...(variant !== undefined && { variant }),
  });

  it('has a line for each thing that a product was tried with', () => {
    const page = compatibilityPage([
      result('product', 'One', [row('a', 'works'), row('c', 'fails', 'Because.')]),
      result('product', 'Two', [row('a', 'absent'), row('b', 'works'), row('c', 'works')]),
    ]);
    expect(page).toContain('| | One | Two |');
    const lines = page.split('\n').filter((line) => /^\| what [abc] is \| .* \|$/.test(line));
    expect(lines.slice(0, 3)).toEqual(['| what a is | ✓ | – |', '| what b is | | ✓ |', '| what c is | ✗ | ✓ |']);
    expect(page).toContain('| what c is | ✗ | 200. Because. |');
    expect(page).toContain('| Two | 1.0 | 2026-11-30 | 20.20.2 | `npm run lab -- one` |');
  });

  it('has a line for each version, and each protocol, of a client', () => {
    const page = compatibilityPage([
      result('client', 'mcp', [row('sign-in', 'works')], '2025-11-25'),
      result('client', 'mcp', [row('sign-in', 'works'), row('step-up', 'fails', 'It refreshes.')], '2026-07-28'),
    ]);
    expect(page).toContain('| client | version | protocol | sign-in | step-up | date | Node | command |');
    expect(page).toContain('| mcp | 1.0 | 2025-11-25 | ✓ | | 2026-11-30 | 20.20.2 | `npm run lab -- one` |');
    expect(page).toContain('| mcp | 1.0 | 2026-07-28 | ✓ | ✗ | 2026-11-30 | 20.20.2 | `npm run lab -- one` |');
    expect(page).toContain('- mcp 1.0 (2026-07-28), step-up: It refreshes.');
  });

  it('shows what a server said as text, whatever it contains', () => {
    const page = compatibilityPage([
      result('product', 'A|B', [
        { ...row('a', 'fails', 'See [x](y).'), seen: 'error="a|b" <script>\n[x](y) `code` {{ 1 }}' },
      ]),
    ]);
    expect(page).toContain(
      String.raw`error="a\|b" &lt;script> \[x\](y) ` + String.raw`\`code\` \{\{ 1 \}\}. See [x](y). |`,
    );
    expect(page).toContain(String.raw`| | A\|B |`);
  });
});

describe('a file of results', () => {
  it('has the name that the command takes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'results-'));
    const one = { name: 'One', version: '1.0', date: '2026-11-30', node: '20.20.2', rows: [] };
    try {
      await writeFile(join(folder, 'one.json'), JSON.stringify({ kind: 'product', ...one }));
      await writeFile(join(folder, 'clients-one.json'), JSON.stringify([{ kind: 'client', ...one }]));
      expect(readResults(pathToFileURL(`${folder}/`)).map(({ command }) => command)).toEqual([
        'npm run lab -- one',
        'npm run lab -- client:one',
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    [{ kind: 'product' }, 'must be an object with a list "rows"'],
    [{ kind: 'server', rows: [] }, 'kind must be one of product, client; name must be a text that is not empty'],
    [{ kind: 'client', rows: [{ id: 'a', passed: true }] }, 'rows[0]: there is no member "passed"'],
    [{ kind: 'client', rows: [{ id: 'a' }, { id: 'a' }] }, 'the id "a" occurs twice'],
  ])('of another form is refused: %j', async (content, problem) => {
    const folder = await mkdtemp(join(tmpdir(), 'results-'));
    try {
      await writeFile(join(folder, 'x.json'), JSON.stringify(content));
      expect(() => readResults(pathToFileURL(`${folder}/`))).toThrow(problem);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
