import type { IssuerPreset } from './preset.js';

/**
 * What this library knows about one product, as its own documentation had it in November 2026. Each product has one file,
 * with its preset and its description. A description only advises operators: no request is decided by it.
 */
export interface Product {
  /** The heading of its section in docs/providers.md, and the beginning of each piece of advice. */
  readonly name: string;
  /** Whether an issuer looks like one of this product; false for an issuer at a custom domain. */
  matches(issuer: URL): boolean;
  /** The function that users call. */
  readonly preset: (options: never) => IssuerPreset;
  readonly advice: ProductAdvice;
  readonly facts: ProductFacts;
}

/**
 * What an operator has to do in this product, by topic. Parts of sentences for logs and reports. Undefined where the
 * general advice is enough.
 */
export interface ProductAdvice {
  /** So that the metadata names the configured issuer. */
  readonly issuer?: string;
  /** So that access tokens name this resource as their audience. */
  audience(resource: string): string;
  /** So that clients get a client ID. */
  readonly registration: string;
  /** So that the metadata advertises PKCE. */
  readonly pkce?: string;
  /** So that no client uses the challenge method "plain". */
  readonly pkcePlain?: string;
  /** So that no client uses the implicit grant or the password grant. */
  readonly withdrawnGrants?: string;
  /** So that this resource server may introspect access tokens, as the client of this ID. */
  introspection?(clientId: string): string;
  /** So that authorization responses name the issuer. */
  readonly responseIssuer?: string;
  /** So that access tokens name their user in `sub`. */
  readonly subject?: string;
}

/**
 * What this product supports, as the table of docs/providers.md shows it: Markdown, with the marks that the page explains
 * (`°` for a fact from somebody else, `?` for an unconfirmed one).
 */
export interface ProductFacts {
  /** Which version or part of the product the facts are about; undefined where there is only one. */
  readonly edition?: string;
  /** Where its metadata is. */
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
  /** RFC 7662. */
  readonly introspection: string;
}

/** Advice about registration for a product that lets no MCP client register itself. */
export const ENTER_CLIENT_ID = 'register a client yourself, and enter its ID in the MCP client';

/** Advice about PKCE for a product whose metadata never advertises it. */
export const PKCE_NOT_ADVERTISED =
  'it does PKCE without advertising it, and no setting is known to change that: use clients that make an exception for it, or put an authorization server that advertises PKCE before it';
