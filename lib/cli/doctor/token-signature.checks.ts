import type { JWK } from 'jose';
import { McpAuthError } from '../../core/error.js';
import { isRecord, ownMember } from '../../core/record.js';
import { SIGNATURE_ALGORITHMS } from '../../issuer/algorithms.js';
import { verifySignature } from '../../issuer/signature.js';
import { StaticKeySet } from '../../issuer/static-key-set.js';
import type { DecodedJwt } from '../../token/decoded-jwt.js';
import { JwtVerifier } from '../../token/jwt-verifier.js';
import { memberText, ok, problem, notVerifiable, type Check } from './check.js';
import { CLAIM_NAMES, PROFILE, REFUSED, TIMES, type TokenContext } from './token-context.js';

export function keyId(jwt: DecodedJwt, context: TokenContext): Check {
  const id = 'RFC7517-5-a';
  const keys = keysFor(jwt, context);
  const kid = ownMember(jwt.header, 'kid');
  const seen = memberText(jwt.header, 'kid');
  if (!keys) return notVerifiable(id, `${seen}; there are no keys to look it up in`);
  if (kid === undefined) {
    if (keys.length === 1) return ok(id, 'it names no key, and there is only one');
    return problem('note', id, {
      seen: 'it names no key (kid)',
      consequence: 'servers must try every published key',
      remedy: 'have the server name the key',
    });
  }
  if (keys.some((key) => isRecord(key) && ownMember(key, 'kid') === kid)) return ok(id, `${seen}, and is published`);
  const remedy = 'get a new token, if keys have been changed; else see that jwks_uri has the keys of this very server';
  return problem('error', id, { seen: `${seen}, which is not among the published keys`, consequence: REFUSED, remedy });
}

export async function signature(token: string, jwt: DecodedJwt, context: TokenContext): Promise<Check> {
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

/** Verifies the whole token: finds what no other row checks, such as critical header members. */
export async function asAWhole(token: string, jwt: DecodedJwt, context: TokenContext): Promise<Check[]> {
  const keys = keySetFor(jwt, context);
  const iss = ownMember(jwt.claims, 'iss');
  if (!keys || typeof iss !== 'string' || context.resource === undefined) return [];
  const trusted = {
    issuer: iss,
    keys,
    algorithms: new Set(SIGNATURE_ALGORITHMS),
    profile: PROFILE,
    claimNames: CLAIM_NAMES,
    scopeRules: { grants: [], scopesOf: undefined },
  } as const;
  const rules = {
    ...TIMES,
    audiences: new Set([context.resource, ...context.audiences]),
    bindings: new Set([...(context.dpop ? ['jkt'] : []), ...(context.acceptsCertificates ? ['x5t#S256'] : [])]),
    reuseSeconds: 0,
  };
  try {
    await new JwtVerifier(trusted, rules, () => context.now).verify(token, jwt);
    return [ok('AS-11', 'the library accepts it with its defaults')];
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
