import { createHash, randomBytes } from 'node:crypto';
import { ownMember } from '../../core/record.js';
import { isLoopback, isSecureOrLocal, parseUrl } from '../../core/resource.js';
import { clientSecretBasic } from '../../issuer/client-authentication.js';
import { metadataUrls } from '../../issuer/discovery.js';
import { textsAt } from './check.js';
import { preflightRequest } from './cross-origin.js';
import type { DpopOffer } from './dpop-offer.js';
import { requestExchange, type ExchangeAnswer, type ExchangeProbe } from './exchange.facts.js';
import type { Prober } from './prober.js';
import { registerClient, SOME_SCOPE, type RegistrationAnswers } from './registration.js';
import { documentOf, type ProbeResult } from './probe-result.js';

type Document = Readonly<Record<string, unknown>>;

/** The facts of the MCP server that concern an authorization server. */
export interface ResourceView {
  readonly url: string;
  /** The scopes in metadata and challenge. */
  readonly scopes: readonly string[];
  /** The scopes that a client requests first: those of the challenge, else those of the metadata. */
  readonly firstScopes: readonly string[];
  readonly acrValues: readonly string[];
  /** What the MCP server says about tokens that are bound to a key. */
  readonly dpop?: DpopOffer | undefined;
  /** The metadata of the resource. */
  readonly document: Document;
}

/** Tests that the operator requested in addition. */
export interface ClientProbes {
  readonly clientId?: string | undefined;
  /** Sent only to an authorization server that the operator named: an MCP server may name any. */
  readonly clientSecret?: string | undefined;
  readonly redirectUri?: string | undefined;
  /** Whether to register a client. */
  readonly register: boolean;
  /** Which token to request with that of a caller. Only for an authorization server that the operator named. */
  readonly exchange?: ExchangeProbe | undefined;
}

/** The answers of an authorization server; undefined for requests that no metadata names or the operator did not want. */
export interface AuthorizationServerFacts {
  readonly issuer: string;
  readonly isLocal: boolean;
  /** The answer at each URL where clients look for metadata, in their order. */
  readonly forms: readonly ProbeResult[];
  /** The metadata that clients use. Its members count only if it names this issuer. */
  readonly document: Document | undefined;
  readonly resource: ResourceView | undefined;
  readonly pageOrigin: string;
  readonly keys?: ProbeResult | undefined;
  /** The answer to introspection without credentials. */
  readonly introspection?: ProbeResult | undefined;
  readonly tokenPreflight?: ProbeResult | undefined;
  readonly twin?: ProbeResult | undefined;
  readonly registration?: RegistrationAnswers | undefined;
  /** The answer to the client credentials grant. */
  readonly token?: ProbeResult | undefined;
  readonly authorization?: AuthorizationAnswers | undefined;
  /** The answer to the exchange that the operator wants. */
  readonly exchange?: ExchangeAnswer | undefined;
}

/** The answers of the authorization endpoint to requests that it must refuse. */
export interface AuthorizationAnswers {
  /** The answer to a redirect URI that the client has not registered. */
  readonly unregistered: ProbeResult;
  readonly unregisteredUri: string;
  /** Undefined if the operator named no registered redirect URI. */
  readonly withoutPkce: ProbeResult | undefined;
  readonly plainPkce: ProbeResult | undefined;
}

/** A redirect URI to which no code may be sent. Its host cannot exist (RFC 6761 §6.4). */
const UNREGISTERED = 'https://nestjs-mcp-auth-doctor.invalid/callback';

