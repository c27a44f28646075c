import { decodeJwt, type JWTPayload } from 'jose';
import { isRecord, ownMember } from '../../core/record.js';
import { isSecureOrLocal, parseUrl } from '../../core/resource.js';
import { clientSecretBasic, clientSecretPost } from '../../issuer/client-authentication.js';
import { textsAt } from './check.js';
import type { Prober } from './prober.js';
import type { ProbeResult } from './probe-result.js';
import { Secrets } from './secrets.js';

/** The parameters of a request for a token of another API, as the command line names them. */
export const EXCHANGE_PARAMETERS = ['audience', 'resource', 'scope', 'grant'] as const;

export const TOKEN_EXCHANGE = 'token-exchange';
export const EXCHANGE_GRANTS: readonly string[] = [TOKEN_EXCHANGE, 'jwt-bearer'];

/** What the operator wants to exchange, and with which client. */
export interface ExchangeProbe {
  /** As the command line has them, in order. */
  readonly parameters: readonly (readonly [name: (typeof EXCHANGE_PARAMETERS)[number], value: string])[];
  /** The access token of a caller. */
  readonly token: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** The answer to an exchange, without any token. */
export interface ExchangeAnswer {
  readonly grant: string;
  /** The audiences and resources that the request named. */
  readonly named: readonly string[];
  /** Its body is empty if a token was issued. */
  readonly seen: ProbeResult;
  /** Undefined if no token was issued. */
  readonly issued: IssuedFacts | undefined;
  /** The audiences of the token of the caller; empty if it is not a JWT. */
  readonly callersAudiences: readonly string[];
}

/** What is known of the token that was issued. Contains neither the token nor a part of its signature. */
export interface IssuedFacts {
  /** Whether the answer is the token of the caller. */
  readonly isCallers: boolean;
  readonly tokenType: unknown;
  readonly issuedTokenType: unknown;
  readonly expiresIn: unknown;
  readonly scope: unknown;
  /** Undefined for an opaque token. */
  readonly claims: JWTPayload | undefined;
}

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** Requests one token for an API with the token of a caller. The secret and the token go to this endpoint alone, never over plain http. */
export async function requestExchange(
  prober: Prober,
  endpoint: string,
  document: Readonly<Record<string, unknown>>,
  probe: ExchangeProbe,
): Promise<ExchangeAnswer> {
  const grant = probe.parameters.find(([name]) => name === 'grant')?.[1] ?? TOKEN_EXCHANGE;
  const named = probe.parameters.flatMap(([name, value]) => (isTarget(name) ? [value] : []));
  const facts = { grant, named, callersAudiences: audiencesOf(claimsOf(probe.token)) };
  const url = parseUrl(endpoint);
  if (!url || !isSecureOrLocal(url)) {
    return {
      ...facts,
      seen: { kind: 'no-answer', url: endpoint, why: 'not asked: it is not https' },
      issued: undefined,
    };
  }
  const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' });
  const form = new URLSearchParams(tokensOf(grant, probe.token));
  for (const [name, value] of probe.parameters) if (name !== 'grant') form.append(name, value);
  const methods = textsAt(document, 'token_endpoint_auth_methods_supported');
  const isPost = methods.includes('client_secret_post') && !methods.includes('client_secret_basic');
  const authenticate = (isPost ? clientSecretPost : clientSecretBasic)(probe.clientSecret);
  await authenticate({ issuer: endpoint }, { client_id: probe.clientId }, form, headers);
  const request = { method: 'POST', headers: Object.fromEntries(headers), body: form.toString() } as const;
  const { seen, body } = await prober.sendForToken(endpoint, request);
  return { ...facts, seen, issued: body && issuedIn(body, probe.token) };
}

const isTarget = (name: string): boolean => name === 'audience' || name === 'resource';

/** @see RFC 8693 §2.1; for jwt-bearer, the on-behalf-of flow of Entra ID */
function tokensOf(grant: string, token: string): Record<string, string> {
  if (grant !== TOKEN_EXCHANGE) {
    const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    return { grant_type: grantType, assertion: token, requested_token_use: 'on_behalf_of' };
  }
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: ACCESS_TOKEN,
    requested_token_type: ACCESS_TOKEN,
  };
}

function issuedIn(body: Readonly<Record<string, unknown>>, callers: string): IssuedFacts | undefined {
  const token = ownMember(body, 'access_token');
  if (typeof token !== 'string' || token === '') return undefined;
  const secrets = new Secrets([token]);
  const said = (member: string): unknown => withoutSecrets(ownMember(body, member), secrets);
  return {
    isCallers: token === callers,
    tokenType: said('token_type'),
    issuedTokenType: said('issued_token_type'),
    expiresIn: said('expires_in'),
    scope: said('scope'),
    claims: claimsOf(token),
  };
}

/** The value without a token that the server repeats in it. Objects are never shown. */
function withoutSecrets(value: unknown, secrets: Secrets): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutSecrets(one, secrets));
  return typeof value === 'string' ? secrets.removeFrom(value) : value;
}

function claimsOf(token: string): JWTPayload | undefined {
  try {
    const claims = decodeJwt(token);
    return isRecord(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

/** The audiences in claims; empty without any. */
export function audiencesOf(claims: JWTPayload | undefined): string[] {
  return [claims?.aud ?? []].flat().filter((one) => typeof one === 'string');
}
