import type { Product } from '../product.js';

/**
 * What a finding means for MCP clients:
 *
 * - `error`: clients that follow the standards cannot sign in;
 * - `warning`: some clients cannot sign in;
 * - `note`: clients can sign in, but something could be better.
 */
export type FindingLevel = 'error' | 'warning' | 'note';

/** One fact about an authorization server that its operator should know, in sentences for logs and reports. */
export interface Finding {
  /** The rule that is broken. Several findings can have the same id. */
  readonly id: `AS-${string}`;
  readonly level: FindingLevel;
  /** What the metadata says. It is untrusted text, so it is shortened to one line. */
  readonly seen: string;
  /** Where clients will fail. */
  readonly consequence: string;
  /** How to repair it, in the terms of the product if that is known. */
  readonly remedy: string;
}

/** What a rule returns: a finding without the id, which the review adds. */
export type Remark = Omit<Finding, 'id'>;

/** The authorization server that a rule reviews. */
export interface ReviewedServer {
  /** Its metadata. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly issuer: string;
  /** Whether the issuer is on loopback, where plain http is accepted. */
  readonly isLocal: boolean;
  readonly product: Product | undefined;
}

/** The product's advice on this topic, or else the general advice. */
export function remedyIn(
  product: Product | undefined,
  topic: 'issuer' | 'pkce' | 'pkcePlain' | 'registration' | 'responseIssuer' | 'withdrawnGrants',
  otherwise: string,
): string {
  const advice = product?.advice[topic];
  return product && advice !== undefined ? `${product.name}: ${advice}` : otherwise;
}
