import { ownMember } from '../../core/record.js';
import { showValue } from '../../core/safe-text.js';
import { CLIENT_ID_CLAIMS } from '../../core/token-format.js';
import { productOf } from '../../products/known-products.js';
import { checkBinding } from '../../token/token-kind.js';
import { checkAudience, stringClaim } from '../../token/claims.js';
import { scopesOf } from '../../token/granted-scopes.js';
import type { DecodedJwt } from '../../token/decoded-jwt.js';
import { memberText, ok, problem, notVerifiable, type Check } from './check.js';
import { CLAIM_NAMES, REFUSED, refusalOf, type TokenContext } from './token-context.js';

/** The row about scopes. A token that lacks a scope is still valid. */
export const SCOPE_ROW = 'OA21-5.2-a';

/** The row about what a token is bound to. */
export const BINDING_ROW = 'RFC9449-7.2-a';

export function issuer({ claims }: DecodedJwt, { issuers }: TokenContext): Check {
  const id = 'RFC9068-4-b';
  const iss = ownMember(claims, 'iss');
  const seen = memberText(claims, 'iss');
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

/** @see RFC 8707 §2 */
export function audience({ claims }: DecodedJwt, { resource, audiences }: TokenContext): Check {
  const id = 'RFC9068-4-c';
  const seen = memberText(claims, 'aud');
  if (resource === undefined) return notVerifiable(id, `${seen}; whether that is right depends on the MCP server`);
  const reason = refusalOf(() => void checkAudience(claims, new Set([resource, ...audiences])));
  if (reason === undefined) return ok(id, seen);
  const iss = ownMember(claims, 'iss');
  const product = typeof iss === 'string' ? productOf(iss) : undefined;
  const otherwise = `have the server put ${showValue(resource)} into aud; clients ask for it with the parameter resource, which servers that have no resource indicators ignore`;
  const remedy = product ? `${product.name}: ${product.advice.audience(resource)}` : otherwise;
  return problem('error', id, { seen: `${seen}, and not ${showValue(resource)}`, consequence: REFUSED, remedy });
}

export function client({ claims }: DecodedJwt): Check {
  return party('client', CLIENT_ID_CLAIMS, claims);
}

export function subject({ claims }: DecodedJwt): Check {
  return party('subject', ['sub'], claims);
}

function party(what: string, names: readonly string[], claims: DecodedJwt['claims']): Check {
  const id = 'RFC9068-2.2-a';
  let value: string | undefined;
  const reason = refusalOf(() => {
    value = stringClaim(claims, names);
  });
  if (reason !== undefined)
    return problem('error', id, {
      seen: `its ${what} is not a string`,
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

export function scopes({ claims }: DecodedJwt, { scopes: needed }: TokenContext): Check {
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

/** @see RFC 7800 §3.1, RFC 9449 §7.2, RFC 8705 §3 */
export function binding({ claims }: DecodedJwt, context: TokenContext): Check {
  const { dpop, resource } = context;
  const id = BINDING_ROW;
  const isUnbound = refusalOf(() => checkBinding(claims, new Set())) === undefined;
  if (isUnbound) return dpop?.isRequired ? unbound(id) : ok(id, 'it is bound to no key (cnf)');
  if (refusalOf(() => checkBinding(claims, new Set(['jkt', 'x5t#S256']))) !== undefined)
    return boundOtherwise(id, claims);
  if (refusalOf(() => checkBinding(claims, new Set(['jkt']))) !== undefined) return boundToCertificate(id, context);
  if (dpop || resource === undefined) return ok(id, 'it is bound to a key by DPoP (cnf.jkt)');
  return problem('error', id, {
    seen: 'it is bound to a key by DPoP (cnf.jkt), and the MCP server does not say that it accepts such tokens',
    consequence: REFUSED,
    remedy: 'let the MCP server accept DPoP (option dpop), or have the server issue Bearer tokens to this client',
  });
}

function boundToCertificate(id: string, { acceptsCertificates, resource }: TokenContext): Check {
  const seen = 'it is bound to a certificate (cnf.x5t#S256)';
  if (acceptsCertificates || resource === undefined)
    return notVerifiable(id, `${seen}, and the doctor has none to show`);
  return problem('error', id, {
    seen: `${seen}, and the MCP server does not say that it accepts such tokens`,
    consequence: REFUSED,
    remedy:
      'let the MCP server accept mutual TLS (option mutualTls), or have the server issue Bearer tokens to this client',
  });
}

function unbound(id: string): Check {
  return problem('error', id, {
    seen: 'it is bound to no key (cnf), and the MCP server requires that',
    consequence: REFUSED,
    remedy: 'turn on DPoP for this client at the authorization server, and let the client ask with a proof',
  });
}

function boundOtherwise(id: string, claims: DecodedJwt['claims']): Check {
  const hasKey = ownMember(claims, 'cnf') !== undefined;
  return problem('error', id, {
    seen: hasKey
      ? 'it is bound to a certificate or a key that cnf does not name by its thumbprint (jkt, x5t#S256)'
      : 'it says that it is bound to a key, and cnf does not say to which',
    consequence: 'nobody can prove to be its holder: it is refused',
    remedy: 'have the server issue tokens with cnf.jkt or cnf.x5t#S256, or Bearer tokens, to this client',
  });
}
