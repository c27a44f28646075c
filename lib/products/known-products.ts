import { parseUrl } from '../core/resource.js';
import type { DownstreamProduct } from '../options/downstream-product.js';
import { AUTH0 } from './auth0.js';
import { COGNITO } from './cognito.js';
import { DESCOPE } from './descope.js';
import { ENTRA_ID } from './entra-id.js';
import { GOOGLE } from './google.js';
import { KEYCLOAK } from './keycloak.js';
import { LOGTO } from './logto.js';
import { OKTA } from './okta.js';
import type { Product } from './product.js';
import { SCALEKIT } from './scalekit.js';
import { STYTCH } from './stytch.js';
import { SUPABASE } from './supabase.js';
import { WORKOS } from './workos.js';

/** All products, in the order of docs/providers.md. */
export const PRODUCTS: readonly Product[] = [
  AUTH0,
  KEYCLOAK,
  ENTRA_ID,
  OKTA,
  COGNITO,
  LOGTO,
  WORKOS,
  DESCOPE,
  STYTCH,
  SCALEKIT,
  SUPABASE,
  GOOGLE,
];

/** The product with issuers of this form; undefined for an unknown product, for a custom domain, and without an issuer. */
export function productOf(issuer: string | undefined): Product | undefined {
  const url = issuer === undefined ? undefined : parseUrl(issuer);
  return url && PRODUCTS.find((product) => product.matches(url));
}

/** What the product with this issuer documents of tokens for other APIs; undefined if it is unknown, or documents nothing. */
export function downstreamProductOf(issuer: string): DownstreamProduct | undefined {
  const product = productOf(issuer);
  if (!product?.downstream?.isAt(new URL(issuer))) return undefined;
  return { name: product.name, ...product.downstream };
}
