import type { Product } from '../product.js';

/**
 * What a finding means for MCP clients:
 *
 * - `error`: clients that follow the standards cannot sign in;
 * - `warning`: some cannot;
 * - `note`: they can, and something could be better.
 */
export type FindingLevel = 'error' | 'warning' | 'note';

/** One thing about an authorization server that its operator should know. Sentences for logs and reports. */
export interface Finding {
  /** The rule that is broken. Several findings may have the same one. */
  readonly id: `AS-${string}`;
  readonly level: FindingLevel;
  /** What the metadata says. Somebody else wrote it, so it is shortened and on one line. */
  readonly seen: string;
  /** Where clients will fail. */
  readonly consequence: string;
  /** How to repair it, in the terms of the product where it is a known one. */
  readonly remedy: string;
}

/** What a rule returns: a finding without the id, which the review adds. */
export type Remark = Omit<Finding, 'id'>;

/** The authorization server, as every rule gets it. */
export interface ReviewedServer {
  /** Its metadata. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly issuer: string;
  /** Whether the issuer is on loopback, where plain http is as good as https. */
  readonly isLocal: boolean;
  readonly product: Product | undefined;
}

/** The advice of the product, if it has any on this topic; otherwise the general one. */
export function remedyIn(
  product: Product | undefined,
  topic: 'issuer' | 'pkce' | 'pkcePlain' | 'registration' | 'responseIssuer' | 'withdrawnGrants',
  otherwise: string,
): string {
  const advice = product?.advice[topic];
  return product && advice !== undefined ? `${product.name}: ${advice}` : otherwise;
}
