import { McpAuthConfigError } from '../core/error.js';

/** What both versions of the SDK read of a `ResourceTemplate`; theirs have this form. */
export interface SdkResourceTemplate {
  /** The template itself. */
  readonly uriTemplate: {
    /** In the order in which they stand in the template. */
    readonly variableNames: string[];
    /** The values of the variables in a URI; null for one that does not match. */
    match(uri: string): Record<string, string | string[]> | null;
    /** As it was written. */
    toString(): string;
  };
  /** Lists the resources that the template describes; undefined where it can't. */
  readonly listCallback: unknown;
  /** What completes this variable; undefined where nothing does. */
  completeCallback(variable: string): unknown;
}

const EXPRESSION = /\{([^}]*)\}/;
const VARIABLE = /^(\+?)([A-Za-z_][\w.]*)$/;

/**
 * A resource template for the SDK, written as `notes://{owner}/{id}`: `{name}` stands for one or more characters
 * without `/`, `?` and `#`, `{+name}` for one or more of any kind. The values are what stands in the URI, not decoded.
 *
 * Lists no resources and completes nothing: for these, and for the other forms of RFC 6570, there is the SDK's own
 * `ResourceTemplate`.
 *
 * @throws {McpAuthConfigError} for a template of another form.
 */
export function resourceTemplate(template: string): SdkResourceTemplate {
  const { pattern, names } = compile(template);
  return {
    uriTemplate: {
      variableNames: names,
      match: (uri) => variablesOf(pattern.exec(uri), names),
      toString: () => template,
    },
    listCallback: undefined,
    completeCallback: () => undefined,
  };
}

function compile(template: string): { pattern: RegExp; names: string[] } {
  const names: string[] = [];
  // Split by a pattern with one group: what stands at odd places is what the group caught.
  const parts = template.split(EXPRESSION).map((part, index) => {
    if (index % 2 === 0) return literal(part, template);
    const [, reserved, name] = VARIABLE.exec(part) ?? [];
    if (name === undefined || names.includes(name)) throw unusable(template);
    names.push(name);
    return reserved ? '(.+)' : '([^/?#]+)';
  });
  if (names.length === 0) throw unusable(template);
  return { pattern: new RegExp(`^${parts.join('')}$`, 's'), names };
}

function literal(text: string, template: string): string {
  if (/[{}]/.test(text)) throw unusable(template);
  return text.replace(/[\\^$.*+?()[\]|/-]/g, String.raw`\$&`);
}

function variablesOf(match: RegExpExecArray | null, names: readonly string[]): Record<string, string> | null {
  if (!match) return null;
  return Object.fromEntries(names.map((name, index) => [name, match[index + 1] ?? '']));
}

function unusable(template: string): McpAuthConfigError {
  const why = 'only {name} and {+name} are understood here, each name once';
  const write = "Pass a ResourceTemplate of the SDK, or write uriTemplate: 'notes://{owner}/{id}'";
  return new McpAuthConfigError([{ option: '@McpResource({ uriTemplate })', seen: JSON.stringify(template), why, write }]);
}
