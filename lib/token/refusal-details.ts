import { McpAuthError, type McpAuthReason } from '../core/error.js';
import { firstStated, namedClaim, ownClaim } from './claims.js';
import type { ClaimNames } from '../core/token-format.js';

type Members = Readonly<Record<string, unknown>>;

/** What a refused token was held against. */
export interface TokenFacts {
  /** The trusted issuer by whose rules the token was judged. */
  readonly issuer: string;
  /** Whether the issuer itself said what stands in the claims. */
  readonly isVerified: boolean;
  /** Whether the token is no JWT, and says nothing of itself. */
  readonly isOpaque?: boolean;
  /** Undefined where the token is no JWT. */
  readonly header?: Members | undefined;
  readonly claims: Members;
  readonly claimNames: ClaimNames;
  readonly audiences: ReadonlySet<string>;
  /** Those accepted, where there is a signature. */
  readonly algorithms?: ReadonlySet<string> | undefined;
}

/**
 * Adds to a refusal what its operator needs to mend it, and no claim besides. Done only once a token is refused, and in
 * one place: what checks tokens has nothing to do with it.
 *
 * @returns the same error, to be thrown on
 */
export function withRefusalDetails(error: unknown, refused: TokenFacts): unknown {
  if (!(error instanceof McpAuthError)) return error;
  const { issuer, isVerified, isOpaque, claims, claimNames } = refused;
  const clientId = firstText(claims, claimNames.clientId);
  return error.explain(seenFor(error.reason, refused), { issuer, clientId, isVerified, isOpaque });
}

function seenFor(reason: McpAuthReason, { header = {}, claims, claimNames, ...refused }: TokenFacts): Members {
  switch (reason) {
    case 'audience_rejected':
      return { aud: firstStated(claims, claimNames.audience)?.value, expected: oneOrAll(refused.audiences) };
    case 'audience_missing':
      return { expected: oneOrAll(refused.audiences) };
    case 'issuer_unknown':
      return { iss: ownClaim(claims, 'iss'), expected: refused.issuer };
    case 'algorithm_rejected':
      return { alg: ownClaim(header, 'alg') ?? null, expected: oneOrAll(refused.algorithms ?? new Set()) };
    case 'type_rejected':
      return { typ: ownClaim(header, 'typ') ?? null };
    case 'key_unknown':
    case 'signature_invalid':
      return { alg: ownClaim(header, 'alg'), kid: ownClaim(header, 'kid') ?? null };
    case 'not_an_access_token':
      return { typ: ownClaim(header, 'typ') };
    default:
      return {};
  }
}

function oneOrAll(values: ReadonlySet<string>): string | string[] | undefined {
  const [first, ...others] = values;
  return others.length === 0 ? first : [...values];
}

/** Never throws: the token has been refused already. */
function firstText(claims: Members, names: readonly string[]): string | undefined {
  return names.map((name) => namedClaim(claims, name)).find((value) => typeof value === 'string' && value !== '') as
    | string
    | undefined;
}
