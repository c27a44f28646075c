import { SIGNATURE_ALGORITHMS } from '../../issuer/algorithms.js';
import type { DecodedJwt } from '../../token/decoded-jwt.js';
import { checkHeader } from '../../token/jwt-verifier.js';
import { checkKind, isDeclaredAccessToken } from '../../token/token-kind.js';
import { memberText, ok, problem, type Check } from './check.js';
import { PROFILE, REFUSED, refusalOf } from './token-context.js';

export function kind({ header, claims }: DecodedJwt): Check {
  const id = 'RFC9068-4-a';
  const seen = memberText(header, 'typ');
  const reason = refusalOf(() => checkKind(header, claims, PROFILE));
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

export function algorithm({ header }: DecodedJwt): Check {
  const id = 'RFC8725-3.1-a';
  const seen = memberText(header, 'alg');
  const reason = refusalOf(() => checkHeader(header, new Set(SIGNATURE_ALGORITHMS)));
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
