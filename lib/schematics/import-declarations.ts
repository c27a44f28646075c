import { layoutOf, replaceBetween } from './layout.js';
import { closingIndex, directlyInside, reads, stringValue, tokenize, type Token } from './tokens.js';

/** A name that a declaration binds. */
export interface ImportedName {
  /** The name in the other module. */
  readonly imported: string;
  readonly local: string;
}

export interface ImportDeclaration {
  readonly specifier: string;
  readonly names: readonly ImportedName[];
  /** Index of the `{` before the names; undefined if there is none, or for an import of types. */
  readonly braceIndex: number | undefined;
  /** Position after the declaration and its semicolon. */
  readonly end: number;
}

/** The static imports of a file. */
export function importDeclarations(tokens: readonly Token[]): ImportDeclaration[] {
  return tokens.flatMap((token, index) => {
    if (token.text !== 'import' || /^[(.]$/.test(tokens[index + 1]?.text ?? '') || reads(tokens, index - 1, '.'))
      return [];
    const at = tokens.findIndex((candidate, position) => position > index && stringValue(candidate) !== undefined);
    if (at === -1) return [];
    const brace = tokens.findIndex(
      (candidate, position) => position > index && position < at && candidate.text === '{',
    );
    const isTypes = reads(tokens, index + 1, 'type') && !reads(tokens, index + 2, 'from');
    return [
      {
        specifier: stringValue(tokens[at]) ?? '',
        names: [...defaultName(tokens, index), ...(brace === -1 ? [] : namesIn(tokens, brace))],
        braceIndex: brace === -1 || isTypes ? undefined : brace,
        end: (tokens[at + 1]?.text === ';' ? tokens[at + 1] : tokens[at])?.end ?? 0,
      },
    ];
  });
}

/** Imports the names that are not imported yet: in an existing import from there, else in a new one after the last import. */
export function addNamedImports(text: string, names: readonly string[], specifier: string): string {
  const tokens = tokenize(text);
  const declarations = importDeclarations(tokens);
  const present = declarations.filter((declaration) => declaration.specifier === specifier);
  const missing = names.filter(
    (name) => !present.some((declaration) => declaration.names.some(({ local }) => local === name)),
  );
  if (missing.length === 0) return text;
  const open = present.find(({ braceIndex }) => braceIndex !== undefined)?.braceIndex;
  if (open !== undefined) return addToBraces(text, tokens, open, missing);
  const { lineEnd } = layoutOf(text);
  const line = `import { ${missing.join(', ')} } from '${specifier}';`;
  const after = declarations.at(-1)?.end;
  if (after !== undefined) return replaceBetween(text, after, after, lineEnd + line);
  const start = tokens[0]?.start ?? text.length;
  return replaceBetween(text, start, start, line + lineEnd);
}

function addToBraces(text: string, tokens: readonly Token[], open: number, names: readonly string[]): string {
  const close = closingIndex(tokens, open);
  const [opening, last, closing] = [open, close - 1, close].map((index) => tokens[index] as Token) as [
    Token,
    Token,
    Token,
  ];
  const { step, lineEnd } = layoutOf(text);
  const isMultiline = text.slice(opening.end, closing.start).includes('\n');
  const separator = isMultiline ? lineEnd + step : ' ';
  const endsWithComma = last.text === ',';
  const start = endsWithComma || last === opening ? '' : ',';
  return replaceBetween(
    text,
    last.end,
    last.end,
    start + separator + names.join(`,${separator}`) + (endsWithComma ? ',' : ''),
  );
}

function defaultName(tokens: readonly Token[], importIndex: number): ImportedName[] {
  const local = tokens[importIndex + 1]?.text ?? '';
  const isDefault = /^[\p{ID_Start}$_]/u.test(local) && /^(?:from|,)$/.test(tokens[importIndex + 2]?.text ?? '');
  return isDefault ? [{ imported: 'default', local }] : [];
}

function namesIn(tokens: readonly Token[], brace: number): ImportedName[] {
  const names: ImportedName[] = [];
  let words: string[] = [];
  for (const index of [...directlyInside(tokens, brace), closingIndex(tokens, brace)]) {
    const { text } = tokens[index] as Token;
    if (text !== ',' && text !== '}') {
      words.push(text);
      continue;
    }
    const [imported, local] =
      words.length > 1 && words[0] === 'type' && words[1] !== 'as' ? words.slice(1) : [words[0], words[2]];
    if (imported !== undefined) names.push({ imported, local: local ?? imported });
    words = [];
  }
  return names;
}
