import { randomUUID } from 'node:crypto';
import { symmetricTestKey, type TestKey } from './test-key.js';
import { signToken, type MintOptions } from './test-token.js';

/**
 * Each {@link TestProofFault}: every server that verifies proofs as RFC 9449 §4.3 says refuses a proof with it. For tests that
 * try them all.
 */
export const TEST_PROOF_FAULTS = [
  'not-a-jwt',
  'two-proofs',
  'wrong-type',
  'unsigned',
  'shared-secret',
  'changed-signature',
  'without-key',
  'private-key',
  'other-key',
  'without-jti',
  'without-htm',
  'without-htu',
  'without-iat',
  'without-ath',
  'other-method',
  'other-url',
  'other-token',
  'stale',
  'future',
] as const;

/**
 * What is wrong with a proof; everything else in it is right:
 *
 * - `not-a-jwt`: text that is not a JWT
 * - `two-proofs`: two good proofs, joined with a comma as Node joins two header fields
 * - `wrong-type`: `typ` is `JWT`
 * - `unsigned`: `alg` is `none`, and there is no signature
 * - `shared-secret`: `alg` is HS256, signed with the public key in the header as the secret
 * - `changed-signature`: one byte of the signature is another
 * - `without-key`: no `jwk`
 * - `private-key`: `jwk` has the private key, too
 * - `other-key`: made with another key, which is in its header; only the token shows that it is the wrong one
 * - `without-jti`, `without-htm`, `without-htu`, `without-iat`, `without-ath`: this claim is missing
 * - `other-method`, `other-url`, `other-token`: made for another method, URL or access token
 * - `stale`, `future`: made an hour before, or an hour after, its `iat` would be right
 *
 * Not among them: a proof that is sent twice, and a nonce that is not the server's (see the member `nonce`).
 */
export type TestProofFault = (typeof TEST_PROOF_FAULTS)[number];

/** A proof before it is signed. */
export interface UnsignedProof {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly key: TestKey;
  readonly options: MintOptions;
}

const HOUR_SECONDS = 3_600;

/** Signs a proof that has this fault. `other` is the key for `other-key`. */
export function signFaultyProof(fault: TestProofFault, proof: UnsignedProof, other: TestKey): string {
  const { claims } = proof;
  switch (fault) {
    case 'not-a-jwt':
      return 'not-a-jwt';
    case 'two-proofs':
      return `${sign(proof)}, ${sign(withClaims(proof, { jti: randomUUID() }))}`;
    case 'changed-signature':
      return changeSignature(sign(proof));
    case 'other-method':
      return sign(withClaims(proof, { htm: claims['htm'] === 'PUT' ? 'DELETE' : 'PUT' }));
    case 'other-url':
      return sign(withClaims(proof, { htu: 'https://another-server.invalid/mcp' }));
    case 'other-token':
      return sign(withClaims(proof, { ath: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg' }));
    case 'stale':
      return sign(withClaims(proof, { iat: Number(claims['iat']) - HOUR_SECONDS }));
    case 'future':
      return sign(withClaims(proof, { iat: Number(claims['iat']) + HOUR_SECONDS }));
    case 'without-jti':
    case 'without-htm':
    case 'without-htu':
    case 'without-iat':
    case 'without-ath':
      return sign(withClaims(proof, { [fault.slice('without-'.length)]: undefined }));
    default:
      return signWithFaultyHeader(fault, proof, other);
  }
}

type HeaderFault = 'wrong-type' | 'unsigned' | 'shared-secret' | 'without-key' | 'private-key' | 'other-key';

function signWithFaultyHeader(fault: HeaderFault, proof: UnsignedProof, other: TestKey): string {
  switch (fault) {
    case 'wrong-type':
      return sign(withHeader(proof, { typ: 'JWT' }));
    case 'unsigned':
      return sign(withHeader({ ...proof, options: { ...proof.options, signature: '' } }, { alg: 'none' }));
    case 'shared-secret':
      return sign({ ...proof, key: symmetricTestKey(JSON.stringify(proof.key.publicJwk)) });
    case 'without-key':
      return sign(withHeader(proof, { jwk: undefined }));
    case 'private-key':
      return sign(withHeader(proof, { jwk: proof.key.privateKey.export({ format: 'jwk' }) }));
    case 'other-key':
      return sign({ ...withHeader(proof, { jwk: other.publicJwk }), key: other });
  }
}

function sign({ claims, key, options }: UnsignedProof): string {
  return signToken({ ...claims }, key, options);
}

function withClaims(proof: UnsignedProof, changes: Readonly<Record<string, unknown>>): UnsignedProof {
  return { ...proof, claims: { ...proof.claims, ...changes } };
}

function withHeader(proof: UnsignedProof, changes: Readonly<Record<string, unknown>>): UnsignedProof {
  return { ...proof, options: { ...proof.options, header: { ...proof.options.header, ...changes } } };
}

function changeSignature(proof: string): string {
  const at = proof.lastIndexOf('.') + 1;
  const signature = Buffer.from(proof.slice(at), 'base64url');
  signature.writeUInt8(signature.readUInt8(0) ^ 1, 0);
  return proof.slice(0, at) + signature.toString('base64url');
}