/** Sends the requests to an authorization server. Changes nothing on it, except for the probes that the operator wants. */
export async function gatherAuthorizationServer(
  prober: Prober,
  issuer: string,
  context: { readonly resource: ResourceView | undefined; readonly pageOrigin: string; readonly probes: ClientProbes },
): Promise<AuthorizationServerFacts> {
  const { resource, pageOrigin, probes } = context;
  const { exchange: wanted } = probes;
  const forms = await Promise.all(placesOf(issuer).map((url) => prober.get(url, { origin: pageOrigin })));
  const document = forms.map(documentOf).find((one) => one !== undefined);
  const url = parseUrl(issuer);
  const facts = { issuer, isLocal: url !== undefined && isLoopback(url), forms, document, resource, pageOrigin };
  // RFC 8414 §3.3: a document that names another issuer must not be used.
  if (!document || ownMember(document, 'issuer') !== issuer) return facts;
  const at = <T>(name: string, ask: (url: string) => Promise<T>): Promise<T> | undefined => {
    const endpoint = ownMember(document, name);
    return typeof endpoint === 'string' ? ask(endpoint) : undefined;
  };
  const [keys, introspection, tokenPreflight, twin, registration, token, authorization, exchange] = await Promise.all([
    at('jwks_uri', (endpoint) => prober.get(endpoint, { origin: pageOrigin })),
    at('introspection_endpoint', (endpoint) =>
      prober.send(endpoint, form({ token: 'nestjs-mcp-auth-doctor-no-such-token' })),
    ),
    at('token_endpoint', (endpoint) => prober.send(endpoint, preflightRequest(pageOrigin, 'POST', 'content-type'))),
    prober.plainTwin(issuer),
    probes.register
      ? at('registration_endpoint', (endpoint) => registerClient(prober, endpoint, scopesOf(document, resource)))
      : undefined,
    at('token_endpoint', (endpoint) => askForToken(prober, endpoint, probes, resource)),
    at('authorization_endpoint', (endpoint) => tryAuthorization(prober, endpoint, probes)),
    wanted && at('token_endpoint', (endpoint) => requestExchange(prober, endpoint, document, wanted)),
  ]);
  return { ...facts, keys, introspection, tokenPreflight, twin, registration, token, authorization, exchange };
}

/** The URLs where clients look for metadata; empty if the issuer is not a URL. */
function placesOf(issuer: string): string[] {
  return parseUrl(issuer) ? metadataUrls(issuer, 'auto') : [];
}

function form(members: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) {
  const type = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
  return { method: 'POST', headers: { ...type, ...headers }, body: new URLSearchParams(members).toString() } as const;
}

/**
 * The scopes of a first sign-in. Without an MCP server, one scope that the authorization server supports: no client asks for
 * all of them, and a policy may refuse some to clients that register themselves.
 */
function scopesOf(document: Document, resource: ResourceView | undefined): readonly string[] {
  if (resource) return resource.firstScopes;
  const supported = textsAt(document, 'scopes_supported');
  return supported.includes(SOME_SCOPE) ? [SOME_SCOPE] : supported.slice(0, 1);
}

async function askForToken(
  prober: Prober,
  endpoint: string,
  { clientId, clientSecret }: ClientProbes,
  resource: ResourceView | undefined,
): Promise<ProbeResult | undefined> {
  if (clientId === undefined || clientSecret === undefined) return undefined;
  const url = parseUrl(endpoint);
  // The operator may name an issuer with http, but a secret that is sent there could be read on the way.
  if (!url || !isSecureOrLocal(url)) return { kind: 'no-answer', url: endpoint, why: 'not asked: it is not https' };
  const headers = new Headers();
  await clientSecretBasic(clientSecret)({ issuer: endpoint }, { client_id: clientId }, new URLSearchParams(), headers);
  const members = { grant_type: 'client_credentials', ...(resource && { resource: resource.url }) };
  return prober.send(endpoint, form(members, { authorization: headers.get('authorization') ?? '' }));
}

async function tryAuthorization(
  prober: Prober,
  endpoint: string,
  { clientId, redirectUri }: ClientProbes,
): Promise<AuthorizationAnswers | undefined> {
  const url = parseUrl(endpoint);
  if (clientId === undefined || !url) return undefined;
  const ask = (members: Readonly<Record<string, string>>): Promise<ProbeResult> => {
    const request = new URL(url);
    const all = {
      response_type: 'code',
      client_id: clientId,
      state: randomBytes(16).toString('base64url'),
      ...members,
    };
    for (const [name, value] of Object.entries(all)) request.searchParams.set(name, value);
    return prober.get(request.href, { accept: 'text/html' });
  };
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const [unregistered, withoutPkce, plainPkce] = await Promise.all([
    ask({ redirect_uri: UNREGISTERED, code_challenge: challenge, code_challenge_method: 'S256' }),
    redirectUri === undefined ? undefined : ask({ redirect_uri: redirectUri }),
    redirectUri === undefined
      ? undefined
      : ask({ redirect_uri: redirectUri, code_challenge: verifier, code_challenge_method: 'plain' }),
  ]);
  return { unregistered, unregisteredUri: UNREGISTERED, withoutPkce, plainPkce };
}
