import { parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';
import { GRANTS, type DownstreamGrant } from './downstream-options.js';
import type { OptionReader } from './option-reader.js';

/** The grants that send the access token of the caller. */
export type OnBehalfGrant = 'token-exchange' | 'jwt-bearer';

/** What a product documents about tokens for other APIs. The caller of `readOptions` passes the products. */
export interface DownstreamProduct {
  /** What messages call it. */
  readonly name: string;
  /** The grant with which a server gets a token for another API on behalf of its caller. */
  readonly grant: OnBehalfGrant;
  /** Finds what the product refuses, or does not read, in requests for tokens. */
  readonly review?: (api: ReviewedDownstream) => readonly DownstreamRemark[];
}

/** The product with this issuer; undefined if it is unknown, or documents nothing of such tokens. */
export type DownstreamProductOf = (issuer: string) => DownstreamProduct | undefined;

/** What a product looks at. */
export interface ReviewedDownstream {
  readonly issuer: string;
  /** Undefined if it comes from the metadata. */
  readonly tokenEndpoint: string | undefined;
  readonly grant: DownstreamGrant;
  readonly subjectIssuers: readonly string[];
  readonly resources: readonly string[];
  readonly audiences: readonly string[];
  readonly scopes: readonly string[];
}

/** Something that does not work with a product. */
export interface DownstreamRemark {
  readonly option: 'grant' | 'resource' | 'audience' | 'scopes';
  /** `refuse` if the product documents that no token is issued; `warn` if it might be. */
  readonly effect: 'refuse' | 'warn';
  readonly why: string;
  readonly write: string;
}

/** The grant as it was written, or else that of the product. */
export function grantOf(
  option: OptionReader,
  given: DownstreamGrant | undefined,
  product: DownstreamProduct | undefined,
  issuer: string,
): DownstreamGrant {
  if (given !== undefined) return given;
  if (product) return product.grant;
  // Without an issuer, which is reported already, nobody knows whether the grant is missing.
  if (issuer !== '') {
    const why = `it is required, since nothing is known of how ${showValue(issuer)} issues tokens for other APIs`;
    option.refuse({ why, write: `Write one of ${GRANTS.map((grant) => `"${grant}"`).join(', ')}` });
  }
  return GRANTS[0];
}

/** Reports what does not work with this product. Skips a token endpoint at another origin, which may belong to another product. */
export function reviewAt(entry: OptionReader, product: DownstreamProduct, api: ReviewedDownstream): void {
  const grant = entry.at('grant');
  const isUnknownGrant = grant.isGiven && grant.value !== api.grant;
  if (isUnknownGrant || !isOfSameOrigin(api)) return;
  for (const { option, effect, why, write } of [...otherGrant(product, api), ...(product.review?.(api) ?? [])]) {
    const at = entry.at(option);
    if (effect === 'refuse') at.refuse({ why, write });
    else at.warn(`is ${showValue(at.value)}: ${why}. ${write}`);
  }
}

function isOfSameOrigin({ issuer, tokenEndpoint }: ReviewedDownstream): boolean {
  return tokenEndpoint === undefined || parseUrl(tokenEndpoint)?.origin === parseUrl(issuer)?.origin;
}

/** Only a warning: such products may take assertions of other issuers, and one could be told to take its own tokens for these. */
function otherGrant(
  { name, grant }: DownstreamProduct,
  { issuer, grant: given, subjectIssuers }: ReviewedDownstream,
): DownstreamRemark[] {
  if (grant !== 'token-exchange' || given !== 'jwt-bearer' || !subjectIssuers.includes(issuer)) return [];
  const why = `${name} documents the grant token-exchange for its own tokens, and jwt-bearer at most for assertions of other issuers`;
  return [{ option: 'grant', effect: 'warn', why, write: 'Write "token-exchange", or leave it out' }];
}
