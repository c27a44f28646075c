/** A token of TypeScript: neither white space nor a comment. */
export interface Token {
  /** Source text of the token. Strings include their quotes; a template or regular expression is one token. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const SPACE_OR_COMMENT = /(?:\s|\/\/.*|\/\*[\s\S]*?\*\/|^#!.*)*/uy;
const STRING_OR_WORD = /'(?:\\[\s\S]|[^'\\])*'|"(?:\\[\s\S]|[^"\\])*"|[\p{ID_Continue}$]+/uy;
const REGULAR_EXPRESSION = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/uy;

/** Words before an expression: a slash after them starts a regular expression. */
const BEFORE_EXPRESSION = new Set(
  'await case delete do else extends in instanceof new of return throw typeof void yield'.split(' '),
);

const OPENING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/**
 * Splits a text into tokens, so that comments, strings and line breaks cannot mislead edits. Does NOT check syntax.
 *
 * Does not use the compiler of the application: `typescript` may be version 7, which has no stable interface for programs.
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let token = nextToken(text, 0, undefined); token; token = nextToken(text, token.end, token)) tokens.push(token);
  return tokens;
}

/** The index of the bracket that closes the one at `open`; of the last token if it is missing. */
export function closingIndex(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    const { text } = tokens[index] as Token;
    if (text in OPENING) depth++;
    else if (isClosing(text) && --depth === 0) return index;
  }
  return tokens.length - 1;
}

/** The indexes of the tokens between two brackets, without those inside nested brackets. */
export function* directlyInside(tokens: readonly Token[], open: number): Generator<number> {
  const close = closingIndex(tokens, open);
  for (let index = open + 1; index < close; index++) {
    yield index;
    if ((tokens[index]?.text ?? '') in OPENING) index = closingIndex(tokens, index);
  }
}

/** Whether the tokens starting at `index` have these texts. */
export function reads(tokens: readonly Token[], index: number, ...texts: readonly string[]): boolean {
  return texts.every((text, offset) => tokens[index + offset]?.text === text);
}

/** The value of a string token, with escapes left as they are; undefined for other tokens. */
export function stringValue(token: Token | undefined): string | undefined {
  return /^(['"])([\s\S]*)\1$/.exec(token?.text ?? '')?.[2];
}

function nextToken(text: string, from: number, previous: Token | undefined): Token | undefined {
  const start = match(SPACE_OR_COMMENT, text, from) ?? from;
  if (start >= text.length) return undefined;
  const end =
    match(STRING_OR_WORD, text, start) ??
    (text[start] === '`' ? templateEnd(text, start) : undefined) ??
    (expectsExpression(previous) ? match(REGULAR_EXPRESSION, text, start) : undefined) ??
    start + 1;
  return { text: text.slice(start, end), start, end };
}

/** The end of the match that starts at `from`; undefined if there is none. */
function match(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function expectsExpression(previous: Token | undefined): boolean {
  if (previous === undefined || BEFORE_EXPRESSION.has(previous.text)) return true;
  return !/^[\p{ID_Continue}$'"`/]/u.test(previous.text) && !isClosing(previous.text);
}

function templateEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '`') return at + 1;
    if (text[at] === '\\') at++;
    else if (text.startsWith('${', at)) at = substitutionEnd(text, at + 1) - 1;
  }
  return text.length;
}

/** The end of a substitution in a template. It may contain other templates. */
function substitutionEnd(text: string, brace: number): number {
  let depth = 0;
  for (let token = nextToken(text, brace, undefined); token; token = nextToken(text, token.end, token)) {
    if (token.text === '{') depth++;
    else if (token.text === '}' && --depth === 0) return token.end;
  }
  return text.length;
}

const isClosing = (text: string): boolean => text === ')' || text === ']' || text === '}';
