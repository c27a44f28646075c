/** Requests a second of every server, and what its guard leaves of those of the unguarded one. */
import { startChild } from './child.js';
import { load, send } from './load.js';
import { median } from './measure.js';
import { RESOURCE } from './resource.js';
import { GROUPS, SUBJECTS } from './servers/subjects.js';

/** Of the algorithms in wide use the one that is cheapest to verify: kind to whoever verifies every time. */
const ALG = 'RS256';

/** What is sent: one token again and again, or a thousand in turn. */
const SERIES = [
  { title: 'One token', tokens: 1, groups: Object.keys(GROUPS) },
  { title: '1,000 tokens in turn', tokens: 1_000, groups: ['GET /notes, Express'] },
];

/** How long each server is warmed up, in seconds: a big one has much to compile. */
const WARM_UP = 8;

/**
 * @param {{ quick: boolean, log: (line: string) => void, node?: string }} options `node`: what runs the servers, if it is not
 * what runs this; then with one token only
 */
export async function throughput({ quick, log, node }) {
  const { rounds, seconds } = quick ? { rounds: 3, seconds: 1 } : { rounds: 5, seconds: 2 };
  const issuer = startChild(new URL('issuer.js', import.meta.url));
  const { issuer: identifier, jwksUri } = await issuer.ask('start', { alg: ALG, audience: RESOURCE });
  const settings = { resource: RESOURCE, issuer: identifier, jwksUri, alg: ALG };
  /** @type {Map<string, { child: ReturnType<typeof startChild>, url: string }>} */
  let servers = new Map();
  const stopServers = () => [...servers.values()].forEach(({ child }) => child.stop());
  try {
    servers = await startServers(Object.keys(SUBJECTS), settings, node);
    const { fit, unfit } = await sortOut(servers, await tokensToCheckWith(issuer));
    for (const { label, why } of unfit) log(`${label} is not measured: ${why}`);
    const [first] = servers.values();
    const version = await first.child.ask('version');
    const series = [];
    for (const { title, tokens, groups } of node ? SERIES.slice(0, 1) : SERIES) {
      const subjects = groups.flatMap((group) => GROUPS[group]).filter((id) => fit.has(id));
      log(`${title}: ${subjects.length} servers, ${rounds} rounds of ${seconds} s`);
      const minted = await issuer.ask('mint', tokens);
      // None has done anything before: of those that had been checked in the same process, some served Express nearly twice
      // as fast as others on Node 20, whatever guarded them.
      stopServers();
      servers = await startServers(subjects, settings, node);
      const measured = await measure(subjects, servers, {
        rounds,
        seconds,
        warmUp: quick ? 1 : WARM_UP,
        tokens: minted,
      });
      series.push({ title, groups: groups.map((group) => ({ group, rows: rowsOf(group, measured) })) });
    }
    return { alg: ALG, rounds, seconds, unfit, series, node: version };
  } finally {
    stopServers();
    issuer.stop();
  }
}

/** Two at a time: there may be no more processors than that. */
async function startServers(subjects, settings, node) {
  const servers = new Map();
  const waiting = [...subjects];
  const startNext = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const child = startChild(new URL('servers/server.js', import.meta.url), { node });
      servers.set(id, { child, url: await child.ask('start', id, settings) });
    }
  };
  await Promise.all([startNext(), startNext()]);
  return servers;
}

async function tokensToCheckWith(issuer) {
  const mint = async (claims) => (await issuer.ask('mint', 1, claims))[0];
  return {
    good: await mint(),
    bad: {
      'a bad signature': await issuer.ask('mintForged'),
      'another audience': await mint({ aud: 'https://other.example' }),
      'another issuer': await mint({ iss: 'https://issuer.example' }),
      'a time long past': await mint({ exp: 1_000_000_000 }),
    },
  };
}

/** Whoever does not do the work must not be compared with those who do. */
async function sortOut(servers, tokens) {
  const fit = new Set();
  const unfit = [];
  for (const [id, { url }] of servers) {
    const why = await faultOf(SUBJECTS[id], url, tokens);
    if (why === undefined) fit.add(id);
    else if (SUBJECTS[id].protection === 'unguarded') throw new Error(`There is nothing to compare with: ${why}`);
    else unfit.push({ label: SUBJECTS[id].label, why });
  }
  return { fit, unfit };
}

/** @returns {Promise<string | undefined>} undefined for a server that answers as it should */
async function faultOf({ protection, application }, url, { good, bad }) {
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

/** In each round everybody in turn, each time beginning with another. */
async function measure(subjects, servers, { rounds, seconds, warmUp, tokens }) {
  /** @type {Map<string, { perSecond: number, cpu: number }[]>} */
  const measured = new Map(subjects.map((id) => [id, []]));
  for (const id of subjects) await load(servers.get(id).url, SUBJECTS[id].application, { tokens, seconds: warmUp });
  for (let round = 0; round < rounds; round += 1) {
    const first = Math.floor((round * subjects.length) / rounds);
    for (const id of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      measured.get(id).push(await measureOnce(servers.get(id), SUBJECTS[id].application, { tokens, seconds }));
    }
  }
  return measured;
}

async function measureOnce({ child, url }, application, what) {
  const before = await child.ask('cpu');
  const { requests, seconds } = await load(url, application, what);
  const cpu = (await child.ask('cpu')) - before;
  return { perSecond: requests / seconds, cpu: cpu / requests };
}

/**
 * Ratios are taken within a round, so that what slows the whole machine down for a while does not count. Of processor time
 * the least counts: other work only adds to it.
 */
function rowsOf(group, measured) {
  const baseline = measured.get(GROUPS[group][0]);
  const leastCpu = (rounds) => Math.min(...rounds.map(({ cpu }) => cpu));
  return GROUPS[group]
    .filter((id) => measured.has(id))
    .map((id) => {
      const mine = measured.get(id);
      const ratios = mine.map(({ perSecond }, round) => perSecond / baseline[round].perSecond);
      return {
        id,
        label: SUBJECTS[id].label,
        perSecond: median(mine.map(({ perSecond }) => perSecond)),
        ratio: median(ratios),
        lowest: Math.min(...ratios),
        highest: Math.max(...ratios),
        cpu: leastCpu(mine),
        cpuRatio: leastCpu(baseline) / leastCpu(mine),
      };
    });
}
