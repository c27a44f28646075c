/** Runs the authorization server that all servers trust in its own process. It also signs the tokens. */
import { generateTestKey, TestIssuer } from '../dist/testing/index.js';
import { answer } from './child.js';

const ONE_HOUR = 3_600;

/** @type {TestIssuer} */
let issuer;
/** @type {import('../dist/testing/index.js').TestKeyOptions['alg']} */
let alg;

answer({
  async start(options) {
    issuer = await TestIssuer.start(options);
    alg = options.alg;
    return { issuer: issuer.issuer, jwksUri: issuer.jwksUri, jwks: { keys: [issuer.key.publicJwk] } };
  },
  mint: (count, claims) => Promise.all(Array.from({ length: count }, () => issuer.mint(lasting(claims)))),
  /** A token that names a published key, with the signature of another key. */
  async mintForged(claims) {
    return issuer.mint(lasting(claims), { key: await generateTestKey({ alg, kid: issuer.key.kid }) });
  },
  requests: () => ({ metadata: issuer.requestCount('metadata'), jwks: issuer.requestCount('jwks') }),
});

function lasting(claims = {}) {
  return { exp: Math.floor(Date.now() / 1000) + ONE_HOUR, scope: 'notes:read', ...claims };
}
