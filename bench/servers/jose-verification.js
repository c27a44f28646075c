import { createRemoteJWKSet, jwtVerify } from 'jose';

/** A correct verification with jose: keys of the issuer, and its issuer, audience and algorithm fixed. */
export function joseVerification({ resource, issuer, jwksUri, alg }) {
  const keys = createRemoteJWKSet(new URL(jwksUri));
  const rules = { issuer, audience: resource, algorithms: [alg], requiredClaims: ['exp'] };
  return async (token) => (await jwtVerify(token, keys, rules)).payload;
}
