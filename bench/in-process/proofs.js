/**
 * Measures the whole decision about a known token with a proof (DPoP) beside the verification of the proof alone, with jose: of its
 * signature with a key that is imported already, and as a JWT with the key in its header.
 */
import { compactVerify, EmbeddedJWK, importJWK, jwtVerify } from 'jose';
import { TestDpopKey, TestIssuer } from '../../dist/testing/index.js';
import { interleaved, processorTime } from '../measure.js';
import { RESOURCE } from '../resource.js';
import { guardOf, plainRequest } from './guard.js';

/** @param {{ quick: boolean }} options */
export async function proofs({ quick }) {
  const rows = [];
  for (const alg of ['ES256', 'EdDSA', 'RS256']) {
    const issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
    const rounds = { rounds: quick ? 20 : 100, calls: 100, clock: processorTime };
    const times = await interleaved(await subjectsFor(issuer, alg), rounds);
    await issuer.close();
    // The least of all rounds: the rounds in which nothing else disturbed the processor.
    const least = Object.fromEntries(Object.entries(times).map(([name, micros]) => [name, Math.min(...micros)]));
    rows.push({ alg, ...least, ratio: least.guard / least.embedded });
  }
  return rows;
}

async function subjectsFor(issuer, alg) {
  const client = await TestDpopKey.generate({ alg });
  const key = await importJWK(client.publicJwk, alg);
  const [bound, token] = [await issuer.mint({ cnf: client.confirmation }), await issuer.mint()];
  const guard = await guardOf({ tools: 10, issuer: issuer.issuer, options: { dpop: 'accepted' } });
  const url = new URL('/notes', RESOURCE).href;
  const headers = () => client.headers({ method: 'GET', url, token: bound });
  const rules = { typ: 'dpop+jwt', algorithms: [alg], maxTokenAge: 300 };
  const run = async (context) => {
    if ((await guard.canActivate(context)) !== true) throw new Error('The guard refused');
  };
  return {
    signature: { prepare: () => headers().DPoP, run: (proof) => compactVerify(proof, key, { algorithms: [alg] }) },
    embedded: { prepare: () => headers().DPoP, run: (proof) => jwtVerify(proof, EmbeddedJWK, rules) },
    guard: {
      prepare: () => {
        const { Authorization, DPoP } = headers();
        return plainRequest(bound, { authorization: Authorization, dpop: DPoP });
      },
      run,
    },
    bearer: { prepare: () => plainRequest(token), run },
  };
}
