import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';
import { SCOPE_CLAIMS } from '../core/token-format.js';
import type { OptionReader } from './option-reader.js';

/** A JSON Pointer that is not empty. `~` is allowed only before 0 or 1 (RFC 6901 §3). */
const JSON_POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/;

/** The names of claims, or JSON Pointers to members of claims. */
export function readClaimNames(option: OptionReader, fallback: readonly string[]): string[] {
  const names = option.asList().texts(`Write the name of a claim such as "${fallback[0]}"`) ?? [...fallback];
  for (const name of names) requireClaimName(option, name);
  return names;
}

/** Refuses a name that is empty, or a JSON Pointer that is malformed. */
export function requireClaimName(option: OptionReader, name: string): void {
  const seen = showValue(name);
  if (name === '') {
    const write = 'Write the name of a claim such as "roles", or a JSON Pointer such as "/realm_access/roles"';
    option.refuse({ seen, why: 'must be the name of a claim', write });
  } else if (name.startsWith('/') && !JSON_POINTER.test(name)) {
    const write = 'Write "~1" for a slash in a name, "~0" for "~"';
    option.refuse({ seen, why: 'must be a JSON Pointer (RFC 6901)', write });
  }
}

/** The claims that contain scopes: the first one that is present counts, or all of a union. */
export type ScopeClaims = readonly string[] | { readonly union: readonly string[] };

export function readScopeClaims(option: OptionReader): ScopeClaims {
  if (!isRecord(option.value)) return readClaimNames(option, SCOPE_CLAIMS);
  option.refuseUnknown(['union']);
  const union = option.at('union');
  if (!union.isGiven) {
    union.refuse({ why: 'it is required in an object', write: 'Write { union: ["scope", "permissions"] }' });
  }
  return { union: readClaimNames(union, SCOPE_CLAIMS) };
}

/** Warns of every claim other than `aud`: it binds a token to what that claim names, not to this resource. */
export function readAudienceClaims(option: OptionReader): string[] {
  const names = readClaimNames(option, ['aud']);
  const others = names.filter((name) => name !== 'aud').map((name) => `"${name}"`);
  if (others.length > 0) {
    option.warn(`names ${others.join(', ')}: its tokens need not be issued for this resource alone`);
  }
  return names;
}
