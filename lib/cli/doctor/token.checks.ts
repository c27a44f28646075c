import type { JWK } from 'jose';
import { McpAuthError } from '../../core/error.js';
import { isRecord, ownMember } from '../../core/record.js';
import { showValue } from '../../core/safe-text.js';
import { SIGNATURE_ALGORITHMS } from '../../issuer/algorithms.js';
import { StaticKeySet } from '../../issuer/static-key-set.js';
import { productOf } from '../../products/known-products.js';
import { verifySignature } from '../../issuer/signature.js';
import { checkAudience, checkTimes, checkTimesPresent, scopesOf, stringClaim } from '../../token/claims.js';
import { CLIENT_ID_CLAIMS, SCOPE_CLAIMS, type ClaimNames } from '../../core/token-format.js';
import { decodeJwt, hasJwtForm, type DecodedJwt } from '../../token/decoded-jwt.js';
import { checkHeader, JwtVerifier } from '../../token/jwt-verifier.js';
import { checkKind, isDeclaredAccessToken } from '../../token/token-kind.js';
import { ok, problem, notVerifiable, type Check } from './check.js';

/** What a sample token is judged by. */
export interface TokenContext {
  /** The issuers that the MCP server trusts. */
  readonly issuers: readonly string[];
  /** Their published keys by issuer; without those that could not be had. */
  readonly keys: ReadonlyMap<string, readonly unknown[]>;
  /** The URL of the MCP server; undefined where there is none, and the audience cannot be judged. */
  readonly resource: string | undefined;
  /** What the MCP server accepts as audience besides its own URL. */
  readonly audiences: readonly string[];
  /** That the challenge asks for. */
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What the library would make of the token; `opaque` for one that is no JWT, `unknown` where keys or audience are not known. */
export type TokenVerdict = 'accepted' | 'accepted, but lacks scopes' | 'refused' | 'opaque' | 'unknown';

export interface TokenReview {
  readonly checks: readonly Check[];
  readonly verdict: TokenVerdict;
}

/** The defaults of the library, and where products put scopes. */
const CLAIM_NAMES: ClaimNames = {
  scopes: SCOPE_CLAIMS,
  clientId: CLIENT_ID_CLAIMS,
  subject: ['sub'],
  audience: ['aud'],
};
const TIMES = { toleranceSeconds: 5, maxLifetimeSeconds: 86_400 };
const PROFILE = 'compatible';

/**
 * Judges a token claim by claim, with the checks of the library itself. Names only the claims that everybody may see:
 * neither the token, nor its signature, nor what else is in it.
 */
export async function reviewToken(token: string, context: TokenContext): Promise<TokenReview> {
  if (!hasJwtForm(token)) {
    const why =
      'the token is no signed JWT: only its authorization server can say what it stands for (option introspection)';
    return { checks: ['AS-10', 'AS-11', 'AS-13'].map((id) => notVerifiable(id, why)), verdict: 'opaque' };
  }
  const jwt = decoded(token);
  if (jwt instanceof McpAuthError) return { checks: [malformed(jwt)], verdict: 'refused' };
  const checks = [...RULES.map((rule) => rule(jwt, context)), await signature(token, jwt, context)];
  const isBad = checks.some(({ level }) => level === 'error');
  const whole = isBad ? [] : await asAWhole(token, jwt, context);
  const all = [...checks, ...whole];
  return { checks: all, verdict: verdictOf(all) };
}

/** A scope that lacks is no fault of the token. */
const SCOPE_ROW = 'OA21-5.2-a';

function verdictOf(checks: readonly Check[]): TokenVerdict {
  const errors = checks.filter(({ level }) => level === 'error');
  if (errors.some(({ id }) => id !== SCOPE_ROW)) return 'refused';
  if (checks.some(({ id, level }) => level === 'unseen' && ['RFC9068-4-d', 'RFC9068-4-c'].includes(id)))
    return 'unknown';
  return errors.length > 0 ? 'accepted, but lacks scopes' : 'accepted';
}

function decoded(token: string): DecodedJwt | McpAuthError {
  try {
    return decodeJwt(token);
  } catch (error) {
    if (error instanceof McpAuthError) return error;
    throw error;
  }
}

function malformed(error: McpAuthError): Check {
  const consequence = 'every server refuses it';
  return problem('error', 'RFC7519-7.2-a', {
    seen: error.message,
    consequence,
    remedy: 'take the access token as it came, without quotes, and no other token',
  });
}

const RULES: readonly ((jwt: DecodedJwt, context: TokenContext) => Check)[] = [
  kind,
  algorithm,
  issuer,
  keyId,
  audience,
  expiry,
  notBefore,
  issuedAt,
  lifetime,
  client,
  subject,
  scopes,
  binding,
];

const REFUSED = 'the token is refused with 401';

function kind({ header, claims }: DecodedJwt): Check {
  const id = 'RFC9068-4-a';
  const seen = `typ is ${shown(header, 'typ')}`;
  const reason = refusal(() => checkKind(header, claims, PROFILE));
  if (reason !== undefined) {
    const remedy = 'use the access token, not the ID token or refresh token; and have it name a client or scopes';
    return problem('error', reason === 'not_an_access_token' ? 'RFC9068-4-h' : id, {
      seen: `${seen}: ${MEANING[reason] ?? reason}`,
      consequence: REFUSED,
      remedy,
    });
  }
  if (isDeclaredAccessToken(header)) return ok(id, seen);
  const consequence = 'it is accepted with the profile "compatible" only, which is the default';
  return problem('note', id, {
    seen,
    consequence,
    remedy: 'if the server can be told to issue "at+jwt" (RFC 9068), turn that on',
  });
}

const MEANING: Readonly<Record<string, string>> = {
  not_an_access_token: 'it is a token of another kind',
  type_rejected: 'that is not the type of an access token',
};

function algorithm({ header }: DecodedJwt): Check {
  const id = 'RFC8725-3.1-a';
  const seen = `alg is ${shown(header, 'alg')}`;
  const reason = refusal(() => checkHeader(header, new Set(SIGNATURE_ALGORITHMS)));
  if (reason === undefined) return ok(id, seen);
  if (reason === 'header_rejected') {
    const remedy = 'have the server leave crit and b64 out, and sign claims rather than another token';
    return problem('error', 'RFC7515-4.1.11-a', {
      seen: 'its header has a critical or malformed member',
      consequence: REFUSED,
      remedy,
    });
  }
  return problem('error', id, {
    seen,
    consequence: REFUSED,
    remedy: `have it signed with one of ${SIGNATURE_ALGORITHMS.join(', ')}`,
  });
}

function issuer({ claims }: DecodedJwt, { issuers }: TokenContext): Check {
  const id = 'RFC9068-4-b';
  const iss = ownMember(claims, 'iss');
  const seen = `iss is ${shown(claims, 'iss')}`;
  if (issuers.some((one) => one === iss)) return ok(id, seen);
  const product = typeof iss === 'string' ? productOf(iss) : undefined;
  const close = issuers.find((one) => typeof iss === 'string' && one.replace(/\/$/, '') === iss.replace(/\/$/, ''));
  const remedy =
    close !== undefined
      ? `the slash at the end counts: configure ${showValue(iss)}`
      : product?.advice.issuer !== undefined
        ? `${product.name}: ${product.advice.issuer}`
        : 'get the token from an authorization server of the list, or add its issuer to the list';
  return problem('error', id, {
    seen: `${seen}, which is none of ${showValue(issuers)}`,
    consequence: REFUSED,
    remedy,
  });
}

function keyId(jwt: DecodedJwt, context: TokenContext): Check {
  const id = 'RFC7517-5-a';
  const keys = keysFor(jwt, context);
  const kid = ownMember(jwt.header, 'kid');
  const seen = `kid is ${shown(jwt.header, 'kid')}`;
  if (!keys) return notVerifiable(id, `${seen}; there are no keys to look it up in`);
  if (kid === undefined) {
    if (keys.length === 1) return ok(id, 'it names no key, and there is only one');
    return problem('note', id, {
      seen: 'it names no key (kid)',
      consequence: 'every published key has to be tried',
      remedy: 'have the server name the key',
    });
  }
  if (keys.some((key) => isRecord(key) && ownMember(key, 'kid') === kid)) return ok(id, `${seen}, and is published`);
  const remedy = 'get a new token, if keys have been changed; else see that jwks_uri has the keys of this very server';
  return problem('error', id, { seen: `${seen}, which is not among the published keys`, consequence: REFUSED, remedy });
}

async function signature(token: string, jwt: DecodedJwt, context: TokenContext): Promise<Check> {
  const id = 'RFC9068-4-d';
  const keys = keySetFor(jwt, context);
  if (!keys) return notVerifiable(id, 'there are no keys to verify the signature with');
  try {
    await verifySignature(token, { keys, algorithms: SIGNATURE_ALGORITHMS });
    return ok(id, 'a published key verifies the signature');
  } catch {
    const remedy = 'see that the token was copied whole, and that jwks_uri has the keys of this very server';
    return problem('error', id, { seen: 'no published key verifies the signature', consequence: REFUSED, remedy });
  }
}

/** @see RFC 8707 §2 */
function audience({ claims }: DecodedJwt, { resource, audiences }: TokenContext): Check {
  const id = 'RFC9068-4-c';
  const seen = `aud is ${shown(claims, 'aud')}`;
  if (resource === undefined) return notVerifiable(id, `${seen}; whether that is right depends on the MCP server`);
  const reason = refusal(() => void checkAudience(claims, new Set([resource, ...audiences])));
  if (reason === undefined) return ok(id, seen);
  const iss = ownMember(claims, 'iss');
  const product = typeof iss === 'string' ? productOf(iss) : undefined;
  const otherwise = `have the server put ${showValue(resource)} into aud; clients ask for it with the parameter resource, which servers that have no resource indicators ignore`;
  const remedy = product ? `${product.name}: ${product.advice.audience(resource)}` : otherwise;
  return problem('error', id, { seen: `${seen}, and not ${showValue(resource)}`, consequence: REFUSED, remedy });
}

function expiry({ claims }: DecodedJwt, { now }: TokenContext): Check {
  const id = 'RFC9068-4-e';
  const seen = `exp is ${time(claims, 'exp', now)}`;
  const reason = refusal(() =>
    checkTimes({ exp: ownMember(claims, 'exp') }, now / 1000, { ...TIMES, maxLifetimeSeconds: Infinity }),
  );
  if (reason === undefined) return ok(id, seen);
  return problem('error', id, {
    seen,
    consequence: REFUSED,
    remedy: reason === 'expired' ? 'get a new token' : 'have the server issue tokens that expire',
  });
}

function notBefore({ claims }: DecodedJwt, { now }: TokenContext): Check {
  return notInFuture('RFC7519-4.1.5-a', 'nbf', claims, now);
}

function issuedAt({ claims }: DecodedJwt, { now }: TokenContext): Check {
  return notInFuture('RFC9068-2.2-a', 'iat', claims, now);
}

function notInFuture(id: string, name: 'nbf' | 'iat', claims: DecodedJwt['claims'], now: number): Check {
  const value = ownMember(claims, name);
  if (value === undefined) return ok(id, `it has no ${name}`);
  const seen = `${name} is ${time(claims, name, now)}`;
  const reason = refusal(() => void checkTimesPresent({ [name]: value }, now / 1000, TIMES));
  if (reason === undefined) return ok(id, seen);
  return problem('error', id, {
    seen,
    consequence: REFUSED,
    remedy: 'set the clock of the authorization server, or of this machine, by NTP',
  });
}

const HOUR = 3_600;

function lifetime({ claims }: DecodedJwt, { now }: TokenContext): Check {
  const [exp, iat] = [ownMember(claims, 'exp'), ownMember(claims, 'iat')];
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return notVerifiable('AS-13', 'it has no usable exp');
  const seconds = exp - (typeof iat === 'number' ? iat : now / 1000);
  const seen = `it lives ${duration(seconds)}`;
  const consequence = 'who gets hold of it can use it that long, even if access was withdrawn';
  const remedy = 'have access tokens live minutes, and clients refresh them';
  if (seconds > 24 * HOUR)
    return problem('error', 'AS-13', { seen, consequence: `${consequence}; it is refused here`, remedy });
  return seconds > HOUR ? problem('warning', 'AS-13', { seen, consequence, remedy }) : ok('AS-13', seen);
}

function client({ claims }: DecodedJwt): Check {
  return party('client', CLIENT_ID_CLAIMS, claims);
}

function subject({ claims }: DecodedJwt): Check {
  return party('subject', ['sub'], claims);
}

function party(what: string, names: readonly string[], claims: DecodedJwt['claims']): Check {
  const id = 'RFC9068-2.2-a';
  let value: string | undefined;
  const reason = refusal(() => {
    value = stringClaim(claims, names);
  });
  if (reason !== undefined)
    return problem('error', id, {
      seen: `its ${what} is no text`,
      consequence: REFUSED,
      remedy: `have the server name the ${what} in ${names[0]}`,
    });
  if (value !== undefined) return ok(id, `its ${what} is ${showValue(value)}`);
  const consequence = 'RFC 9068 demands it; a token that names neither client nor subject is refused';
  return problem('note', id, {
    seen: `it names no ${what}`,
    consequence,
    remedy: `have the server name the ${what} in ${names[0]}`,
  });
}

function scopes({ claims }: DecodedJwt, { scopes: needed }: TokenContext): Check {
  const granted = scopesOf(claims, CLAIM_NAMES);
  const seen = `its scopes are ${showValue(granted)}`;
  const missing = needed.filter((scope) => !granted.includes(scope));
  if (missing.length === 0) return ok(SCOPE_ROW, seen);
  return problem('error', SCOPE_ROW, {
    seen: `${seen}, without ${showValue(missing)}, which the challenge asks for`,
    consequence: 'every call is refused with 403 until the user grants more',
    remedy: 'let the client ask for these scopes, and the user or an administrator grant them',
  });
}

/** @see RFC 7800 §3.1, RFC 9449 §7.2 */
function binding({ claims }: DecodedJwt): Check {
  const id = 'RFC9449-7.2-a';
  if (ownMember(claims, 'cnf') === undefined) return ok(id, 'it is bound to no key (cnf)');
  const remedy = 'have the server issue Bearer tokens to this client';
  return problem('error', id, {
    seen: 'it is bound to a key (cnf)',
    consequence: 'proof of possession is not supported: it is refused',
    remedy,
  });
}

/** What no row above has looked at, such as critical header members. */
async function asAWhole(token: string, jwt: DecodedJwt, context: TokenContext): Promise<Check[]> {
  const keys = keySetFor(jwt, context);
  const iss = ownMember(jwt.claims, 'iss');
  if (!keys || typeof iss !== 'string' || context.resource === undefined) return [];
  const trusted = {
    issuer: iss,
    keys,
    algorithms: new Set(SIGNATURE_ALGORITHMS),
    profile: PROFILE,
    claimNames: CLAIM_NAMES,
  } as const;
  const rules = { ...TIMES, audiences: new Set([context.resource, ...context.audiences]), reuseSeconds: 0 };
  try {
    await new JwtVerifier(trusted, rules, () => context.now).verify(token, jwt);
    return [ok('AS-11', 'the library accepts it as it is configured by default')];
  } catch (error) {
    const why = error instanceof McpAuthError ? error.message : 'it cannot be verified';
    return [
      problem('error', 'AS-11', {
        seen: why,
        consequence: REFUSED,
        remedy: 'have the server issue plain access tokens (RFC 9068)',
      }),
    ];
  }
}

function keysFor({ claims }: DecodedJwt, { keys, issuers }: TokenContext): readonly unknown[] | undefined {
  const iss = ownMember(claims, 'iss');
  return typeof iss === 'string' && issuers.includes(iss) ? keys.get(iss) : undefined;
}

function keySetFor(jwt: DecodedJwt, context: TokenContext): StaticKeySet | undefined {
  const keys = keysFor(jwt, context);
  return keys && new StaticKeySet({ keys: keys as JWK[] });
}

/** The reason why a check of the library refuses; undefined where it does not. */
function refusal(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error instanceof McpAuthError ? error.reason : 'malformed';
  }
}

function shown(members: DecodedJwt['claims'], name: string): string {
  const value = ownMember(members, name);
  return value === undefined ? 'missing' : showValue(value);
}

function time(claims: DecodedJwt['claims'], name: string, now: number): string {
  const value = ownMember(claims, name);
  if (typeof value !== 'number' || !Number.isFinite(value)) return shown(claims, name);
  const seconds = value - now / 1000;
  return seconds < 0 ? `${duration(-seconds)} ago` : `in ${duration(seconds)}`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 2 * HOUR) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * HOUR ? `${Math.round(seconds / HOUR)} h` : `${Math.round(seconds / HOUR / 24)} days`;
}
