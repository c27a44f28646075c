import { hash } from 'node:crypto';
import { compactVerify } from 'jose/jws/compact/verify';
import { McpAuthError } from '../core/error.js';
import { ownMember } from '../core/record.js';
import type { McpAuthReason } from '../core/refusal-reasons.js';
import { decodeJwt, type DecodedJwt } from '../token/decoded-jwt.js';
import { proofKeyOf, type ProofKey } from './proof-key.js';
import { namesUri } from './proof-target.js';
import { isSame } from './thumbprint.js';

/** What a proof must show. */
export interface ProofRules {
  readonly method: string;
  /** The URI of the request, without query. */
  readonly uri: string;
  /** The access token, exactly as sent. */
  readonly token: string;
  /** The thumbprint of the key to which the token is bound. */
  readonly thumbprint: string;
  readonly algorithms: readonly string[];
  /** How far `iat` may be from now, in either direction. */
  readonly windowSeconds: number;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** A proof whose every member was checked, except that it is used once and that its nonce is fresh. */
export interface DpopProof {
  /** The id, which the client chose. */
  readonly jti: string;
  readonly nonce: string | undefined;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
}

/** Longest `jti` and `nonce` that are read, in characters. */
const MAX_TEXT_LENGTH = 1_024;

/**
 * Verifies a DPoP proof, cheap checks first.
 *
 * Does not check whether the proof was used before, nor whether its nonce is fresh.
 *
 * @throws {McpAuthError} `invalid_dpop_proof`; `invalid_token` when the proof is made with another key than that of the token.
 * @see RFC 9449 §4.3; SEP-1932
 */
export async function verifyDpopProof(text: string, rules: ProofRules): Promise<DpopProof> {
  const proof = decode(text);
  const { alg, key } = checkHeader(proof, rules.algorithms);
  const checked = checkClaims(proof, rules);
  if (!isSame(key.thumbprint, rules.thumbprint)) throw new McpAuthError('invalid_token', 'proof_of_another_key');
  try {
    await compactVerify(text, await key.import(), { algorithms: [alg] });
  } catch (cause) {
    throw badProof('proof_signature_invalid', cause);
  }
  return checked;
}

function decode(text: string): DecodedJwt {
  try {
    return decodeJwt(text);
  } catch {
    throw badProof('proof_malformed');
  }
}

function checkHeader({ header }: DecodedJwt, algorithms: readonly string[]): { alg: string; key: ProofKey } {
  const type = ownMember(header, 'typ');
  // Media types are case-insensitive, and may have their prefix (RFC 7515 §4.1.9).
  if (typeof type !== 'string' || !/^(?:application\/)?dpop\+jwt$/i.test(type))
    throw badProof('proof_malformed', undefined, { typ: type ?? null });
  const alg = ownMember(header, 'alg');
  if (typeof alg !== 'string' || !algorithms.includes(alg))
    throw badProof('proof_algorithm_rejected', undefined, { alg: alg ?? null, accepted: algorithms });
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) throw badProof('proof_malformed');
  const key = proofKeyOf(ownMember(header, 'jwk'), alg);
  if (!key) throw badProof('proof_key_rejected');
  return { alg, key };
}

function checkClaims({ claims }: DecodedJwt, rules: ProofRules): DpopProof {
  const jti = textIn(claims, 'jti');
  const nonce = Object.hasOwn(claims, 'nonce') ? textIn(claims, 'nonce') : undefined;
  const issuedAt = ownMember(claims, 'iat');
  if (typeof issuedAt !== 'number' || !Number.isFinite(issuedAt)) throw malformed('iat');
  const [method, uri, tokenHash] = ['htm', 'htu', 'ath'].map((name) => textIn(claims, name)) as [
    string,
    string,
    string,
  ];
  if (method !== rules.method || !namesUri(uri, rules.uri))
    throw badProof('proof_of_another_request', undefined, {
      htm: method,
      htu: uri,
      request: `${rules.method} ${rules.uri}`,
    });
  const seconds = issuedAt - rules.now;
  if (Math.abs(seconds) > rules.windowSeconds)
    throw badProof('proof_out_of_time', undefined, {
      'seconds from now': Math.round(seconds),
      accepted: rules.windowSeconds,
    });
  if (!isSame(tokenHash, hash('sha256', rules.token, 'base64url'))) throw badProof('proof_of_another_token');
  return { jti, nonce, issuedAt };
}

function textIn(claims: DecodedJwt['claims'], name: string): string {
  const value = ownMember(claims, name);
  if (typeof value !== 'string' || value === '' || (value.length > MAX_TEXT_LENGTH && name !== 'htu'))
    throw malformed(name);
  return value;
}

function malformed(member: string): McpAuthError {
  return badProof('proof_malformed', undefined, { member });
}

/** An {@link McpAuthError} for a bad proof: always 401 (SEP-1932). */
export function badProof(
  reason: McpAuthReason,
  cause?: unknown,
  seen?: Readonly<Record<string, unknown>>,
): McpAuthError {
  return new McpAuthError('invalid_dpop_proof', reason, { cause, ...(seen && { seen }) });
}
