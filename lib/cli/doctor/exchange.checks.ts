import { isRecord, ownMember } from '../../core/record.js';
import { showValue } from '../../core/safe-text.js';
import { exchangeAdvice, exchangeAdviceAfter } from '../../products/exchange-advice.js';
import type { AuthorizationServerFacts } from './authorization-server.facts.js';
import { notVerifiable, ok, problem, type Check } from './check.js';
import { audiencesOf, TOKEN_EXCHANGE, type ExchangeAnswer, type IssuedFacts } from './exchange.facts.js';
import { describe, errorText, isPassing } from './probe-result.js';

const ID = 'AS-31';

const NEEDS =
  'needs an issuer as argument, --exchange, --client-id, the secret in MCP_AUTH_CLIENT_SECRET, and the token of a caller';

/** Checks the token that the authorization server issued for another API, or what it refused. */
export function checkExchange({ exchange, issuer }: AuthorizationServerFacts): Check[] {
  if (!exchange) return [notVerifiable(ID, NEEDS)];
  const { issued, seen, grant } = exchange;
  if (issued) return ofIssued(exchange, issued);
  if (isPassing(seen)) return [notVerifiable(ID, `${grant}: ${describe(seen)}`)];
  return [refused(exchange, issuer)];
}

/** The user must do something before this caller gets a token. */
const CONSENTS = ['consent_required', 'interaction_required', 'login_required'];

/** What to do about each error code (RFC 6749 §5.2, RFC 8693 §2.2.2, OpenID Connect Core 1.0 §3.1.2.6). */
const REMEDIES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    CONSENTS.map((code) => [code, 'let the user consent to the API; clients ask for that by the option stepUpScopes']),
  ),
  invalid_client: 'see that client ID and secret are right, and that the client authenticates by a secret',
  unauthorized_client: 'allow the client this grant',
  unsupported_grant_type: 'turn the grant on, or name the one that the server has: --exchange grant=jwt-bearer',
  access_denied: 'allow the client to get tokens for this API',
  invalid_target: 'name the API as the server knows it: --exchange audience=… or --exchange resource=…',
  invalid_scope: 'name scopes that the API has, and that the user has allowed the MCP client',
  invalid_grant: 'give a token that is still valid and was issued for the MCP server of this client',
  invalid_request:
    'give a token that is still valid and was issued for the MCP server of this client, and the parameters that the server wants',
};
function refused({ seen, grant }: ExchangeAnswer, issuer: string): Check {
  const code = codeIn(seen);
  const general =
    (code !== undefined && Object.hasOwn(REMEDIES, code) && REMEDIES[code]) || 'see the log of the server';
  const known = (code === undefined ? undefined : exchangeAdviceAfter(code, issuer)) ?? exchangeAdvice(issuer);
  return problem(code !== undefined && CONSENTS.includes(code) ? 'warning' : 'error', ID, {
    seen: `${grant}: ${describe(seen)}${errorText(seen)}`,
    consequence: 'the MCP server gets no token for the API on behalf of this caller',
    remedy: known === undefined ? general : `${general}. ${known}`,
  });
}

function codeIn(seen: ExchangeAnswer['seen']): string | undefined {
  if (seen.kind === 'no-answer') return undefined;
  try {
    const body: unknown = JSON.parse(seen.text);
    const code = isRecord(body) ? ownMember(body, 'error') : undefined;
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined;
  }
}

/** The problems of the token, or else a row that says what it is. */
function ofIssued(answer: ExchangeAnswer, issued: IssuedFacts): Check[] {
  if (issued.isCallers) return [isCallersOwn(answer)];
  const seen = `${answer.grant}: ${describeToken(issued)}`;
  const problems = [wrongType, wrongAudience, sharedAudience, withoutLifetime].flatMap((rule) =>
    rule(answer, issued, seen),
  );
  return problems.length > 0 ? problems : [ok(ID, seen)];
}

function describeToken({ tokenType, expiresIn, scope, claims }: IssuedFacts): string {
  const parts = [
    `token_type ${showValue(tokenType)}`,
    `expires_in ${showValue(expiresIn)}`,
    `scope ${showValue(scope ?? claims?.['scope'] ?? claims?.['scp'])}`,
    ...(claims ? [`aud ${showValue(claims.aud)}`, actorIn(claims['act'])] : ['not a JWT, so its audience is not seen']),
  ];
  return parts.join(', ');
}

/** @see RFC 8693 §4.1 */
function actorIn(act: unknown): string {
  return isRecord(act) ? `act.sub ${showValue(ownMember(act, 'sub'))}` : 'no act';
}

function isCallersOwn({ grant }: ExchangeAnswer): Check {
  return problem('error', ID, {
    seen: `${grant}: the answer is the token of the caller`,
    consequence: 'an MCP server must not pass this token on, and this library refuses the answer',
    remedy: 'let the server issue a token for the API instead',
  });
}

/** @see RFC 6749 §7.1, RFC 8693 §2.2.1 */
function wrongType({ grant }: ExchangeAnswer, { tokenType, issuedTokenType }: IssuedFacts, seen: string): Check[] {
  const isUsable = typeof tokenType === 'string' && ['bearer', 'dpop'].includes(tokenType.toLowerCase());
  const types = ['access_token', 'jwt'].map((name) => `urn:ietf:params:oauth:token-type:${name}`);
  const isNamed = grant !== TOKEN_EXCHANGE || types.some((type) => type === issuedTokenType);
  if (isUsable && isNamed) return [];
  const what = isUsable
    ? `issued_token_type is ${showValue(issuedTokenType)}`
    : `token_type is ${showValue(tokenType)}`;
  return [
    problem('error', ID, {
      seen: `${seen}: ${what}`,
      consequence: 'this library refuses the answer, because it must not use a token whose type it does not know',
      remedy: isUsable ? `answer with the issued_token_type ${types[0]}` : 'answer with the token_type Bearer or DPoP',
    }),
  ];
}

function wrongAudience({ named }: ExchangeAnswer, { claims }: IssuedFacts, seen: string): Check[] {
  const audiences = audiencesOf(claims);
  if (!claims || named.length === 0 || named.some((name) => audiences.includes(name))) return [];
  return [
    problem('warning', ID, {
      seen: `${seen}: its audience is none of ${showValue(named)}`,
      consequence: 'an API that checks the audience refuses the token, unless it goes by that other name',
      remedy: 'map the API to its audience in the authorization server, or let the API accept this one',
    }),
  ];
}

/** @see RFC 8725 §3.9 */
function sharedAudience({ callersAudiences }: ExchangeAnswer, { claims }: IssuedFacts, seen: string): Check[] {
  const shared = audiencesOf(claims).filter((one) => callersAudiences.includes(one));
  if (shared.length === 0) return [];
  return [
    problem('warning', ID, {
      seen: `${seen}: the token of the caller has the audience ${showValue(shared)}, too`,
      consequence: 'who gets one of the tokens can use it at both servers',
      remedy: 'give the MCP server and the API audiences of their own',
    }),
  ];
}

function withoutLifetime(_answer: ExchangeAnswer, { expiresIn }: IssuedFacts, seen: string): Check[] {
  if (expiresIn !== undefined) return [];
  return [
    problem('note', ID, {
      seen,
      consequence: 'your server cannot know how long the token is valid, so it does not remember the token for long',
      remedy: 'let the server answer with expires_in',
    }),
  ];
}
