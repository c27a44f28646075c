import type { ResourceIdentifier } from '../core/resource.js';
import {
  expandTemplate,
  isVariableValue,
  namesIn,
  type ResourceTemplate,
  type ResourceVariables,
} from '../core/resource-template.js';
import { showValue } from '../core/safe-text.js';
import type { AuthorizationServerOptions } from './authorization-server-options.js';
import type { OptionReader, OptionsRead, ReadersOf } from './option-reader.js';

/** The settings of a tenant. What it leaves out comes from the resource with the template. */
export interface TenantSettings {
  /** As in `ProtectedResourceOptions`. @default those of the resource */
  authorizationServers?: (string | AuthorizationServerOptions)[];
  /** Accepted values of the `aud` claim. @default that of the resource, with the variables of this tenant in it */
  audience?: string | string[];
  /** As in `ScopeOptions`. @default those of the resource */
  scopes?: {
    /** Scopes that every protected request needs. @default those of the resource */
    required?: string[];
    /** Published as `scopes_supported`. @default those of the resource */
    supported?: string[];
  };
}

/**
 * The type of `resolveTenant`: says whether a tenant exists, and what it has of its own. `{}` is a tenant that has nothing of
 * its own; `undefined` and `null` mean that there is no such tenant.
 */
export type ResolveTenantOption = (
  variables: ResourceVariables,
) => TenantSettings | undefined | null | Promise<TenantSettings | undefined | null>;

/** How tenants are remembered. */
export interface TenantsOptions {
  /** Most tenants that are remembered, 1 to 100,000; as many names again of tenants that do not exist. @default 1000 */
  maxEntries?: number;
  /** How long a tenant is not asked about again, in seconds, 1 to 3600. @default 300 */
  cacheSeconds?: number;
  /** The same for a tenant that does not exist, in seconds, 1 to 300. @default 10 */
  negativeCacheSeconds?: number;
  /**
   * The variables of a tenant at whose path the check at the start sends its request. The tenant need not exist, unless
   * a middleware of the application refuses tenants that it does not know.
   * @default `start-check` for each variable
   */
  probe?: Record<string, string>;
}

/** A resource whose identifier is a template: what is needed to find its tenants. */
export interface ResolvedTemplate {
  readonly template: ResourceTemplate;
  /** The audiences of each tenant, with variables; undefined if it is the identifier of the tenant. */
  readonly audiences: readonly string[] | undefined;
  /** Asks the application. Resolves to undefined if the tenant does not exist. */
  readonly resolve: (variables: ResourceVariables) => Promise<unknown>;
  /** Whether plain http URLs are accepted beyond loopback. */
  readonly allowsInsecureHttp: boolean;
  readonly maxEntries: number;
  readonly cacheSeconds: number;
  readonly negativeCacheSeconds: number;
  /** The identifier that the check at the start uses. */
  readonly probe: ResourceIdentifier;
  /** Whether the options name the probe. */
  readonly isProbeGiven: boolean;
}

export const TENANTS_OPTIONS = {
  maxEntries: (option) => option.number(1_000, 1, 100_000),
  cacheSeconds: (option) => option.seconds(300, 1, 3_600),
  negativeCacheSeconds: (option) => option.seconds(10, 1, 300),
  probe: (option) => (option.isGiven ? option : undefined),
} satisfies ReadersOf<TenantsOptions>;

const WRITE_RESOLVE =
  'Write (variables) => what the tenant has of its own, {} if that is nothing, or undefined if there is no such tenant';

export function readResolveTenant(option: OptionReader): ResolveTenantOption | undefined {
  return option.function<ResolveTenantOption>(WRITE_RESOLVE);
}

/** What the options say of a template, besides the template. */
interface TemplateOptions {
  readonly resolveTenant: ResolveTenantOption | undefined;
  readonly tenants: OptionsRead<typeof TENANTS_OPTIONS>;
  readonly audience: readonly string[] | undefined;
}

/** The template of a resource. Refuses one without a function that knows the tenants: any name would be a tenant. */
export function resolvedTemplate(
  option: OptionReader,
  template: ResourceTemplate,
  { resolveTenant, tenants, audience }: TemplateOptions,
): ResolvedTemplate {
  if (!resolveTenant && !option.at('resolveTenant').isGiven) {
    const why = 'the resource has variables, so someone must say which tenants exist';
    option.at('resolveTenant').refuse({ why, write: WRITE_RESOLVE });
  }
  for (const text of audience ?? []) requireVariables(option.at('audience'), template, text);
  return {
    template,
    audiences: audience,
    resolve: async (variables) => resolveTenant?.(variables),
    allowsInsecureHttp: option.allowsInsecureHttp,
    maxEntries: tenants.maxEntries,
    cacheSeconds: tenants.cacheSeconds,
    negativeCacheSeconds: tenants.negativeCacheSeconds,
    probe: expandTemplate(template, readProbe(template, tenants.probe)),
    isProbeGiven: tenants.probe !== undefined,
  };
}

/** Refuses an audience that several tenants would share: each would accept the tokens of the others. */
function requireVariables(option: OptionReader, { names }: ResourceTemplate, text: string): void {
  const named = namesIn(text);
  const unknown = named.find((name) => !names.includes(name));
  if (unknown === undefined && names.every((name) => named.includes(name))) return;
  const variables = names.map((name) => `{${name}}`).join(' and ');
  const why =
    unknown === undefined
      ? 'every tenant would accept it, and so the tokens of every other tenant'
      : `the resource has no variable "${unknown}"`;
  const write = `Write it with ${variables}, or let \`resolveTenant\` return the audience of each tenant`;
  option.refuse({ seen: showValue(text), why, write });
}

function readProbe(template: ResourceTemplate, option: OptionReader | undefined): ResourceVariables {
  const values: Record<string, string> = {};
  for (const name of template.names) {
    const { value } = option?.at(name) ?? { value: 'start-check' };
    if (typeof value === 'string' && isVariableValue(template, name, value)) values[name] = value;
    else option?.at(name).refuse({ why: 'must be a value of this variable', write: 'Write the name of a tenant' });
    values[name] ??= 'start-check';
  }
  option?.refuseUnknown(template.names);
  return values;
}

/** Refuses the options of templates beside an identifier without variables. */
export function refuseTemplateOptions(option: OptionReader): void {
  for (const name of ['resolveTenant', 'tenants']) {
    const why = 'the resource has no variables, so it has no tenants';
    const write = 'Write a variable in `resource`, such as "https://{tenant}.example.com/mcp", or remove it';
    if (option.at(name).isGiven) option.at(name).refuse({ seen: 'a value', why, write });
  }
}
