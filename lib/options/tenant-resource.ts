import { isRecord } from '../core/record.js';
import { metadataUrl } from '../core/resource.js';
import { expandTemplate, expandText, type ResourceVariables } from '../core/resource-template.js';
import type { ResolvedAuthorizationServer } from './authorization-server-options.js';
import { readAuthorizationServers } from './authorization-servers-option.js';
import { optional, OptionReader, readWhole, type ReadersOf } from './option-reader.js';
import type { ResolvedResource } from './resource-options.js';
import { readScopes } from './scope-options.js';
import type { ResolvedTemplate, TenantSettings } from './template-options.js';

/** Most authorization servers, audiences or scopes of one tenant, and the longest text among them in characters. */
const MAX_ENTRIES = 100;
const MAX_LENGTH = 2_048;

const TENANT_SCOPES = {
  required: optional(bounded(readScopes)),
  supported: optional(bounded(readScopes)),
} satisfies ReadersOf<NonNullable<TenantSettings['scopes']>>;

const TENANT_SETTINGS = {
  authorizationServers: optional(bounded(readServers)),
  audience: optional(bounded((option) => option.asList().texts('Return the audience that its tokens carry'))),
  scopes: (option) => option.section(TENANT_SCOPES),
} satisfies ReadersOf<TenantSettings>;

/** The given servers. A tenant without servers of its own leaves them out. */
function readServers(option: OptionReader): ResolvedAuthorizationServer[] {
  return readAuthorizationServers(option, true);
}

function bounded<T>(read: (option: OptionReader) => T): (option: OptionReader) => T {
  return (option) => {
    const { value } = option;
    const texts = Array.isArray(value) ? (value as unknown[]) : [value];
    const isShort =
      texts.length <= MAX_ENTRIES && texts.every((one) => typeof one !== 'string' || one.length <= MAX_LENGTH);
    if (isShort) return read(option);
    const why = `must have at most ${MAX_ENTRIES} entries of at most ${MAX_LENGTH} characters`;
    option.refuse({ seen: 'more', why, write: 'Return less' });
    return read(option.withValue(undefined));
  };
}

/**
 * The resource of one tenant, from what the application returned, which is checked like options. Undefined if the tenant does not
 * exist. The result is frozen, and holds nothing that the application can still change.
 *
 * @throws {McpAuthConfigError} listing every problem of the answer.
 */
export function tenantResource(
  base: ResolvedResource,
  template: ResolvedTemplate,
  variables: ResourceVariables,
  answer: unknown,
): ResolvedResource | undefined {
  if (answer === undefined || answer === null || answer === false) return undefined;
  const option = OptionReader.of(answer, `resolveTenant(${JSON.stringify(variables)})`, template.allowsInsecureHttp);
  return readWhole(option, () => {
    if (!isRecord(answer)) {
      option.refuse({ why: 'must be an object, or undefined if there is no such tenant', write: 'Return {}' });
    }
    const settings = isRecord(answer) ? option.section(TENANT_SETTINGS) : { scopes: {} };
    return { ...base, ...ownOf(option, base, template, variables, settings as TenantGiven) };
  });
}

interface TenantGiven {
  readonly authorizationServers?: ResolvedAuthorizationServer[] | undefined;
  readonly audience?: string[] | undefined;
  readonly scopes: { readonly required?: string[] | undefined; readonly supported?: string[] | undefined };
}

function ownOf(
  option: OptionReader,
  base: ResolvedResource,
  template: ResolvedTemplate,
  variables: ResourceVariables,
  { authorizationServers, audience, scopes }: TenantGiven,
): Partial<ResolvedResource> {
  if (!authorizationServers && base.authorizationServers.length === 0) {
    const why = 'neither this tenant nor the resource has an authorization server';
    option.at('authorizationServers').refuse({ why, write: 'Return at least one issuer' });
  }
  const identifier = expandTemplate(template.template, variables);
  const audiences = audience ?? template.audiences?.map((text) => expandText(text, variables)) ?? [identifier.value];
  return {
    identifier,
    metadataUrl: metadataUrl(identifier),
    authorizationServers: authorizationServers ?? base.authorizationServers,
    audiences,
    requiredScopes: scopes.required ?? base.requiredScopes,
    supportedScopes: scopes.supported ?? base.supportedScopes,
    template: undefined,
    tenant: { of: base, variables },
  };
}
