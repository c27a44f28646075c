import type { DownstreamProduct } from '../options/downstream-product.js';
import type { IssuerPreset } from './preset.js';

/**
 * Facts about one product, from its documentation of November 2026. Each product has one file, with its preset and this
 * description. A description advises operators, and says with which grant tokens for other APIs are requested: it decides
 * nothing about a request that comes in.
 */
export interface Product {
  /** The heading of its section in docs/providers.md, and the beginning of each piece of advice. */
  readonly name: string;
  /** Whether an issuer has the form of this product's issuers; false for an issuer at a custom domain. */
  matches(issuer: URL): boolean;
  /** The function that users call. */
  readonly preset: (options: never) => IssuerPreset;
  readonly advice: ProductAdvice;
  readonly facts: ProductFacts;
  /** Undefined if it documents no grant for acting on behalf of a caller. */
  readonly downstream?: ProductDownstream;
}

/** How a server gets tokens for other APIs on behalf of its callers, as the product documents it. */
export interface ProductDownstream extends Omit<DownstreamProduct, 'name'> {
  /** The page of its documentation. */
  readonly see: string;
  /** Whether this server of the product has the grant; it has an issuer of the product. */
  isAt(issuer: URL): boolean;
  /** What names the API in requests. Markdown. */
  readonly target: string;
}

/**
 * What an operator must do in this product, by topic. Parts of sentences for logs and reports; undefined if the general
 * advice is enough.
 */
export interface ProductAdvice {
  /** Makes the metadata name the configured issuer. */
  readonly issuer?: string;
  /** Makes access tokens name this resource as their audience. */
  audience(resource: string): string;
  /** Gives clients a client ID. */
  readonly registration: string;
  /** Makes the metadata advertise PKCE. */
  readonly pkce?: string;
  /** Keeps clients from using the challenge method "plain". */
  readonly pkcePlain?: string;
  /** Keeps clients from using the implicit grant and the password grant. */
  readonly withdrawnGrants?: string;
  /** Lets this resource server introspect access tokens as the client with this ID. */
  introspection?(clientId: string): string;
  /** Makes authorization responses name the issuer. */
  readonly responseIssuer?: string;
  /** What its metadata does not say about tokens for other APIs, on behalf of a caller. */
  readonly exchange?: string;
  /**
   * What to do when it issues no token on behalf of a caller, by error code, or by the code beside it; instead of `exchange`. Never
   * by the description, which products change.
   */
  readonly exchangeRefused?: Readonly<Record<string, string>>;
  /** Makes access tokens name their user in `sub`. */
  readonly subject?: string;
}

/**
 * What this product supports, as the table of docs/providers.md shows it. Markdown, with the marks that the page explains:
 * `°` for a fact from another source, `?` for an unconfirmed one.
 */
export interface ProductFacts {
  /** The version or part of the product that the facts describe; undefined if there is only one. */
  readonly edition?: string;
  /** The location and form of its metadata. */
  readonly metadata: string;
  /** Whether its metadata advertises PKCE with S256. */
  readonly pkce: string;
  /** Dynamic client registration (RFC 7591). */
  readonly dynamicRegistration: string;
  readonly clientMetadataDocuments: string;
  /** The parameter `resource` (RFC 8707). */
  readonly resourceIndicators: string;
  /** The parameter `iss` of authorization responses (RFC 9207). */
  readonly responseIssuer: string;
  /** JWT or opaque. */
  readonly accessToken: string;
  /** The header `typ` of its access tokens. */
  readonly tokenType: string;
  /** Token introspection (RFC 7662). */
  readonly introspection: string;
}

/** Advice about registration for a product that does not let MCP clients register themselves. */
export const ENTER_CLIENT_ID = 'register a client yourself, and enter its ID in the MCP client';

/** Advice about PKCE for a product that never advertises it in its metadata. */
export const PKCE_NOT_ADVERTISED =
  'it does PKCE without advertising it, and no setting is known to change that: use clients that make an exception for it, or put an authorization server that advertises PKCE before it';
