/** Gives a verifier tokens of more and more trusted and invented issuers, in its own process. */
import { answer, startChild } from '../child.js';
import { verifierWith } from '../in-process/verifier.js';
import { RESOURCE } from '../resource.js';
import { heap } from './heap.js';

const BATCH = 500;

answer({
  /**
   * @param {{ trusted: number[], invented: number[] }} marks numbers of issuers of each kind at which the memory
   * is measured
   */
  async measure({ trusted, invented }) {
    const signer = startChild(new URL('../issuer.js', import.meta.url));
    const { jwksUri } = await signer.ask('start', { alg: 'ES256', audience: RESOURCE });
    const verifier = verifierWith({
      authorizationServers: ['https://issuer.example'],
      trustedIssuer: (issuer) => (issuer.startsWith('https://tenant-') ? { issuer, jwksUri } : undefined),
      cache: false,
    });
    const isVerified = async (issuer) => {
      const [token] = await signer.ask('mint', 1, { iss: issuer });
      return verifier.verify(token).then(
        () => true,
        () => false,
      );
    };
    const rows = [...(await grow('trusted', trusted, isVerified)), ...(await grow('invented', invented, isVerified))];
    const { jwks } = await signer.ask('requests');
    signer.stop();
    return { rows, fetches: jwks };
  },
});

async function grow(kind, marks, isVerified) {
  const prefix = kind === 'trusted' ? 'https://tenant-' : 'https://nobody-';
  const rows = [];
  let seen = 0;
  for (const mark of marks) {
    while (seen < mark) {
      const issuers = Array.from(
        { length: Math.min(BATCH, mark - seen) },
        (_, index) => `${prefix}${seen + index}.example`,
      );
      const outcomes = await Promise.all(issuers.map(isVerified));
      if (outcomes.some((verified) => verified !== (kind === 'trusted')))
        throw new Error(`Tokens of ${kind} issuers are answered wrongly`);
      seen += issuers.length;
    }
    rows.push({ kind, issuers: seen, ...(await heap()) });
  }
  return rows;
}
