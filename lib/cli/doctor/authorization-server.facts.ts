import { createHash, randomBytes } from 'node:crypto';
import { ownMember } from '../../core/record.js';
import { isLoopback, isSecureOrLocal, parseUrl } from '../../core/resource.js';
import { clientSecretBasic } from '../../issuer/client-authentication.js';
import { metadataUrls } from '../../issuer/discovery.js';
import { textsAt } from './check.js';
import { preflightRequest } from './cross-origin.js';
import type { Prober } from './prober.js';
import { registerClient, type RegistrationAnswers } from './registration.js';
import { documentOf, type ProbeResult } from './probe-result.js';

type Document = Readonly<Record<string, unknown>>;

/** What the MCP server says, as far as an authorization server has to do with it. */
export interface ResourceView {
  readonly url: string;
  /** That the metadata lists, and that the challenge asks for. */
  readonly scopes: readonly string[];
  /** That a client asks for first: those of the challenge, else those of the metadata. */
  readonly firstScopes: readonly string[];
  readonly acrValues: readonly string[];
  /** The metadata of the resource. */
  readonly document: Document;
}

/** What was asked for beyond looking. */
export interface ClientProbes {
  readonly clientId?: string | undefined;
  /** Only for an authorization server that the operator named: an MCP server may name anybody. */
  readonly clientSecret?: string | undefined;
  readonly redirectUri?: string | undefined;
  /** Whether to register a client. */
  readonly register: boolean;
}

/** What an authorization server answered. What was not asked, since nothing names it or nobody wanted it, is undefined. */
export interface AuthorizationServerFacts {
  readonly issuer: string;
  readonly isLocal: boolean;
  /** At each place where clients look for metadata, in their order. */
  readonly forms: readonly ProbeResult[];
  /** The one that clients use. Its members are believed only where it names this issuer. */
  readonly document: Document | undefined;
  readonly resource: ResourceView | undefined;
  readonly pageOrigin: string;
  readonly keys?: ProbeResult | undefined;
  /** Without credentials. */
  readonly introspection?: ProbeResult | undefined;
  readonly tokenPreflight?: ProbeResult | undefined;
  readonly twin?: ProbeResult | undefined;
  readonly registration?: RegistrationAnswers | undefined;
  /** With client credentials. */
  readonly token?: ProbeResult | undefined;
  readonly authorization?: AuthorizationAnswers | undefined;
}

/** How the authorization endpoint answers what it must refuse. */
export interface AuthorizationAnswers {
  /** An address that nobody has registered. */
  readonly unregistered: ProbeResult;
  readonly unregisteredUri: string;
  /** Undefined without a redirect URI that is registered. */
  readonly withoutPkce: ProbeResult | undefined;
  readonly plainPkce: ProbeResult | undefined;
}

/** An address of nobody, to which no code must be sent (RFC 6761 §6.4). */
const UNREGISTERED = 'https://nestjs-mcp-auth-doctor.invalid/callback';

/** Looks, and does beyond that only what was asked for. */
export async function gatherAuthorizationServer(
  prober: Prober,
  issuer: string,
  context: { readonly resource: ResourceView | undefined; readonly pageOrigin: string; readonly probes: ClientProbes },
): Promise<AuthorizationServerFacts> {
  const { resource, pageOrigin, probes } = context;
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
  const [keys, introspection, tokenPreflight, twin, registration, token, authorization] = await Promise.all([
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
  ]);
  return { ...facts, keys, introspection, tokenPreflight, twin, registration, token, authorization };
}

/** None for what is no URL. */
function placesOf(issuer: string): string[] {
  return parseUrl(issuer) ? metadataUrls(issuer, 'auto') : [];
}

function form(members: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) {
  const type = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
  return { method: 'POST', headers: { ...type, ...headers }, body: new URLSearchParams(members).toString() } as const;
}

/** What a client would ask for at its first sign-in; without an MCP server, what the authorization server has. */
function scopesOf(document: Document, resource: ResourceView | undefined): readonly string[] {
  return resource ? resource.firstScopes : textsAt(document, 'scopes_supported');
}

async function askForToken(
  prober: Prober,
  endpoint: string,
  { clientId, clientSecret }: ClientProbes,
  resource: ResourceView | undefined,
): Promise<ProbeResult | undefined> {
  if (clientId === undefined || clientSecret === undefined) return undefined;
  const url = parseUrl(endpoint);
  // An issuer that was named with http is asked, too; but with a secret, others could read it on the way.
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
