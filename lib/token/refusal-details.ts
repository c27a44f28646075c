import { McpAuthError, type McpAuthReason } from '../core/error.js';
import { firstStated, namedClaim, ownClaim } from './claims.js';
import type { ClaimNames } from '../core/token-format.js';

type Members = Readonly<Record<string, unknown>>;

/** What is known about a refused token, and what it had to meet. */
export interface TokenFacts {
  /** The trusted issuer that the token was checked for. */
  readonly issuer: string;
  /** Whether the claims are verified: by the issuer, or by the application. */
  readonly isVerified: boolean;
  /** Whether the token is not a JWT, and nothing can be read from it. */
  readonly isOpaque?: boolean;
  /** Undefined if the token is not a JWT. */
  readonly header?: Members | undefined;
  readonly claims: Members;
  readonly claimNames: ClaimNames;
  readonly audiences: ReadonlySet<string>;
  /** The accepted algorithms, if there is a signature. */
  readonly algorithms?: ReadonlySet<string> | undefined;
}

/**
 * Adds to a refusal what the operator needs to fix it, and no other claim. Runs only after a token is refused, and in one
 * place, so that the checks need not collect these details.
 *
 * @returns the same error, for the caller to throw
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

/** The first of the claims that is a non-empty string. Never throws: the token is refused already. */
function firstText(claims: Members, names: readonly string[]): string | undefined {
  return names.map((name) => namedClaim(claims, name)).find((value) => typeof value === 'string' && value !== '') as
    | string
    | undefined;
}
