import { isLoopback, parseUrl } from '../core/resource.js';
import { fetchJsonObject, OutboundError, type OutboundLimits } from './outbound.js';

/** What is used of the metadata of an authorization server. */
export interface AuthorizationServerMetadata {
  readonly issuer: string;
  readonly jwks_uri: string;
}

/** Where to look for the metadata; `auto` is the order of the MCP specification. */
export type Discovery = 'auto' | 'oauth' | 'oidc' | { readonly url: string };

export interface DiscoveryOptions extends OutboundLimits {
  /** Whether the URL that is found may be plain http beyond loopback. */
  readonly allowInsecureHttp: boolean;
}

/** The metadata was found, and cannot be used. */
export class MetadataError extends Error {
  override readonly name = 'MetadataError';
}

/**
 * The URLs at which the metadata of an issuer may be found, in the order in which MCP clients try them.
 * One trailing slash of the issuer is left out of the URL; it still counts when issuers are compared.
 *
 * @see MCP 2026-07-28, Authorization, "Authorization Server Metadata Discovery"; RFC 8414 §3.1
 */
export function metadataUrls(issuer: string, discovery: Discovery): string[] {
  if (typeof discovery === 'object') return [discovery.url];
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const oauth = [`${origin}/.well-known/oauth-authorization-server${path}`];
  const oidc =
    path === ''
      ? [`${origin}/.well-known/openid-configuration`]
      : [`${origin}/.well-known/openid-configuration${path}`, `${origin}${path}/.well-known/openid-configuration`];
  if (discovery === 'oauth') return oauth;
  if (discovery === 'oidc') return oidc;
  return [...oauth, ...oidc];
}

/** Finds what is used of the metadata of an authorization server for verifying JWTs; see {@link discoverEndpoint}. */
export async function discover(
  issuer: string,
  discovery: Discovery,
  options: DiscoveryOptions,
): Promise<AuthorizationServerMetadata> {
  return { issuer, jwks_uri: await discoverEndpoint(issuer, 'jwks_uri', discovery, options) };
}

/**
 * Finds one URL in the metadata of an authorization server. A URL that answers 404, or something other than JSON, is passed
 * over for the next; any other failure ends the search, since it says nothing about where the document is.
 *
 * @throws {OutboundError} when no URL gave a document, {@link MetadataError} when it cannot be used.
 * @see RFC 8414 §3.3: a document that names another issuer must not be used.
 */
export async function discoverEndpoint(
  issuer: string,
  member: string,
  discovery: Discovery,
  options: DiscoveryOptions,
): Promise<string> {
  let failure: unknown;
  for (const url of metadataUrls(issuer, discovery)) {
    try {
      return endpointIn(await fetchJsonObject(url, options), member, issuer, options.allowInsecureHttp);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** A 4xx, or a page where JSON was expected (a single-page app answers every path): not the place to look. */
function isAbsent(error: unknown): boolean {
  return error instanceof OutboundError && error.status !== undefined && error.status !== 429 && error.status < 500;
}

function endpointIn(
  metadata: Record<string, unknown>,
  member: string,
  issuer: string,
  allowInsecureHttp: boolean,
): string {
  if (metadata['issuer'] !== issuer) {
    throw new MetadataError(`the metadata of ${issuer} names another issuer, so it is not used (RFC 8414 §3.3)`);
  }
  const endpoint = metadata[member];
  const url = typeof endpoint === 'string' ? parseUrl(endpoint) : undefined;
  if (!url) {
    throw new MetadataError(`the metadata of ${issuer} names no ${member}`);
  }
  const insecure = url.protocol === 'http:' && (allowInsecureHttp || isLoopback(url));
  if (url.protocol !== 'https:' && !insecure) {
    throw new MetadataError(`the ${member} in the metadata of ${issuer} is not https, so it is not used`);
  }
  // As it is parsed, not as it is spelt: it goes into the log, where a line break would begin another entry.
  return url.href;
}
