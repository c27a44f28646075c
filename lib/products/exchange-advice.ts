import { productOf } from './known-products.js';

/**
 * What the product with this issuer needs to issue tokens for other APIs on behalf of callers, with its name before it; undefined if
 * it is unknown, or nothing is.
 */
export function exchangeAdvice(issuer: string): string | undefined {
  const product = productOf(issuer);
  return product?.advice.exchange && `${product.name}: ${product.advice.exchange}`;
}

/** What it needs after this error code, or the code beside it, in particular; undefined if nothing is known of it. */
export function exchangeAdviceAfter(code: string, issuer: string): string | undefined {
  const product = productOf(issuer);
  const { exchangeRefused = {} } = product?.advice ?? {};
  return product && Object.hasOwn(exchangeRefused, code) ? `${product.name}: ${exchangeRefused[code]}` : undefined;
}
