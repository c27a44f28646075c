/** Gives more and more requests with proofs (DPoP) to the whole guard, in its own process. */
import { TestDpopKey, TestIssuer } from '../../dist/testing/index.js';
import { answer } from '../child.js';
import { guardOf, plainRequest } from '../in-process/guard.js';
import { RESOURCE } from '../resource.js';
import { heap } from './heap.js';

/** As many clients as there are, each with a key and a token of its own. */
const CLIENTS = 1_000;
const AT_ONCE = 100;

answer({
  /** @param {number[]} marks numbers of accepted proofs at which the memory is measured */
  async measure(marks) {
    const issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
    const dpop = { maxProofs: Math.max(marks.at(-1) ?? 0, 1_000) };
    const guard = await guardOf({ tools: 10, issuer: issuer.issuer, options: { dpop } });
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => clientOf(issuer)));
    const start = performance.now();
    const rows = [];
    let accepted = 0;
    for (const mark of marks) {
      for (; accepted < mark; accepted += AT_ONCE) await acceptSome(guard, clients, accepted);
      rows.push({ proofs: accepted, ...(await heap()) });
    }
    await issuer.close();
    return { rows, seconds: (performance.now() - start) / 1_000 };
  },
});

async function clientOf(issuer) {
  const key = await TestDpopKey.generate();
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  return { key, token: await issuer.mint({ cnf: key.confirmation, exp }) };
}

async function acceptSome(guard, clients, first) {
  const url = new URL('/notes', RESOURCE).href;
  // As far ahead as a proof may be: it is remembered for as long as any, more than ten minutes.
  const iat = Math.floor(Date.now() / 1_000) + 290;
  const requests = Array.from({ length: AT_ONCE }, (_, index) => {
    const { key, token } = clients[(first + index) % clients.length];
    const { Authorization, DPoP } = key.headers({ method: 'GET', url, token, claims: { iat } });
    return plainRequest(token, { authorization: Authorization, dpop: DPoP });
  });
  const answers = await Promise.all(requests.map((request) => guard.canActivate(request)));
  if (!answers.every((isAdmitted) => isAdmitted === true)) throw new Error('The guard refused');
}
