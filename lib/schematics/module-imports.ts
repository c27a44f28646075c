import { beginsLine, indentationAt, layoutOf, lineStart, replaceBetween } from './layout.js';
import { SchematicError } from './schematic-error.js';
import { closingIndex, directlyInside, reads, stringValue, tokenize, type Token } from './tokens.js';

const BY_HAND = 'Add these to its imports by hand:';

/**
 * Adds expressions at the start of `imports` in the decorator of a module class, as source code.
 * @param className undefined if the file has only one module
 * @throws {SchematicError} if the class is missing, or its imports are not a list inside the decorator
 */
export function addToModuleImports(
  text: string,
  className: string | undefined,
  expressions: readonly string[],
): string {
  if (expressions.length === 0) return text;
  const tokens = tokenize(text);
  const call = moduleDecorators(tokens).filter((found) => className === undefined || found.className === className);
  const [decorator] = call;
  if (decorator === undefined || call.length > 1) throw unclearModule(className, call.length);
  const metadata = decorator.parenthesis + 1;
  const { step } = layoutOf(text);
  const asProperty = `imports: [\n${expressions.map((expression) => `${step}${expression},\n`).join('')}]`;
  if (reads(tokens, metadata, ')')) {
    const { end } = tokens[decorator.parenthesis] as Token;
    return replaceBetween(
      text,
      end,
      end,
      withLineEnds(text, `{\n${step}${asProperty.replaceAll('\n', `\n${step}`)},\n}`),
    );
  }
  if (!reads(tokens, metadata, '{'))
    throw notLiteral('The decorator of the root module has no object literal.', expressions);
  const list = importsList(tokens, metadata, expressions);
  return list === undefined ? prepend(text, tokens, metadata, [asProperty]) : prepend(text, tokens, list, expressions);
}

interface ModuleDecorator {
  /** Index of the `(` of `@Module(`. */
  readonly parenthesis: number;
  readonly className: string | undefined;
}

function moduleDecorators(tokens: readonly Token[]): ModuleDecorator[] {
  return tokens.flatMap((_, index) => {
    if (!reads(tokens, index, '@', 'Module', '(')) return [];
    return [{ parenthesis: index + 2, className: decoratedClass(tokens, closingIndex(tokens, index + 2) + 1) }];
  });
}

function decoratedClass(tokens: readonly Token[], from: number): string | undefined {
  const index = decoratedClassIndex(tokens, from);
  return index === undefined ? undefined : tokens[index + 1]?.text;
}

/** The index of the `class` that a decorator is for. Other decorators and modifiers may precede it. */
export function decoratedClassIndex(tokens: readonly Token[], from: number): number | undefined {
  for (let index = from; index < tokens.length; index++) {
    const { text } = tokens[index] as Token;
    if (text === 'class') return index;
    if (text === '(') index = closingIndex(tokens, index);
    else if (text === ';' || text === '{') return undefined;
  }
  return undefined;
}

/** The index of the `[` in `imports: [`; undefined if there is no such property. */
function importsList(tokens: readonly Token[], brace: number, expressions: readonly string[]): number | undefined {
  const end = closingIndex(tokens, brace);
  for (const index of directlyInside(tokens, brace)) {
    const isName = tokens[index]?.text === 'imports' || stringValue(tokens[index]) === 'imports';
    const isProperty = index - 1 === brace || reads(tokens, index - 1, ',');
    if (!isName || !isProperty) continue;
    const open = index + 2;
    const after = reads(tokens, index + 1, ':', '[') ? closingIndex(tokens, open) + 1 : undefined;
    if (after === end || (after !== undefined && reads(tokens, after, ','))) return open;
    throw notLiteral('The imports of the root module are not a plain list in its decorator.', expressions);
  }
  return undefined;
}

/** Adds entries at the start of a list in brackets or braces, each on its own line if the list has several lines. */
function prepend(text: string, tokens: readonly Token[], open: number, entries: readonly string[]): string {
  const close = closingIndex(tokens, open);
  const [opening, first, last, closing] = [open, open + 1, close - 1, close].map((at) => tokens[at] as Token) as [
    Token,
    Token,
    Token,
    Token,
  ];
  const { step } = layoutOf(text);
  const outer = indentationAt(text, opening.start);
  const lines = (indentation: string): string =>
    entries.map((entry) => `${indentation}${entry.replaceAll('\n', `\n${indentation}`)},\n`).join('');

  const inner = text.slice(opening.end, closing.start);
  if (!inner.includes('\n')) {
    const rest =
      inner.trim() === '' ? '' : `${outer}${step}${inner.trim()}${close > open + 1 && last.text !== ',' ? ',' : ''}\n`;
    return replaceBetween(
      text,
      opening.end,
      closing.start,
      withLineEnds(text, `\n${lines(outer + step)}${rest}${outer}`),
    );
  }
  if (beginsLine(text, first.start)) {
    const at = lineStart(text, first.start);
    return replaceBetween(
      text,
      at,
      at,
      withLineEnds(text, lines(first === closing ? outer + step : indentationAt(text, first.start))),
    );
  }
  return replaceBetween(text, first.start, first.start, withLineEnds(text, `\n${lines(outer + step)}${outer}${step}`));
}

const withLineEnds = (text: string, addition: string): string => addition.replaceAll('\n', layoutOf(text).lineEnd);

function unclearModule(className: string | undefined, found: number): SchematicError {
  const what = className === undefined ? 'class with @Module()' : `class ${className} with @Module()`;
  return new SchematicError(
    `The file of the root module has no single ${what}, but ${found}.`,
    'Say which file declares it: --module=src/app.module.ts',
  );
}

const notLiteral = (seen: string, expressions: readonly string[]): SchematicError =>
  new SchematicError(seen, `${BY_HAND}\n${expressions.map((expression) => `  ${expression},`).join('\n')}`);
