import { createRemoteJWKSet, jwtVerify } from 'jose';

/** Verifies correctly with jose: with the keys of the issuer, and with fixed issuer, audience and algorithm. */
export function joseVerification({ resource, issuer, jwksUri, alg }) {
  const keys = createRemoteJWKSet(new URL(jwksUri));
  const rules = { issuer, audience: resource, algorithms: [alg], requiredClaims: ['exp'] };
  return async (token) => (await jwtVerify(token, keys, rules)).payload;
}
