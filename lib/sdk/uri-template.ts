import { McpAuthConfigError } from '../core/error.js';
import { plainTemplate } from '../handlers/uri-template.js';

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
  const pattern = plainTemplate(template);
  if (!pattern || pattern.isFixed) throw unusable(template);
  return {
    uriTemplate: {
      variableNames: pattern.names,
      match: (uri) => pattern.match(uri) ?? null,
      toString: () => template,
    },
    listCallback: undefined,
    completeCallback: () => undefined,
  };
}

function unusable(template: string): McpAuthConfigError {
  const why = 'only {name} and {+name} are understood here, each name once';
  const write = "Pass a ResourceTemplate of the SDK, or write uriTemplate: 'notes://{owner}/{id}'";
  return new McpAuthConfigError([
    { option: '@McpResource({ uriTemplate })', seen: JSON.stringify(template), why, write },
  ]);
}
