import { UriPattern, type Part, type Variables } from './uri-pattern.js';
import { foldCase, withoutScheme } from './resource-uri.js';

/** An expression of a template, with its content as the only group. */
const EXPRESSION = /\{([^}]*)\}/;

/** The expressions that the bridge of this library reads: `{name}` and `{+name}`. */
const PLAIN_VARIABLE = /^(\+?)([A-Za-z_][\w.]*)$/;

/** The syntax of `path-to-regexp`: an escaped character, `:name` or `*name`, and an optional group. */
const PATH_EXPRESSION = /\\(.)|([:*])([$_\p{ID_Start}][$\u200c\u200d\p{ID_Continue}]*)|\{[^}]*\}/gsu;

/**
 * Reads a template as both versions of the official SDK do, which match it against the URI in normal form. Values are not
 * decoded.
 */
export function sdkTemplate(template: string): UriPattern {
  return new UriPattern(pieces(template).flatMap((piece, index) => (index % 2 === 0 ? [piece] : sdkExpression(piece))));
}

/**
 * Reads a template as the bridge of `nestjs-mcp-auth/sdk` reads a text: `{name}` matches one or more characters other than
 * `/`, `?` and `#`, `{+name}` one or more of any kind. Values are not decoded.
 *
 * @returns undefined for a template with other syntax
 */
export function plainTemplate(template: string): UriPattern | undefined {
  const names: string[] = [];
  const parts: Part[] = [];
  for (const [index, piece] of pieces(template).entries()) {
    if (index % 2 === 0) {
      if (/[{}]/.test(piece)) return undefined;
      parts.push(piece);
      continue;
    }
    const [, reserved, name] = PLAIN_VARIABLE.exec(piece) ?? [];
    if (name === undefined || names.includes(name)) return undefined;
    names.push(name);
    parts.push({ name, excluded: reserved ? '' : '/?#' });
  }
  return new UriPattern(parts);
}

/** A URI that `@rekog/mcp-nest` matches. */
export interface NestMatch {
  /** The decoded values, with those of the query; undefined if the framework fails to decode them. */
  readonly variables: Variables | undefined;
}

/**
 * A URI or template as `@rekog/mcp-nest` reads both: it ignores the scheme, the case, a slash at the end and the query. It
 * passes them to `path-to-regexp`, where `:name` and `*name` match values, too.
 */
export class NestTemplate {
  readonly #pattern: UriPattern;
  readonly #queryNames: readonly string[];

  constructor(template: string) {
    this.#pattern = new UriPattern(pathParts(pathOf(template)));
    const [, names] = /\{\?([^}]+)\}/.exec(template) ?? [];
    this.#queryNames = names === undefined ? [] : names.split(',').map((name) => name.trim());
  }

  /** Whether the template has no variables, and so matches the spellings of one URI only. */
  get isFixed(): boolean {
    return this.#pattern.isFixed && this.#queryNames.length === 0;
  }

  match(uri: string): NestMatch | undefined {
    const path = withoutQuery(withoutScheme(uri));
    const variables = this.#matchPath(path) ?? (path.endsWith('/') ? this.#matchPath(path.slice(0, -1)) : undefined);
    if (!variables) return undefined;
    try {
      const decoded = Object.entries(variables).map(([name, value]) => [name, decodeURIComponent(String(value))]);
      const query = Object.entries(queryOf(uri)).filter(([name]) => this.#queryNames.includes(name));
      return { variables: Object.fromEntries([...decoded, ...query]) as Variables };
    } catch {
      return { variables: undefined };
    }
  }

  #matchPath(path: string): Variables | undefined {
    return this.#pattern.match(foldCase(path), path);
  }
}

/** The fixed texts of a template at even indexes, the content of its expressions at odd ones. */
function pieces(template: string): string[] {
  // `split` also returns what the group of the pattern matched, after each text.
  return template.split(EXPRESSION);
}

function sdkExpression(expression: string): Part[] {
  const operator = /^[+#./?&]/.exec(expression)?.[0] ?? '';
  const isList = expression.includes('*');
  const names = expression
    .slice(operator.length)
    .split(',')
    .map((name) => name.replace('*', '').trim())
    .filter(Boolean);
  const [name] = names;
  const items = { excluded: isList ? '/' : '/,', isList, hasNoEmptyItem: isList };
  switch (operator) {
    case '?':
    case '&':
      return names.flatMap((one, index) => [
        `${index === 0 ? operator : '&'}${one}=`,
        { name: one, excluded: '&', isList },
      ]);
    case '+':
    case '#':
      return [{ name, excluded: '', isList }];
    case '.':
      return ['.', { name, excluded: '/,', isList }];
    case '/':
      return ['/', { name, ...items }];
    default:
      return [{ name, ...items }];
  }
}

/** The template as the framework passes it to `path-to-regexp`. */
function pathOf(template: string): string {
  return withoutScheme(template)
    .replace(/\{\?[^}]+\}/g, '')
    .replace(/\{(\w+)\*\}/g, '*$1')
    .replace(/\{(\w+)\}/g, ':$1');
}

function pathParts(path: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const match of path.matchAll(PATH_EXPRESSION)) {
    const [text, escaped, sign, name] = match;
    parts.push(foldCase(path.slice(at, match.index)));
    if (escaped !== undefined) parts.push(foldCase(escaped));
    else if (name === undefined) parts.push({ name: undefined, excluded: '', isOptional: true });
    else parts.push({ name, excluded: sign === ':' ? '/' : '' });
    at = match.index + text.length;
  }
  return [...parts, foldCase(path.slice(at))];
}

function withoutQuery(text: string): string {
  const end = text.indexOf('?');
  return end === -1 ? text : text.slice(0, end);
}

function queryOf(uri: string): Record<string, string> {
  const start = uri.indexOf('?');
  if (start === -1) return {};
  const pairs = uri
    .slice(start + 1)
    .split('&')
    .map((pair) => pair.split('='));
  return Object.fromEntries(
    pairs.flatMap(([name, value]) => {
      return name ? [[decodeURIComponent(name), value ? decodeURIComponent(value) : '']] : [];
    }),
  ) as Record<string, string>;
}
