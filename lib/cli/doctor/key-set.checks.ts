import { createPublicKey } from 'node:crypto';
import { isRecord, ownMember } from '../../core/record.js';
import { showValue } from '../../core/safe-text.js';
import { SIGNATURE_ALGORITHMS } from '../../issuer/algorithms.js';
import type { FindingLevel } from '../../products/metadata-review/finding.js';
import type { AuthorizationServerFacts } from './authorization-server.facts.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import { describe, documentOf, readDocument } from './probe-result.js';

type Key = Readonly<Record<string, unknown>>;

const ID = 'AS-12';

/** Checks whether the keys can be fetched, and whether each of them may be published and used. */
export function checkKeySet(facts: AuthorizationServerFacts): Check[] {
  const { document, keys: seen } = facts;
  if (!seen)
    return [
      notVerifiable(ID, document ? 'its metadata names no keys, or is not its own' : 'there is no metadata to read'),
    ];
  const read = readDocument(seen);
  const consequence = 'no signature of its tokens can be verified';
  const remedy = 'serve a JSON Web Key Set at jwks_uri (RFC 7517 §5)';
  if ('flaw' in read)
    return [problem('error', ID, { seen: `GET ${showValue(seen.url)}: ${read.flaw}`, consequence, remedy })];
  const keys = publishedKeys(facts) ?? [];
  if (keys.length === 0) {
    return [problem('error', ID, { seen: `${describe(seen)}, without any keys`, consequence, remedy })];
  }
  const caching = seen.kind === 'answer' ? seen.headers.get('cache-control') : null;
  const cached = caching === null ? 'no Cache-Control' : `Cache-Control: ${showValue(caching)}`;
  return [ok(ID, `${keys.length === 1 ? 'one key' : `${keys.length} keys`}, with ${cached}`), ...lintKeys(keys)];
}

/** The published keys, usable or not; undefined if they could not be fetched. */
export function publishedKeys({ keys }: AuthorizationServerFacts): readonly unknown[] | undefined {
  const list = documentOf(keys)?.['keys'];
  return Array.isArray(list) ? list : undefined;
}

/** @see RFC 7517 §4, RFC 7518 §3.3 and §6 */
export function lintKeys(keys: readonly unknown[]): Check[] {
  const found = keys.slice(0, MOST_KEYS).flatMap(lintKey);
  return [...found, ...repeatedIds(keys), ...hasUsableKey(keys)];
}

/** Most keys that are checked one by one. Further keys are only counted. */
const MOST_KEYS = 20;

interface KeyRule {
  readonly level: FindingLevel;
  readonly applies: (key: Key) => boolean;
  readonly seen: string;
  readonly consequence: string;
  readonly remedy: string;
}

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'];

const RULES: readonly KeyRule[] = [
  {
    level: 'error',
    applies: (key) => PRIVATE_MEMBERS.some((name) => ownMember(key, name) !== undefined),
    seen: 'holds its private part',
    consequence: 'anybody can issue tokens in the name of this server',
    remedy: 'withdraw the key at once, and publish public members only',
  },
  {
    level: 'error',
    applies: (key) => ownMember(key, 'kty') === 'oct' || ownMember(key, 'k') !== undefined,
    seen: 'is a secret (kty "oct")',
    consequence: 'anybody can use it to issue tokens for servers that accept HMAC',
    remedy: 'withdraw it, and sign with an asymmetric key',
  },
  {
    level: 'error',
    applies: (key) => rsaBits(key) < 2048,
    seen: 'is an RSA key of less than 2048 bits',
    consequence: 'it can be broken, and its tokens are refused here (RFC 7518 §3.3)',
    remedy: 'sign with a longer key',
  },
  {
    level: 'warning',
    applies: (key) =>
      typeof ownMember(key, 'alg') === 'string' &&
      isForSignatures(key) &&
      !SIGNATURE_ALGORITHMS.includes(ownMember(key, 'alg') as string),
    seen: 'has an alg that is not supported here',
    consequence: 'its tokens are refused',
    remedy: `sign with one of ${SIGNATURE_ALGORITHMS.join(', ')}`,
  },
  {
    level: 'note',
    applies: (key) => ownMember(key, 'alg') === undefined && isForSignatures(key),
    seen: 'has no alg',
    consequence: 'servers must configure or guess its algorithm (RFC 8725 §3.1)',
    remedy: 'publish alg with the key, or list algorithms for this issuer',
  },
];

function lintKey(key: unknown, index: number): Check[] {
  if (!isRecord(key))
    return [
      about(index, key, {
        level: 'warning',
        seen: 'is no object',
        consequence: 'strict libraries refuse the whole set',
        remedy: 'publish keys only',
      }),
    ];
  return RULES.filter(({ applies }) => applies(key)).map((rule) => about(index, key, rule));
}

function about(index: number, key: unknown, rule: Omit<KeyRule, 'applies'>): Check {
  const kid = isRecord(key) ? ownMember(key, 'kid') : undefined;
  const name = typeof kid === 'string' ? `the key ${showValue(kid)}` : `key ${index + 1}`;
  return problem(rule.level, ID, { ...rule, seen: `${name} ${rule.seen}` });
}

function repeatedIds(keys: readonly unknown[]): Check[] {
  const ids = keys.filter(isRecord).map((key) => ownMember(key, 'kid'));
  const last = new Map(ids.map((kid, index) => [kid, index]));
  const repeated = [...new Set(ids.filter((kid, index) => kid !== undefined && last.get(kid) !== index))];
  const nameless = ids.filter((kid) => kid === undefined).length;
  const consequence = 'libraries cannot tell which key signed a token, and some refuse the token';
  const remedy = 'give each key a kid of its own';
  return [
    ...(repeated.length > 0
      ? [problem('error', ID, { seen: `several keys have the kid ${showValue(repeated)}`, consequence, remedy })]
      : []),
    ...(nameless > 0 && ids.length > 1
      ? [problem('warning', ID, { seen: `${nameless} of ${ids.length} keys have no kid`, consequence, remedy })]
      : []),
  ];
}

function hasUsableKey(keys: readonly unknown[]): Check[] {
  if (keys.filter(isRecord).some((key) => isForSignatures(key) && ownMember(key, 'kty') !== 'oct')) return [];
  const consequence = 'no signature of its tokens can be verified';
  return [
    problem('error', ID, {
      seen: 'no key is for signatures (use "sig")',
      consequence,
      remedy: 'publish the keys that tokens are signed with',
    }),
  ];
}

function isForSignatures(key: Key): boolean {
  const use = ownMember(key, 'use');
  const operations = ownMember(key, 'key_ops');
  return (use === undefined || use === 'sig') && (!Array.isArray(operations) || operations.includes('verify'));
}

/** The length of an RSA key; Infinity for other keys, 0 for an invalid one. */
function rsaBits(key: Key): number {
  if (ownMember(key, 'kty') !== 'RSA') return Infinity;
  try {
    const { n, e } = key as { readonly n: string; readonly e: string };
    return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }).asymmetricKeyDetails?.modulusLength ?? 0;
  } catch {
    return 0;
  }
}
