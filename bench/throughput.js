/** Measures processor time and requests a second of every server, beside the unguarded one. */
import { send } from './load.js';
import { compare, orderOf, summaryOf } from './rounds.js';
import { ALG, measureOnce, startIssuer, startServers, stopServers, warmUpServer } from './server-processes.js';
import { GROUPS, SUBJECTS } from './servers/subjects.js';

/** The load presents one token again and again, or a thousand in turn. */
const SERIES = [
  { title: 'One token', tokens: 1, groups: Object.keys(GROUPS) },
  { title: '1,000 tokens in turn', tokens: 1_000, groups: ['GET /notes, Express'] },
];

/** Requests before each round, since another server has used the processor. */
const LEAD_IN = 160;

/**
 * @param {{ quick: boolean, log: (line: string) => void, node?: string }} options `node`: the executable that runs the servers,
 * by default that of this process. Another one runs the series with one token only.
 */
export async function throughput({ quick, log, node }) {
  const { rounds, seconds, warmUp, processes } = quick
    ? { rounds: 4, seconds: 0.2, warmUp: 0.1, processes: 1 }
    : { rounds: 20, seconds: 0.3, warmUp: 1, processes: 2 };
  const issuer = await startIssuer();
  try {
    const { fit, unfit, version } = await sortOut(issuer, node);
    for (const { label, why } of unfit) log(`${label} is not measured: ${why}`);
    const series = [];
    for (const { title, tokens, groups } of node ? SERIES.slice(0, 1) : SERIES) {
      const chosen = groups.map((group) => ({ group, ids: GROUPS[group].filter((id) => fit.has(id)) }));
      log(`${title}: ${chosen.flatMap(({ ids }) => ids).length} servers, ${rounds} rounds of ${seconds} s`);
      const measured = await measure(chosen, { issuer, node, tokens, rounds, seconds, warmUp, processes });
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
 * Measures each guarded server beside an unguarded one of its own. With one unguarded server for all, that one would run more
 * often than the others, and take a fifth less processor time a request for that reason alone. The processes are new ones, and
 * replaced at times: some run faster than others for their whole life, whatever their guard.
 *
 * @returns {Promise<Map<string, import('./rounds.js').Round[]>>}
 */
async function measure(groups, options) {
  const measured = new Map(groups.flatMap(({ ids }) => ids).map((id) => [id, []]));
  for (const { ids } of groups) {
    const [unguarded, ...others] = ids;
    for (const id of others)
      for (let count = 0; count < options.processes; count += 1) {
        await measurePair([unguarded, id], options, measured);
      }
  }
  return measured;
}

async function measurePair(pair, { issuer, node, tokens, rounds, seconds, warmUp, processes }, measured) {
  const servers = await startServers(pair, issuer.settings, node);
  try {
    const tokensOf = new Map();
    for (const { id, resource } of servers.values())
      tokensOf.set(id, await issuer.child.ask('mint', tokens, { aud: resource }));
    for (const [id, server] of servers) await warmUpServer(server, tokensOf.get(id), warmUp);
    for (let round = 0; round < rounds / processes; round += 1) {
      const runs = new Map();
      for (const id of orderOf(pair, round)) {
        await measureOnce(servers.get(id), { tokens: tokensOf.get(id), requests: LEAD_IN });
        runs.set(id, await measureOnce(servers.get(id), { tokens: tokensOf.get(id), seconds }));
      }
      for (const id of pair) measured.get(id).push(compare(runs.get(id), runs.get(pair[0])));
    }
  } finally {
    stopServers(servers);
  }
}

function rowsOf(ids, measured) {
  return ids.map((id) => ({ id, label: SUBJECTS[id].label, ...summaryOf(measured.get(id)) }));
}
