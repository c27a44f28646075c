/** Counts the requests to the issuer. The counts hold on any machine. */
import { randomUUID } from 'node:crypto';
import { TestIssuer } from '../dist/testing/index.js';
import { verifierWith } from './in-process/verifier.js';
import { send } from './load.js';
import { RESOURCE } from './resource.js';
import { startIssuer, startServers, stopServers } from './server-processes.js';

/** The library's limits for unknown keys: one fetch in this time, and this many further fetches at once. */
const REFILL_MS = 30_000;
const BURST = 3;

/**
 * The expected reasons: the issuer has no such key, the verifier may not fetch again yet, or a busy machine answered too late.
 * If tokens were refused for another reason, the count would prove nothing.
 */
const REASONS = new Set(['key_unknown', 'key_undecided', 'issuer_unreachable']);

/** @param {{ quick: boolean }} options */
export async function counts({ quick }) {
  return [await firstRequests(1_000), await unknownKeys(quick ? 10_000 : 100_000)];
}

/** Sends concurrent requests, each with its own token, to a server that has not fetched the keys yet. */
async function firstRequests(count) {
  const issuer = await startIssuer('ES256');
  const servers = await startServers(['ours'], issuer.settings);
  try {
    const { url, resource } = servers.get('ours');
    const tokens = await issuer.child.ask('mint', count, { aud: resource });
    const served = await Promise.all(tokens.map((token) => isServed(url, token)));
    const { metadata, jwks } = await issuer.child.ask('requests');
    return {
      what: `${count.toLocaleString('en')} first requests at once, each with its own token`,
      expected: 'all served, with 1 request for metadata and 1 for keys',
      seen: `${served.filter(Boolean).length} served, ${metadata} for metadata, ${jwks} for keys`,
      holds: served.every(Boolean) && metadata === 1 && jwks === 1,
    };
  } finally {
    stopServers(servers);
    issuer.child.stop();
  }
}

async function isServed(url, token) {
  const response = await send(url, 'notes', token);
  await response.arrayBuffer();
  return response.status === 200;
}

/** Sends tokens that name unknown keys over the time of ten refills, on a clock that the benchmark moves. */
async function unknownKeys(count) {
  const refills = 10;
  const start = Date.now();
  let now = start;
  const issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  const verifier = verifierWith({ authorizationServers: [issuer.issuer] }, () => now);
  await verifier.verify(await issuer.mint());
  let letIn = 0;
  /** @type {Set<string>} */
  const reasons = new Set();
  for (let sent = 0; sent < count; sent += 1) {
    now = start + Math.floor((sent / count) * refills * REFILL_MS);
    const seconds = Math.floor(now / 1000);
    const token = await issuer.mint(
      { iat: seconds, exp: seconds + 60 },
      { header: { kid: randomUUID() }, signature: 'AAAA' },
    );
    await verifier.verify(token).then(
      () => (letIn += 1),
      ({ reason = 'no reason' }) => reasons.add(reason),
    );
  }
  const unexpected = [...reasons].filter((reason) => !REASONS.has(reason));
  const refreshes = issuer.requestCount('jwks') - 1;
  await issuer.close();
  return {
    what: `${count.toLocaleString('en')} tokens that name keys nobody has, in ${(refills * REFILL_MS) / 60_000} minutes`,
    expected: `none let in, with at most ${refills + BURST} requests for keys`,
    seen: [`${letIn} let in`, `${refreshes} for keys`, ...unexpected.map((reason) => `refused with ${reason}`)].join(
      ', ',
    ),
    holds: letIn === 0 && unexpected.length === 0 && refreshes <= refills + BURST,
  };
}
