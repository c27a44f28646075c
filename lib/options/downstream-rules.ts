import { showValue } from '../core/safe-text.js';
import type { ResolvedAuthorizationServer } from './authorization-server-options.js';
import { requireTlsFor } from './client-certificate-option.js';
import type { DownstreamGrant, DownstreamRead, ResolvedDownstream } from './downstream-options.js';
import { grantOf, reviewAt, type DownstreamProductOf } from './downstream-product.js';
import type { IdentityProviderRead, ResolvedIdentityProvider } from './identity-provider-options.js';
import type { OptionReader } from './option-reader.js';

/**
 * Completes the APIs with what the options say about authorization servers.
 *
 * @param servers those of all resources
 * @param isOpen whether other issuers may be trusted, too: those that a function finds
 * @param productOf what is known of the product with an issuer
 */
export function resolveDownstream(
  option: OptionReader,
  entries: readonly DownstreamRead[],
  servers: readonly ResolvedAuthorizationServer[],
  isOpen: boolean,
  productOf: DownstreamProductOf,
): ResolvedDownstream[] {
  return entries.map(({ authorizationServer, auth, resource, audience, identityProvider, ...entry }) => {
    const at = option.atKey(entry.name);
    const issuer = authorizationServer ?? (entry.grant === 'id-jag' ? noIssuer(at) : onlyIssuer(at, servers, isOpen));
    const product = productOf(issuer);
    const grant = grantOf(at.at('grant'), entry.grant, product, issuer);
    refuseUnused(at, grant);
    checkSharedCache(at, entry.cacheSeconds);
    requireTlsFor(auth, at.at('tokenEndpoint'));
    refuseNoTarget(at, [...resource, ...audience, ...entry.scopes]);
    const subjectIssuers = entry.subjectIssuers ?? [issuer];
    if (sendsCaller(grant)) requireTrusted(at, subjectIssuers, servers, isOpen);
    if (grant === 'id-jag') checkIdentityProvider(at.at('identityProvider'), identityProvider, issuer);
    const api = { ...entry, grant, resources: resource, audiences: audience, issuer, subjectIssuers };
    if (product) reviewAt(at, product, api);
    return {
      ...api,
      authenticate: auth,
      server: serverOf(servers, issuer),
      identityProvider: identityProvider && completeIdentityProvider(identityProvider, servers),
    };
  });
}

/** Whether a request of this grant holds the access token of the caller. */
function sendsCaller(grant: DownstreamGrant): boolean {
  return grant === 'token-exchange' || grant === 'jwt-bearer';
}

function serverOf(
  servers: readonly ResolvedAuthorizationServer[],
  issuer: string,
): ResolvedAuthorizationServer | undefined {
  return servers.find((one) => one.issuer === issuer);
}

function completeIdentityProvider(
  { authorizationServer: issuer, auth, ...provider }: IdentityProviderRead,
  servers: readonly ResolvedAuthorizationServer[],
): ResolvedIdentityProvider {
  return { ...provider, issuer, server: serverOf(servers, issuer), authenticate: auth };
}

/** Refuses an API without identity provider, and one for which the identity provider would issue the tokens itself. */
function checkIdentityProvider(at: OptionReader, provider: IdentityProviderRead | undefined, issuer: string): void {
  if (provider) requireTlsFor(provider.auth, at.at('tokenEndpoint'));
  if (!at.isGiven) {
    const write = 'Write { authorizationServer: …, clientId: …, auth: …, subjectToken: … }';
    at.refuse({ why: 'the grant id-jag needs the identity provider that issues the ID-JAG', write });
  } else if (provider && issuer !== '' && provider.authorizationServer === issuer) {
    const why = 'it is the authorization server of the API, too, and none may accept an ID-JAG that it issued itself';
    const write = 'Write the two issuers, or choose the grant token-exchange if one server does both';
    at.at('authorizationServer').refuse({ why, write });
  }
}

/** Refuses an API in another domain of which nothing says who issues its tokens. */
function noIssuer(entry: OptionReader): string {
  const why = 'the grant id-jag needs it: it is the audience of the ID-JAG';
  entry.at('authorizationServer').refuse({ why, write: 'Write the issuer that issues tokens for the API' });
  return '';
}

/** The issuer that an entry without `authorizationServer` means; empty after a problem. */
function onlyIssuer(entry: OptionReader, servers: readonly ResolvedAuthorizationServer[], isOpen: boolean): string {
  const [issuer, ...others] = [...new Set(servers.map((server) => server.issuer))];
  if (issuer !== undefined && others.length === 0 && !isOpen) return issuer;
  const why = 'it is required unless exactly one issuer is trusted: the secret of the client is for one server alone';
  entry.at('authorizationServer').refuse({ why, write: 'Write the issuer that issues tokens for the API' });
  return '';
}

/** Refuses options that the grant has no use for. */
function refuseUnused(entry: OptionReader, grant: DownstreamGrant): void {
  const unused = [
    ...(sendsCaller(grant) ? [] : ['subjectIssuers', 'stepUpScopes']),
    ...(grant === 'id-jag' ? ['audience'] : ['identityProvider']),
    ...(grant === 'token-exchange' ? [] : ['actorToken']),
  ];
  for (const name of unused.filter((one) => entry.at(one).isGiven)) {
    const why = `the grant ${grant} has no use for it`;
    entry.at(name).refuse({ seen: 'a value', why, write: 'Remove it, or choose another grant' });
  }
}

/** Refuses to share tokens that no other replica could use. */
function checkSharedCache(entry: OptionReader, cacheSeconds: number): void {
  const option = entry.at('sharedCache');
  if (!option.isGiven) return;
  if (entry.at('dpop').value === true) {
    const why = 'with dpop: true, each process has a key of its own, so no other replica could use its tokens';
    option.refuse({ seen: 'a value', why, write: 'Write dpop: { privateKey } with the same key on every replica' });
  }
  if (cacheSeconds > 0) return;
  const why = 'with cacheSeconds: 0, no token is used again';
  option.refuse({ seen: 'a value', why, write: 'Remove it, or write a greater cacheSeconds' });
}

function refuseNoTarget(entry: OptionReader, targets: readonly string[]): void {
  if (targets.length > 0) return;
  const why = 'nothing says which API the token is for, so it would be for any';
  entry.refuse({ seen: 'no resource, audience or scopes', why, write: 'Write one of the three' });
}

/** Refuses issuers whose tokens this server does not accept: no caller could have a token of theirs. */
function requireTrusted(
  entry: OptionReader,
  issuers: readonly string[],
  servers: readonly ResolvedAuthorizationServer[],
  isOpen: boolean,
): void {
  for (const issuer of issuers) {
    if (issuer === '' || isOpen || servers.some((server) => server.issuer === issuer)) continue;
    const why = 'callers come with tokens of authorizationServers only, and this is not one of them';
    const write = 'Write the issuers of the callers whose tokens may be sent to that authorization server';
    entry.at('subjectIssuers').refuse({ seen: showValue(issuer), why, write });
  }
}
