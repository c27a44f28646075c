import type { OptionReader } from './option-reader.js';
import { readUrl } from './url-option.js';

/** Members of the protected resource metadata (RFC 9728 §2), except those that this library fills in. */
export interface ResourceMetadataOptions {
  /** `resource_name`: shown to users on consent pages. */
  resourceName?: string;
  /** `resource_documentation`: URL of a page for developers. */
  resourceDocumentation?: string;
  /** `resource_policy_uri` */
  resourcePolicyUri?: string;
  /** `resource_tos_uri` */
  resourceTosUri?: string;
  /** `jwks_uri`: keys of the resource server itself, not those of the authorization server. */
  jwksUri?: string;
  /** Any further member, such as `resource_name#de`, published under the name it has here. */
  [member: string]: unknown;
}

/** The member that each named option sets. */
const MEMBER_NAMES: ReadonlyMap<string, string> = new Map([
  ['resourceName', 'resource_name'],
  ['resourceDocumentation', 'resource_documentation'],
  ['resourcePolicyUri', 'resource_policy_uri'],
  ['resourceTosUri', 'resource_tos_uri'],
  ['jwksUri', 'jwks_uri'],
]);

/** The check of a member, by its name. Any other member is published as it is. */
const MEMBER_RULES: readonly (readonly [name: RegExp, check: (option: OptionReader) => void])[] = [
  [/^(?:resource|authorization_servers|scopes_supported|bearer_methods_supported)$/, refuseMemberFilledIn],
  [/^signed_metadata$/, refuseSignedMetadata],
  [/^dpop_|^tls_client_certificate_bound_access_tokens$/, refuseProofOfPossession],
  [/^resource_signing_alg_values_supported$/, refuseNoSignature],
  [/_uri(?:#|$)|^resource_documentation(?:#|$)/, readUrl],
  [/^resource_name(?:#|$)/, (option) => option.text()],
];

/** The members of the metadata under their published names. */
export function readResourceMetadata(option: OptionReader): Record<string, unknown> {
  const members = option
    .keys()
    .map((name) => [MEMBER_NAMES.get(name) ?? name, option.at(name)] as const)
    .filter(([, member]) => !isWithoutValue(member.value));
  return Object.fromEntries(members.map(([name, member]) => [name, readMember(name, member)]));
}

/** Refuses to publish the keys of an authorization server as those of the resource. */
export function refuseKeysOfOthers(option: OptionReader, urisOfOthers: readonly string[]): void {
  for (const member of [option.at('jwksUri'), option.at('jwks_uri')]) {
    if (!urisOfOthers.some((uri) => uri === member.value)) continue;
    const why = 'these are keys of the authorization server; the member is for those of the resource (RFC 9728 §2)';
    member.refuse({ why, write: 'Remove it: clients find the keys of the authorization server by themselves' });
  }
}

/** Whether a member has no value, and must be omitted (RFC 9728 §3.2). */
function isWithoutValue(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

function readMember(name: string, option: OptionReader): unknown {
  const [, check] = MEMBER_RULES.find(([pattern]) => pattern.test(name)) ?? [];
  check?.(option);
  return option.json();
}

function refuseMemberFilledIn(option: OptionReader): void {
  option.refuse({ why: 'it follows from the other options', write: 'Remove it here' });
}

function refuseSignedMetadata(option: OptionReader): void {
  const why = 'clients prefer it to the plain members, even if it is out of date';
  option.refuse({ seen: 'a value', why, write: 'Remove it' });
}

function refuseProofOfPossession(option: OptionReader): void {
  option.refuse({ why: 'it follows from the options dpop and mutualTls', write: 'Remove it here' });
}

function refuseNoSignature(option: OptionReader): void {
  if (![option.value].flat().includes('none')) return;
  option.refuse({ why: '"none" is not a signature (RFC 9728 §2)', write: 'Remove "none"' });
}
