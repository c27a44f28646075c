import { isPrincipalKind, type KindOf, type KindRules, type PrincipalKind } from '../core/principal-kind.js';
import { isRecord } from '../core/record.js';
import type { ScopeGrant } from '../core/token-format.js';
import { requireClaimName } from './claim-options.js';
import type { OptionReader, ReadOption } from './option-reader.js';
import { readScopes } from './scope-options.js';

/** What values of claims mean: the name of a claim, or a JSON Pointer (RFC 6901) → a value of the claim → its meaning. */
export type ClaimValues<Meaning> = Record<string, Record<string, Meaning>>;

/** The scopes that the values of each claim grant. */
export function readGrants(option: OptionReader): ScopeGrant[] {
  const write = 'Write scopes by value of the claim, such as { editor: ["notes:write"] }';
  const readGranted: ReadOption<string[]> = (value) => {
    if (!value.isGiven) value.refuse({ why: 'must be a list of scopes', write });
    return readScopes(value) ?? [];
  };
  return claimValues(option, write, readGranted).map(({ claim, values }) => ({ claim, scopes: values }));
}

const WRITE_KINDS = "Write (claims) => 'user', 'client' or 'unknown'; or { idtyp: { app: 'client', user: 'user' } }";

/** The function of the application, or what values of claims say about the kind of principal. */
export function readKindRules(option: OptionReader): KindRules | undefined {
  const { value } = option;
  if (!option.isGiven) return undefined;
  if (typeof value === 'function') return value as KindOf;
  if (!isRecord(value) || Object.keys(value).length === 0) {
    option.refuse({ why: 'must be a function, or kinds by value of a claim', write: WRITE_KINDS });
    return undefined;
  }
  return claimValues(option, WRITE_KINDS, readKind).map(({ claim, values }) => ({ claim, kinds: values }));
}

function readKind(option: OptionReader): PrincipalKind {
  if (isPrincipalKind(option.value)) return option.value;
  option.refuse({ why: 'is not a kind', write: 'Write "user", "client" or "unknown"' });
  return 'unknown';
}

interface ValuesOfClaim<Meaning> {
  readonly claim: string;
  readonly values: Readonly<Record<string, Meaning>>;
}

/** Every claim must have at least one value: a claim without any would have no effect. */
function claimValues<Meaning>(
  option: OptionReader,
  write: string,
  readMeaning: ReadOption<Meaning>,
): ValuesOfClaim<Meaning>[] {
  return option.keys().map((claim) => {
    const values = option.atKey(claim);
    requireClaimName(option, claim);
    const keys = values.keys();
    if (keys.length === 0 && (!values.isGiven || isRecord(values.value)))
      values.refuse({ why: 'it lists no value of the claim', write });
    // Creates own members only, even for the name __proto__.
    return { claim, values: Object.fromEntries(keys.map((key) => [key, readMeaning(values.atKey(key))])) };
  });
}
