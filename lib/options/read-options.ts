import { isRecord } from '../core/record.js';
import { COMMON_OPTIONS } from './common-options.js';
import { refuseAmbiguousCredentials } from './credential-options.js';
import type { DownstreamProductOf } from './downstream-product.js';
import { resolveDownstream } from './downstream-rules.js';
import { readGlobalGuard } from './global-guard-option.js';
import { OptionReader, readWhole } from './option-reader.js';
import type { McpAuthModuleOptions, ResolvedOptions } from './options.js';
import { RESOURCE_OPTIONS, resourceOf, resourceReaders } from './resource-options.js';
import { refuseSharedResources } from './shared-resources.js';
import { completeRevocation } from './revocation-options.js';
import { readVerifier } from './verifier-option.js';

/**
 * Validates the options of the module and fills in the defaults.
 *
 * @param globalGuard the value beside the options, since Nest needs it before a factory returns them
 * @param productOf what is known of the product with an issuer
 * @throws {McpAuthConfigError} listing every problem.
 */
export function readOptions(
  options: McpAuthModuleOptions,
  globalGuard?: unknown,
  productOf: DownstreamProductOf = () => undefined,
): ResolvedOptions {
  const input: unknown = isRecord(options) ? { ...options } : options;
  // Read first, since the check of every URL depends on it.
  const allowInsecureHttp = isRecord(input) && input['allowInsecureHttp'] === true;
  return readWhole(OptionReader.of(input, '', allowInsecureHttp), (option) =>
    readModule(option, globalGuard, productOf),
  );
}

function readModule(option: OptionReader, globalGuard: unknown, productOf: DownstreamProductOf): ResolvedOptions {
  if (!isRecord(option.value)) {
    option.refuse({ why: 'must be an object', write: 'Return the options of the module from the factory' });
  }
  const resources = option.at('resources').isGiven ? readSeveralResources(option) : readSingleResource(option);
  const common = option.members(COMMON_OPTIONS);
  const servers = resources.flatMap(({ authorizationServers }) => authorizationServers);
  const tokenPrefixes = servers.flatMap(({ introspection }) => introspection?.tokenPrefix ?? []);
  refuseAmbiguousCredentials(option.at('credentials'), common.credentials, tokenPrefixes);
  if (typeof common.stdio === 'object' && resources[0].template) refuseStdioToken(option.at('stdio'));
  return {
    resources,
    ...common,
    revocation: completeRevocation(option.at('revocation'), common.revocation, common.maxTokenLifetimeSeconds),
    downstream: resolveDownstream(
      option.at('downstream'),
      common.downstream,
      servers,
      trustsOthers(resources),
      productOf,
    ),
    globalGuard: readGlobalGuard(option.at('globalGuard').withValue(globalGuard)),
    warnings: option.warnings,
  };
}

/** Whether a function of the application may name further issuers. */
function trustsOthers(resources: ResolvedOptions['resources']): boolean {
  return resources.some(({ trustedIssuer, template }) => trustedIssuer !== undefined || template !== undefined);
}

/** Refuses a token of the environment where only a request could say which tenant it is for. */
function refuseStdioToken(option: OptionReader): void {
  const why = 'the first resource has variables, and over stdio nothing names the tenant that the token is for';
  option.refuse({ why, write: 'Write "deny" or "trust", or list a resource without variables first' });
}

const MODULE_OPTIONS = [...Object.keys(COMMON_OPTIONS), 'verifier', 'resources'];

/** Reads the options of a single resource, which are written beside those of the module. */
function readSingleResource(option: OptionReader): ResolvedOptions['resources'] {
  option.refuseUnknown([...new Set([...MODULE_OPTIONS, ...Object.keys(RESOURCE_OPTIONS)])]);
  return [resourceOf(option, option.members(resourceReaders(option)))];
}

function readSeveralResources(option: OptionReader): ResolvedOptions['resources'] {
  option.refuseUnknown(MODULE_OPTIONS);
  const verifier = readVerifier(option.at('verifier'));
  const list = option.at('resources');
  const resources = list.entries().map((entry) => resourceOf(entry, entry.section(resourceReaders(entry)), verifier));
  refuseSharedResources(list, resources);
  const [first, ...others] = resources;
  if (first) return [first, ...others];
  list.refuse({ why: 'must be a list of resources', write: 'List at least one, or use `resource` instead' });
  // Placeholder with findings of its own: the missing options of a resource must not be reported here.
  return readSingleResource(OptionReader.of(undefined));
}
