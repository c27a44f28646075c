import { ownMember } from '../../core/record.js';
import { showValue } from '../../core/safe-text.js';
import { exchangeAdvice } from '../../products/exchange-advice.js';
import { memberText, notVerifiable, ok, problem, textsAt, type Check } from './check.js';

type Document = Readonly<Record<string, unknown>>;

export const API_TOKEN_ROWS = ['AS-29', 'AS-30'];

/** The grants by which an MCP server gets tokens for other APIs on behalf of its callers, with what they are called. */
const ON_BEHALF: readonly (readonly [grant: string, name: string])[] = [
  ['urn:ietf:params:oauth:grant-type:token-exchange', 'token exchange'],
  ['urn:ietf:params:oauth:grant-type:jwt-bearer', 'jwt-bearer'],
];

/** The methods by which an MCP server with this library authenticates itself as a client. */
const METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
];

/** The default of `token_endpoint_auth_methods_supported` (RFC 8414 §2). */
const DEFAULT_METHODS = ['client_secret_basic'];

/** Checks what the metadata says about tokens for the APIs that an MCP server calls. Whether a client gets them, it cannot say. */
export function checkApiTokens(document: Document, issuer: string): Check[] {
  return [offersExchange(document, issuer), authenticatesServers(document)];
}

/** @see RFC 8693 §2.1; RFC 7523 §2.1 */
function offersExchange(document: Document, issuer: string): Check {
  const advice = exchangeAdvice(issuer);
  const known = advice === undefined ? '' : `. ${advice}`;
  if (!saysGrants(document)) {
    return notVerifiable('AS-29', `it does not say which grants it has (grant_types_supported)${known}`);
  }
  const grants = textsAt(document, 'grant_types_supported');
  const names = ON_BEHALF.flatMap(([grant, name]) => (grants.includes(grant) ? [name] : []));
  if (names.length === 0) {
    const why = 'it lists neither token exchange nor jwt-bearer, which are optional: tools call other APIs';
    return ok('AS-29', `${why} only with what those issue themselves${known}`);
  }
  return ok('AS-29', `it lists ${names.join(' and ')}; which clients may use it, metadata cannot say${known}`);
}

/** @see RFC 8414 §2 */
function authenticatesServers(document: Document): Check {
  const name = 'token_endpoint_auth_methods_supported';
  const isSaid = ownMember(document, name) !== undefined;
  const methods = isSaid ? textsAt(document, name) : DEFAULT_METHODS;
  const usable = METHODS.filter((method) => methods.includes(method));
  if (usable.length > 0) {
    const how = isSaid ? '' : `, the default where ${name} is missing`;
    return ok('AS-30', `an MCP server can authenticate as a client, by ${usable.join(', ')}${how}`);
  }
  const grants = textsAt(document, 'grant_types_supported');
  const seen = `${memberText(document, name)}, none of ${showValue(METHODS)}`;
  if (!ON_BEHALF.some(([grant]) => grants.includes(grant))) return notVerifiable('AS-30', `${seen}`);
  return problem('warning', 'AS-30', {
    seen: `${seen}, and it lists grants that need an authenticated client`,
    consequence: 'an MCP server cannot get tokens for other APIs',
    remedy: `let clients authenticate by one of ${METHODS.join(', ')}; if it does already, list them in ${name}`,
  });
}

/** Whether the metadata lists grants. Its default is known (RFC 8414 §2), but many servers leave the member out and have more. */
export function saysGrants(document: Document): boolean {
  return Array.isArray(ownMember(document, 'grant_types_supported'));
}
