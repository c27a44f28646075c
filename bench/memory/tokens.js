/** Gives more and more tokens to a verifier with its default cache, in its own process. */
import { answer, startChild } from '../child.js';
import { verifierWith } from '../in-process/verifier.js';
import { RESOURCE } from '../resource.js';
import { heap } from './heap.js';

/** Cheaper to sign than ES256: signing takes most of the time here. */
const ALG = 'EdDSA';
const BATCH = 5_000;
const AT_ONCE = 100;

answer({
  /** @param {number[]} marks numbers of verified tokens at which the memory is measured */
  async measure(marks) {
    const issuer = startChild(new URL('../issuer.js', import.meta.url));
    const { issuer: identifier, jwks } = await issuer.ask('start', { alg: ALG, audience: RESOURCE });
    const verifier = verifierWith({ authorizationServers: [{ issuer: identifier, jwks }] });
    const seconds = stopwatch();
    const rows = [];
    let verified = 0;
    let next = issuer.ask('mint', BATCH);
    for (const mark of marks) {
      while (verified < mark) {
        const tokens = await next;
        // The issuer signs the next tokens while this process verifies these.
        next = issuer.ask('mint', BATCH);
        await verifyAll(verifier, tokens);
        verified += tokens.length;
      }
      rows.push({ tokens: verified, ...(await heap()) });
    }
    issuer.stop();
    return { rows, seconds: seconds() };
  },
});

async function verifyAll(verifier, tokens) {
  for (let first = 0; first < tokens.length; first += AT_ONCE) {
    await Promise.all(tokens.slice(first, first + AT_ONCE).map((token) => verifier.verify(token)));
  }
}

function stopwatch() {
  const start = performance.now();
  return () => (performance.now() - start) / 1000;
}
