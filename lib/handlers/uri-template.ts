import { UriPattern, type Part, type Variables } from './uri-pattern.js';
import { folded, withoutScheme } from './resource-uri.js';

/** An expression of a template, or what stands between two of them. */
const EXPRESSION = /\{([^}]*)\}/;

/** What the bridge of this library understands: `{name}` and `{+name}`. */
const PLAIN_VARIABLE = /^(\+?)([A-Za-z_][\w.]*)$/;

/** The syntax of `path-to-regexp`: an escaped character, `:name` or `*name`, and a group that may be there or not. */
const PATH_EXPRESSION = /\\(.)|([:*])([$_\p{ID_Start}][$\u200c\u200d\p{ID_Continue}]*)|\{[^}]*\}/gsu;

/**
 * A template as both versions of the official SDK read it; they match it against the URI in normal form. Values are what
 * stands in the URI.
 */
export function sdkTemplate(template: string): UriPattern {
  return new UriPattern(pieces(template).flatMap((piece, index) => (index % 2 === 0 ? [piece] : sdkExpression(piece))));
}

/**
 * A template as the bridge of `nestjs-mcp-auth/sdk` reads one that is given to it as text: `{name}` stands for one or more
 * characters without `/`, `?` and `#`, `{+name}` for one or more of any kind. Values are what stands in the URI.
 *
 * @returns undefined for a template of another form
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

/** What `@rekog/mcp-nest` makes of a URI that matches. */
export interface NestMatch {
  /** Decoded, with those of the query; undefined where the framework fails to decode them. */
  readonly variables: Variables | undefined;
}

/**
 * A URI or a template as `@rekog/mcp-nest` reads both: without the scheme, whatever the case, with or without a slash at the
 * end, and without the query. It hands them to `path-to-regexp`, so that `:name` and `*name` stand for values, too.
 */
export class NestTemplate {
  readonly #pattern: UriPattern;
  readonly #queryNames: readonly string[];

  constructor(template: string) {
    this.#pattern = new UriPattern(pathParts(pathOf(template)));
    const [, names] = /\{\?([^}]+)\}/.exec(template) ?? [];
    this.#queryNames = names === undefined ? [] : names.split(',').map((name) => name.trim());
  }

  /** Without values, it stands for one URI, in its spellings. */
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
    return this.#pattern.match(folded(path), path);
  }
}

/** Texts at even places, and what stands in braces at odd ones. */
function pieces(template: string): string[] {
  // Split by a pattern with one group: what stands at odd places is what the group caught.
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

/** The template as `path-to-regexp` gets it. */
function pathOf(template: string): string {
  return withoutScheme(template)
    .replace(/\{\?[^}]+\}/g, '')
    .replace(/\{(\w+)\*\}/g, '*$1')
    .replace(/\{(\w+)\}/g, ':$1');
}

function pathParts(path: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const found of path.matchAll(PATH_EXPRESSION)) {
    const [text, escaped, sign, name] = found;
    parts.push(folded(path.slice(at, found.index)));
    if (escaped !== undefined) parts.push(folded(escaped));
    else if (name === undefined) parts.push({ name: undefined, excluded: '', isOptional: true });
    else parts.push({ name, excluded: sign === ':' ? '/' : '' });
    at = found.index + text.length;
  }
  return [...parts, folded(path.slice(at))];
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
