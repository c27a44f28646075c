import { McpAuthConfigError } from '../core/error.js';
import { plainTemplate } from '../handlers/uri-template.js';

/** The members of `ResourceTemplate` that both versions of the SDK read. */
export interface SdkResourceTemplate {
  /** The template itself. */
  readonly uriTemplate: {
    /** In the order of the template. */
    readonly variableNames: string[];
    /** The values of the variables in a URI; null for one that does not match. */
    match(uri: string): Record<string, string | string[]> | null;
    /** As it was written. */
    toString(): string;
  };
  /** Lists the resources that the template describes; undefined if it cannot. */
  readonly listCallback: unknown;
  /** The function that completes this variable; undefined if there is none. */
  completeCallback(variable: string): unknown;
}

/**
 * A resource template for the SDK, written as `notes://{owner}/{id}`: `{name}` matches one or more characters except
 * `/`, `?` and `#`; `{+name}` matches one or more of any characters. The values are not decoded.
 *
 * Does NOT list resources or complete variables. For these, and for the other forms of RFC 6570, use `ResourceTemplate`
 * of the SDK.
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
  const why = 'only {name} and {+name} are supported here, each name once';
  const write = "Pass a ResourceTemplate of the SDK, or write uriTemplate: 'notes://{owner}/{id}'";
  return new McpAuthConfigError([
    { option: '@McpResource({ uriTemplate })', seen: JSON.stringify(template), why, write },
  ]);
}
