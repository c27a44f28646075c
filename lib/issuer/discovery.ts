import { isRecord, ownMember } from '../core/record.js';
import { isLoopback, parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';
import { withinTime } from '../core/deadline.js';
import type { OutboundError } from './outbound-error.js';
import { fetchJsonObject, type Outbound } from './outbound.js';

/** The metadata of an authorization server, as published. Only the issuer is checked. */
export type AuthorizationServerMetadata = Readonly<Record<string, unknown>>;

/** Where to look for the metadata; `auto` is the order of the MCP specification. */
export type Discovery = 'auto' | 'oauth' | 'oidc' | { readonly url: string };

/** Repairs a document before it is used. If it throws, the document is not used. */
export type TransformMetadata = (document: unknown) => unknown;

/** The metadata was found, but cannot be used. */
export class MetadataError extends Error {
  override readonly name = 'MetadataError';
}

/** An endpoint was not asked, since the metadata that names it could not be fetched or used. The cause says why. */
export class MetadataUnavailableError extends Error {
  override readonly name = 'MetadataUnavailableError';

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : 'the metadata could not be fetched', { cause });
  }
}

/**
 * The URLs where the metadata of an issuer may be found, in the order in which MCP clients try them.
 * One trailing slash of the issuer is left out of the URL, but still counts when issuers are compared.
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

/**
 * Finds the metadata of an authorization server. If a URL answers 404, or something other than JSON, the next URL is tried. Any
 * other failure ends the search, since it does not show that the document is elsewhere.
 *
 * @throws {OutboundError} when no URL has a document, {@link MetadataError} when the document cannot be used.
 */
export async function discover(
  issuer: string,
  discovery: Discovery,
  outbound: Outbound,
  transform?: TransformMetadata,
): Promise<AuthorizationServerMetadata> {
  let failure: unknown;
  for (const url of metadataUrls(issuer, discovery)) {
    try {
      const document = await fetchJsonObject(url, outbound);
      return ofIssuer(issuer, transform ? await transformed(document, transform, issuer, outbound) : document);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/**
 * The URL of an endpoint in the metadata of an authorization server. Plain http is accepted on loopback only, and only if the
 * issuer itself is on loopback: an issuer elsewhere must not make this server ask, and trust, a service on its own machine.
 *
 * @throws {MetadataError} when the metadata does not name a URL that may be used.
 * @see OAuth 2.1 §1.5
 */
export function endpointIn(
  metadata: AuthorizationServerMetadata,
  member: string,
  issuer: string,
  /** Whether plain http is accepted beyond loopback. */
  allowInsecureHttp: boolean,
  /** Whether the metadata comes from the options, so that the application wrote the URL. */
  isConfigured = false,
): string {
  const endpoint = ownMember(metadata, member);
  const url = typeof endpoint === 'string' ? parseUrl(endpoint) : undefined;
  if (!url) {
    throw new MetadataError(`the metadata of ${issuer} names no ${member}`);
  }
  if (
    url.protocol === 'https:' ||
    (url.protocol === 'http:' && (allowInsecureHttp || isPlainOnLoopback(url, issuer, isConfigured)))
  ) {
    // The parsed form: a line break in the original would begin another entry in the log.
    return url.href;
  }
  const where = `the ${member} in the metadata of ${issuer} is not https, so it is not used`;
  if (url.protocol !== 'http:') throw new MetadataError(where);
  const why = isLoopback(url)
    ? 'plain http on this machine is accepted only of an issuer that is itself plain http on this machine'
    : 'plain http beyond this machine needs the option allowInsecureHttp';
  throw new MetadataError(`${where}: saw ${showValue(url.origin)}; ${why}`);
}

function isPlainOnLoopback(url: URL, issuer: string, isConfigured: boolean): boolean {
  const own = new URL(issuer);
  return isLoopback(url) && (isConfigured || (own.protocol === 'http:' && isLoopback(own)));
}

/**
 * Whether there is no document at a URL: a 3xx or 4xx except 429, or a page where JSON was expected (a single-page app answers
 * every path). Only an answer has a status.
 */
function isAbsent(error: unknown): boolean {
  const { status = NaN } = error as Partial<OutboundError>;
  return status !== 429 && status < 500;
}

/** @see RFC 8414 §3.3: a document that names another issuer must not be used. */
function ofIssuer(issuer: string, document: AuthorizationServerMetadata): AuthorizationServerMetadata {
  const named = ownMember(document, 'issuer');
  if (named === issuer) return document;
  const seen = showValue(named);
  throw new MetadataError(
    `the metadata of ${issuer} names another issuer (${seen}), so it is not used (RFC 8414 §3.3); if that is the one you mean, ` +
      'configure it as it is spelt there: a slash at the end counts',
  );
}

async function transformed(
  document: unknown,
  transform: TransformMetadata,
  issuer: string,
  outbound: Outbound,
): Promise<AuthorizationServerMetadata> {
  let result: unknown;
  try {
    result = await withinTime(() => transform(document), outbound);
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : 'it threw a value that is not an Error';
    throw new MetadataError(`transformMetadata failed for the metadata of ${issuer}: ${what}`, { cause });
  }
  if (isRecord(result)) return result;
  throw new MetadataError(`transformMetadata returned no object for the metadata of ${issuer}`);
}
