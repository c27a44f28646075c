import { compactVerify, type CryptoKey } from 'jose';
import { invalidToken, McpAuthError } from '../core/error.js';
import type { KeyInput, KeySet } from '../issuer/keys.js';
import { checkAudience, checkTimes, ownClaim, scopesOf, stringClaim, type ClaimNames, type TimeRules } from './claims.js';
import { decodeJwt, type DecodedJwt } from './decode.js';
import { checkKind, type JwtProfile } from './profile.js';
import { TokenVerifier, type VerifiedToken } from './verifier.js';

/** An issuer whose tokens one resource accepts, with the rules that hold for it alone. */
export interface TrustedIssuer {
  /** Compared code point by code point. */
  readonly issuer: string;
  readonly keys: KeySet;
  /** Asymmetric signature algorithms; the header of the token chooses among these only. */
  readonly algorithms: ReadonlySet<string>;
  readonly profile: JwtProfile;
  readonly claimNames: ClaimNames;
}

export interface JwtRules extends TimeRules {
  /** Accepted audiences; never empty. */
  readonly audiences: ReadonlySet<string>;
}

/** Seconds a client is asked to wait when the keys of an issuer cannot be had. */
const RETRY_AFTER_SECONDS = 5;

/** Longest `kid` that is looked up, in characters. */
const MAX_KID_LENGTH = 1024;

/**
 * Verifies JWT access tokens. Cheap checks come first, so that a token that is refused anyway costs neither a
 * signature nor a request to the issuer; what they read is believed only after the signature was verified.
 * Does not check scopes, revocation, or proof of possession: a token bound to a key is refused.
 *
 * @see RFC 9068 §4, RFC 8725 §3
 */
export class JwtVerifier extends TokenVerifier {
  readonly #issuers: ReadonlyMap<string, TrustedIssuer>;

  constructor(
    issuers: readonly TrustedIssuer[],
    private readonly rules: JwtRules,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    super();
    this.#issuers = new Map(issuers.map((trusted) => [trusted.issuer, trusted]));
  }

  override async verify(token: string): Promise<VerifiedToken> {
    const jwt = decodeJwt(token);
    const trusted = this.#issuerOf(jwt);
    checkHeader(jwt.header, trusted.algorithms);
    checkKind(jwt.header, jwt.claims, trusted.profile);
    const expiresAt = checkTimes(jwt.claims, this.now() / 1000, this.rules);
    const audience = checkAudience(jwt.claims, this.rules.audiences, trusted.claimNames.audience);
    if (ownClaim(jwt.claims, 'cnf') !== undefined) throw invalidToken('sender_constrained');
    const identity = identify(jwt, trusted.claimNames);
    await verifySignature(token, trusted);
    return { issuer: trusted.issuer, ...identity, audience, expiresAt, claims: jwt.claims };
  }

  #issuerOf({ claims }: DecodedJwt): TrustedIssuer {
    const issuer = ownClaim(claims, 'iss');
    const trusted = typeof issuer === 'string' ? this.#issuers.get(issuer) : undefined;
    if (!trusted) throw invalidToken('issuer_unknown');
    return trusted;
  }
}

/**
 * Key material and locations in the header (`jwk`, `jku`, `x5c`, `x5u`) are not read at all, here or later.
 *
 * @see RFC 7515 §4.1.11 for `crit`: no extension is understood, so none may be critical; RFC 8725 §3.1, §3.10
 */
function checkHeader(header: DecodedJwt['header'], algorithms: ReadonlySet<string>): void {
  const algorithm = ownClaim(header, 'alg');
  if (typeof algorithm !== 'string' || !algorithms.has(algorithm)) throw invalidToken('algorithm_rejected');
  const kid = ownClaim(header, 'kid');
  const kidIsUsable = kid === undefined || (typeof kid === 'string' && kid.length <= MAX_KID_LENGTH);
  if (!kidIsUsable || Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) {
    throw invalidToken('header_rejected');
  }
  // A nested token (RFC 7519 §5.2) is not looked into.
  const contentType = ownClaim(header, 'cty');
  if (typeof contentType === 'string' && contentType.toLowerCase() === 'jwt') throw invalidToken('header_rejected');
}

function identify({ claims }: DecodedJwt, names: ClaimNames): Pick<VerifiedToken, 'subject' | 'clientId' | 'scopes'> {
  const subject = stringClaim(claims, names.subject);
  const clientId = stringClaim(claims, names.clientId);
  if (subject === undefined && clientId === undefined) throw invalidToken('no_principal');
  return { subject, clientId, scopes: scopesOf(claims, names) };
}

async function verifySignature(token: string, { keys, algorithms }: TrustedIssuer): Promise<void> {
  const options = { algorithms: [...algorithms] };
  let candidates: readonly CryptoKey[] = [];
  // The first candidate goes through jose's own key function, which is handed the header as jose parsed it.
  const choose = async (...input: KeyInput): Promise<CryptoKey> => {
    candidates = await candidateKeys(keys, input);
    const [first] = candidates;
    if (!first) throw invalidToken('key_unknown');
    return first;
  };
  try {
    await compactVerify(token, choose, options);
  } catch (error) {
    if (error instanceof McpAuthError) throw error;
    for (const key of candidates.slice(1)) {
      if (await verifies(token, key, options)) return;
    }
    throw invalidToken('signature_invalid', error);
  }
}

async function candidateKeys(keys: KeySet, input: KeyInput): Promise<readonly CryptoKey[]> {
  try {
    return await keys.candidates(...input);
  } catch (cause) {
    throw new McpAuthError('temporarily_unavailable', 'issuer_unreachable', {
      cause,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
}

/** jose throws an uncoded error for keys it finds too weak, so that any error means: not with this key. */
async function verifies(token: string, key: CryptoKey, options: { algorithms: string[] }): Promise<boolean> {
  try {
    await compactVerify(token, key, options);
    return true;
  } catch {
    return false;
  }
}
