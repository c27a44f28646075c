/** The guard by hand with fast-jwt, which remembers verified tokens. It fetches its keys once and never again. */
import { createPublicKey } from 'node:crypto';
import { createVerifier } from 'fast-jwt';
import { bearerGuard } from './bearer-guard.js';

export default ({ resource, issuer, jwksUri, alg }) => {
  let keys;
  const verify = createVerifier({
    key: async ({ header }) => (await (keys ??= fetchKeys(jwksUri))).get(header.kid),
    algorithms: [alg],
    allowedIss: issuer,
    allowedAud: resource,
    requiredClaims: ['exp'],
    cache: 10_000,
  });
  return { providers: [bearerGuard(verify)] };
};

/** @returns {Promise<Map<string, string>>} PEM by `kid` */
async function fetchKeys(jwksUri) {
  const { keys } = await (await fetch(jwksUri)).json();
  return new Map(keys.map((jwk) => [jwk.kid, pemOf(jwk)]));
}

function pemOf(jwk) {
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
}
