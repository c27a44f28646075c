/** Measures processor time and requests a second of every server, beside the unguarded one. */
import { send } from './load.js';
import { compare, neighbours, summaryOf } from './rounds.js';
import { ALG, measureOnce, startIssuer, startServers, stopServers, warmUpServer } from './server-processes.js';
import { GROUPS, SUBJECTS } from './servers/subjects.js';

/** The load presents one token again and again, or a thousand in turn. */
const SERIES = [
  { title: 'One token', tokens: 1, groups: Object.keys(GROUPS) },
  { title: '1,000 tokens in turn', tokens: 1_000, groups: ['GET /notes, Express'] },
];

/** Requests before each round. Without them, the unguarded server would have warmer caches, because it runs more often. */
const LEAD_IN = 160;

/**
 * @param {{ quick: boolean, log: (line: string) => void, node?: string }} options `node`: the executable that runs the servers,
 * by default that of this process. Another one runs the series with one token only.
 */
export async function throughput({ quick, log, node }) {
  const { rounds, seconds, warmUp } = quick
    ? { rounds: 4, seconds: 0.2, warmUp: 0.1 }
    : { rounds: 20, seconds: 0.3, warmUp: 1 };
  const issuer = await startIssuer();
  try {
    const { fit, unfit, version } = await sortOut(issuer, node);
    for (const { label, why } of unfit) log(`${label} is not measured: ${why}`);
    const series = [];
    for (const { title, tokens, groups } of node ? SERIES.slice(0, 1) : SERIES) {
      const chosen = groups.map((group) => ({ group, ids: GROUPS[group].filter((id) => fit.has(id)) }));
      log(`${title}: ${chosen.flatMap(({ ids }) => ids).length} servers, ${rounds} rounds of ${seconds} s`);
      const measured = await measure(chosen, { issuer, node, tokens, rounds, seconds, warmUp });
      series.push({ title, groups: chosen.map(({ group, ids }) => ({ group, rows: rowsOf(ids, measured) })) });
    }
    return { alg: ALG, rounds, seconds, unfit, series, node: version };
  } finally {
    issuer.child.stop();
  }
}

/** Finds the servers that answer correctly: only they may be compared. */
async function sortOut({ child, settings }, node) {
  const servers = await startServers(Object.keys(SUBJECTS), settings, node);
  const fit = new Set();
  const unfit = [];
  try {
    for (const server of servers.values()) {
      const { label, protection } = SUBJECTS[server.id];
      const why = await faultOf(server, await tokensToCheckWith(child, server.resource));
      if (why === undefined) fit.add(server.id);
      else if (protection === 'unguarded') throw new Error(`There is nothing to compare with: ${why}`);
      else unfit.push({ label, why });
    }
    return { fit, unfit, version: await servers.get('unguarded').child.ask('version') };
  } finally {
    stopServers(servers);
  }
}

async function tokensToCheckWith(issuer, resource) {
  const mint = async (claims) => (await issuer.ask('mint', 1, { aud: resource, ...claims }))[0];
  return {
    good: await mint(),
    bad: {
      'a bad signature': await issuer.ask('mintForged', { aud: resource }),
      'another audience': await mint({ aud: 'https://other.example' }),
      'another issuer': await mint({ iss: 'https://issuer.example' }),
      'a time long past': await mint({ exp: 1_000_000_000 }),
    },
  };
}

/** @returns {Promise<string | undefined>} undefined for a server that answers correctly */
async function faultOf({ id, url }, { good, bad }) {
  const { protection, application } = SUBJECTS[id];
  const served = await send(url, application, good);
  const body = await served.text();
  if (served.status !== 200 || body.includes('"error"'))
    return `a good token is answered with ${served.status}: ${body}`;
  if (protection === 'unguarded') return undefined;
  for (const [what, token] of [...Object.entries(bad), ['no token', undefined]]) {
    const { status } = await send(url, application, token);
    if (status !== 401) return `${what} is answered with ${status} instead of 401`;
  }
  return undefined;
}

/**
 * Measures fresh servers: on Node 20, some Express servers that were checked in the same process ran nearly twice as fast as
 * others, whatever their guard.
 *
 * @returns {Promise<Map<string, import('./rounds.js').Round[]>>}
 */
async function measure(groups, { issuer, node, tokens, rounds, seconds, warmUp }) {
  const servers = await startServers(
    groups.flatMap(({ ids }) => ids),
    issuer.settings,
    node,
  );
  try {
    const tokensOf = new Map();
    for (const { id, resource } of servers.values())
      tokensOf.set(id, await issuer.child.ask('mint', tokens, { aud: resource }));
    const run = async (id) => {
      await measureOnce(servers.get(id), { tokens: tokensOf.get(id), requests: LEAD_IN });
      return measureOnce(servers.get(id), { tokens: tokensOf.get(id), seconds });
    };
    for (const [id, server] of servers) await warmUpServer(server, tokensOf.get(id), warmUp);
    const measured = new Map([...servers.keys()].map((id) => [id, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const { ids } of groups) await measureRound(ids, round, run, measured);
    }
    return measured;
  } finally {
    stopServers(servers);
  }
}

/** Every server runs right before or right after the unguarded one, and is compared with that run only. */
async function measureRound([unguarded, ...others], round, run, measured) {
  for (const [before, after] of neighbours(others, round)) {
    const first = await run(before);
    const baseline = await run(unguarded);
    measured.get(unguarded).push(compare(baseline, baseline));
    measured.get(before).push(compare(first, baseline));
    if (after !== undefined) measured.get(after).push(compare(await run(after), baseline));
  }
}

function rowsOf(ids, measured) {
  return ids.map((id) => ({ id, label: SUBJECTS[id].label, ...summaryOf(measured.get(id)) }));
}
