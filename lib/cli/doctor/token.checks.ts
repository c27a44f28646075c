import { McpAuthError } from '../../core/error.js';
import { isRecord, ownMember } from '../../core/record.js';
import { decodeJwt, hasJwtForm, type DecodedJwt } from '../../token/decoded-jwt.js';
import { problem, notVerifiable, type Check } from './check.js';
import { BINDING_ROW, SCOPE_ROW, audience, binding, client, issuer, scopes, subject } from './token-claims.checks.js';
import type { TokenContext } from './token-context.js';
import { algorithm, kind } from './token-header.checks.js';
import { asAWhole, keyId, signature } from './token-signature.checks.js';
import { expiry, issuedAt, lifetime, notBefore } from './token-times.checks.js';

/** How the library judges the token: `opaque` if it is not a JWT, `unknown` if keys or audience are not known. */
export type TokenVerdict = 'accepted' | 'accepted, but lacks scopes' | 'refused' | 'opaque' | 'unknown';

export interface TokenReview {
  readonly checks: readonly Check[];
  readonly verdict: TokenVerdict;
}

/**
 * Checks a token claim by claim with the rules of the library. Shows only claims that may be public: neither the token,
 * nor its signature, nor any other claim.
 */
export async function reviewToken(token: string, context: TokenContext): Promise<TokenReview> {
  if (!hasJwtForm(token)) {
    const why = 'the token is not a signed JWT: only its authorization server can introspect it (option introspection)';
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

/** The thumbprint of the key to which a token says that it is bound by DPoP; undefined if it is opaque, or does not say so. */
export function thumbprintIn(token: string): string | undefined {
  const jwt = hasJwtForm(token) ? decoded(token) : undefined;
  if (!jwt || jwt instanceof McpAuthError) return undefined;
  const confirmation = ownMember(jwt.claims, 'cnf');
  const thumbprint = isRecord(confirmation) ? ownMember(confirmation, 'jkt') : undefined;
  return typeof thumbprint === 'string' ? thumbprint : undefined;
}

function verdictOf(checks: readonly Check[]): TokenVerdict {
  const errors = checks.filter(({ level }) => level === 'error');
  if (errors.some(({ id }) => id !== SCOPE_ROW)) return 'refused';
  if (checks.some(({ id, level }) => level === 'unseen' && ['RFC9068-4-d', 'RFC9068-4-c', BINDING_ROW].includes(id)))
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
