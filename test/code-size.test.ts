import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { parseSync } from '@swc/core';

/** Most lines of a file, and of a function from its name to its last brace. */
const MAX_FILE_LINES = 300;
const MAX_FUNCTION_LINES = 45;

/** Half of all functions have no more lines than this. */
const MAX_MEDIAN_LINES = 7;

interface MeasuredFunction {
  readonly name: string;
  readonly lines: number;
}

/** The members of a syntax node of swc that tell a function. */
interface Node {
  readonly type?: string;
  readonly span?: { readonly start: number; readonly end: number };
  readonly body?: { readonly stmts?: unknown } | null;
  readonly function?: { readonly body?: { readonly stmts?: unknown } | null };
  readonly [named: string]: unknown;
}

/** Under which member a syntax node has its name. */
const NAMING_MEMBERS = ['identifier', 'key', 'id'];

const FUNCTION_TYPES: ReadonlySet<unknown> = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
  'GetterProperty',
  'SetterProperty',
]);

/**
 * The functions with a body in braces. Arrow functions that are one expression, and signatures without a body, are left out:
 * they would hide the others in the median.
 */
function functionsIn(source: string): MeasuredFunction[] {
  const bytes = Buffer.from(source);
  const found: MeasuredFunction[] = [];
  const visit = (value: unknown, outer: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const node = value as Node;
    const name = nameOf(node) ?? outer;
    if (FUNCTION_TYPES.has(node.type) && hasStatements(node)) found.push({ name, lines: linesOf(node, bytes) });
    for (const [member, inner] of Object.entries(node)) if (member !== 'span') visit(inner, name);
  };
  visit(parseSync(source, { syntax: 'typescript', decorators: true, target: 'es2023' }).body, '');
  return found;
}

function hasStatements(node: Node): boolean {
  return (node.body ?? node.function?.body)?.stmts !== undefined;
}

/** By its place in the source: swc counts bytes from 1. */
function linesOf({ span }: Node, source: Buffer): number {
  if (!span) throw new Error('swc gave no place for a function');
  return source
    .subarray(span.start - 1, span.end - 1)
    .toString()
    .split('\n').length;
}

function nameOf(node: Node): string | undefined {
  const named = NAMING_MEMBERS.map((member) => node[member] as { readonly value?: unknown } | null | undefined);
  return named.map((one) => one?.value).find((value) => typeof value === 'string');
}

const root = fileURLToPath(new URL('..', import.meta.url));
const files = readdirSync(join(root, 'lib'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name))
  .map((path) => ({ file: relative(root, path).split(sep).join('/'), source: readFileSync(path, 'utf8') }));
const functions = files.flatMap(({ file, source }) =>
  functionsIn(source).map(({ name, lines }) => ({ what: `${file}: ${name}`, lines })),
);

it(`no file of lib has more than ${MAX_FILE_LINES} lines`, () => {
  const sizes = files.map(({ file, source }) => ({ file, lines: source.trimEnd().split('\n').length }));
  expect(sizes.filter(({ lines }) => lines > MAX_FILE_LINES)).toEqual([]);
});

it(`no function of lib has more than ${MAX_FUNCTION_LINES} lines`, () => {
  expect(functions.filter(({ lines }) => lines > MAX_FUNCTION_LINES)).toEqual([]);
});

it(`half of the functions of lib have ${MAX_MEDIAN_LINES} lines or less`, () => {
  expect(functions.length).toBeGreaterThan(1_000);
  const sorted = functions.map(({ lines }) => lines).toSorted((one, other) => one - other);
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(MAX_MEDIAN_LINES);
});

it('measures functions of every form, whatever characters stand before them', () => {
  const source = [
    '// Übergröße',
    'export function first(): number {',
    '  return 1;',
    '}',
    'abstract class Example {',
    '  constructor(private readonly a: number) {}',
    '  get size(): number {',
    '    return this.a;',
    '  }',
    '  async #hidden(',
    '    b: number,',
    '  ): Promise<void> {',
    '    for (;;) {',
    '      await b;',
    '    }',
    '  }',
    '  abstract signature(): void;',
    '}',
    'const arrow = () => {',
    '  first();',
    '};',
    'const expression = () => first();',
  ].join('\n');
  expect(functionsIn(source)).toEqual([
    { name: 'first', lines: 3 },
    { name: 'constructor', lines: 1 },
    { name: 'size', lines: 3 },
    { name: 'hidden', lines: 7 },
    { name: 'arrow', lines: 3 },
  ]);
});
