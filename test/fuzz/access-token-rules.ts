// What makes a JWT a valid access token here, written down from the documents rather than from the code: the other opinion
// that arbitrary tokens are compared with.

/** What is known to whoever has to decide. */
export interface Circumstances {
  readonly issuer: string;
  readonly resource: string;
  /** The one key that fits, by name and algorithm. */
  readonly kid: string;
  readonly alg: string;
  /** In seconds. */
  readonly now: number;
}

type Members = Readonly<Record<string, unknown>>;
type Rule = readonly [
  source: string,
  holds: (header: Members, claims: Members, circumstances: Circumstances) => boolean,
];

const TOLERANCE_SECONDS = 5;
const LONGEST_SECONDS = 86_400;

/** Null, an empty text and an empty list say nothing, in claims; headers are written by signers, not by serialisers. */
const isEmpty = (value: unknown): boolean =>
  value === null || value === '' || (Array.isArray(value) && value.length === 0);

/** The claims that say something. */
export function statedClaims(claims: Members): Members {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => !isEmpty(value)));
}

const has = (members: Members, name: string): boolean => Object.hasOwn(members, name);
const get = (members: Members, name: string): unknown => (has(members, name) ? members[name] : undefined);
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isText = (value: unknown): value is string => typeof value === 'string' && value.length > 0;
const lower = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);

const isDeclared = (header: Members): boolean =>
  ['at+jwt', 'application/at+jwt'].includes(lower(get(header, 'typ')) as string);
const clientOf = (claims: Members): unknown =>
  get(claims, ['client_id', 'azp', 'cid', 'appid'].find((name) => has(claims, name)) ?? 'client_id');

const RULES: readonly Rule[] = [
  ['RFC 8725 §3.1: the algorithm of the key', (header, _claims, { alg }) => get(header, 'alg') === alg],
  [
    'RFC 7515 §4.1.4: the name of the key, or none',
    (header, _claims, { kid }) => !has(header, 'kid') || header['kid'] === kid,
  ],
  ['RFC 7515 §4.1.11: nothing critical', (header) => !has(header, 'crit')],
  ['RFC 7797 §7: nothing about the encoding of the payload', (header) => !has(header, 'b64')],
  ['RFC 7519 §5.2: not nested', (header) => !['jwt', 'application/jwt'].includes(lower(get(header, 'cty')) as string)],
  [
    'RFC 9068 §4: typ, or what products send for it',
    (header) => isDeclared(header) || !has(header, 'typ') || lower(header['typ']) === 'jwt',
  ],
  ['RFC 9068 §4: the issuer', (_header, claims, { issuer }) => get(claims, 'iss') === issuer],
  [
    'RFC 7519 §4.1.3: the audience',
    (_header, claims, { resource }) => {
      const audience = [get(claims, 'aud')].flat(1);
      return audience.every((one) => typeof one === 'string') && audience.includes(resource);
    },
  ],
  [
    'RFC 7519 §4.1.4: not expired',
    (_header, claims, { now }) => isTime(get(claims, 'exp')) && (claims['exp'] as number) > now - TOLERANCE_SECONDS,
  ],
  [
    'a bounded lifetime',
    (_header, claims, { now }) => (get(claims, 'exp') as number) <= now + LONGEST_SECONDS + TOLERANCE_SECONDS,
  ],
  [
    'RFC 7519 §4.1.5 and §4.1.6: not from the future; iat not from the far future',
    (_header, claims, { now }) =>
      (
        [
          ['nbf', TOLERANCE_SECONDS],
          ['iat', 300],
        ] as const
      ).every(([name, ahead]) => !has(claims, name) || (isTime(claims[name]) && claims[name] <= now + ahead)),
  ],
  ['RFC 7800 §3.1: not bound to a key', (_header, claims) => !has(claims, 'cnf')],
  ['RFC 9068 §2.2: a subject is text', (_header, claims) => !has(claims, 'sub') || isText(claims['sub'])],
  ['RFC 9068 §2.2: a client is text', (_header, claims) => clientOf(claims) === undefined || isText(clientOf(claims))],
  [
    'RFC 9068 §2.2: no user without a subject; those of Keycloak (typ), and by azp, are taken for such',
    (_header, claims) =>
      has(claims, 'sub') ||
      (!has(claims, 'act') && !has(claims, 'typ') && (has(claims, 'client_id') || !has(claims, 'azp'))),
  ],
  ['RFC 9068 §5: somebody', (_header, claims) => has(claims, 'sub') || clientOf(claims) !== undefined],
  [
    'RFC 8725 §3.12: no claim of another kind of token',
    (_header, claims) =>
      !['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'token_introspection', 'htm', 'htu', 'response_type'].some(
        (name) => has(claims, name),
      ),
  ],
  [
    'RFC 8725 §3.12: without typ, a claim that says it is none',
    (header, claims) =>
      isDeclared(header) ||
      ((!has(claims, 'typ') || lower(claims['typ']) === 'bearer') &&
        (!has(claims, 'token_use') || lower(claims['token_use']) === 'access')),
  ],
  [
    'RFC 8725 §3.12: without typ, a client or a scope',
    (header, claims) =>
      isDeclared(header) || ['client_id', 'azp', 'cid', 'appid', 'scope', 'scp'].some((name) => has(claims, name)),
  ],
  [
    'OpenID Connect Core §2: without typ, not for the client itself',
    (header, claims, { resource }) => {
      const audience = [get(claims, 'aud')].flat(1);
      const client = get(claims, has(claims, 'client_id') ? 'client_id' : 'azp');
      return isDeclared(header) || audience.length !== 1 || client !== resource;
    },
  ],
];

/** The rules that a token breaks; none for a good one. */
export function brokenRules(header: Members, claims: Members, circumstances: Circumstances): string[] {
  const stated = statedClaims(claims);
  return RULES.filter(([, holds]) => !holds(header, stated, circumstances)).map(([source]) => source);
}

/** The scopes of a good token: RFC 6749 §3.3. */
export function grantedScopes(claims: Members): string[] {
  const stated = statedClaims(claims);
  const scope = get(stated, has(stated, 'scope') ? 'scope' : 'scp');
  const isToken = (text: string): boolean =>
    text !== '' && [...text].every((one) => one > ' ' && one < '\x7f' && one !== '"' && one !== '\\');
  const members: unknown[] = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope : [];
  return members.filter(
    (one, index, all): one is string => typeof one === 'string' && isToken(one) && all.indexOf(one) === index,
  );
}
