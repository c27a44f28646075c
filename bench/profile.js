/** Measures the library's share of a server's processor time with V8's CPU profiler. */
import { startChild } from './child.js';
import { attribute, sharesOf, sumFunctions } from './profile/attribution.js';
import { measureOnce, startIssuer, startServers, stopServers, warmUpServer } from './server-processes.js';

const LIBRARY = new URL('../dist/', import.meta.url).href;

/** Pairs of servers, with the number of requests of one run: about three seconds on a quiet machine. */
const PAIRS = [
  { title: 'MCP tools/call, Express', ours: 'mcpOurs', unguarded: 'mcpUnguarded', requests: 3_000 },
  { title: 'GET /notes, Express', ours: 'ours', unguarded: 'unguarded', requests: 20_000 },
  { title: 'GET /notes, Fastify', ours: 'fastifyOurs', unguarded: 'fastifyUnguarded', requests: 60_000 },
];

const RUNS = [
  { name: 'first run', isBusy: false },
  { name: 'second run', isBusy: false },
  { name: 'beside a busy loop', isBusy: true },
];

const FUNCTIONS_SHOWN = 15;

/**
 * @param {{ quick: boolean, log: (line: string) => void, node?: string }} options `node`: the
 * executable that runs the servers, by default that of this process
 */
export async function profile({ quick, log, node }) {
  const issuer = await startIssuer();
  try {
    const rows = [];
    let version;
    for (const pair of PAIRS) {
      const { row, functions, version: seen } = await profilePair(pair, quick ? 0.2 : 1, issuer, node);
      version = seen;
      rows.push(row);
      for (const line of [...describe(row), ...describeFunctions(functions)]) log(line);
    }
    return { node: version, rows };
  } finally {
    issuer.child.stop();
  }
}

/** @param {number} part of the requests and of the warm-up, up to 1 */
async function profilePair({ title, ours, unguarded, requests }, part, issuer, node) {
  const servers = await startServers([ours, unguarded], issuer.settings, node);
  try {
    const version = await servers.get(ours).child.ask('version');
    const subjects = [];
    for (const id of [ours, unguarded]) subjects.push(await warmedUp(servers.get(id), issuer.child, part));
    const runs = [];
    for (const run of RUNS) runs.push(await profileRun(run, subjects, part * requests));
    return { version, row: rowOf(title, runs), functions: sumFunctions(runs.map(({ guarded }) => guarded)) };
  } finally {
    stopServers(servers);
  }
}

async function warmedUp(server, issuer, part) {
  const tokens = await issuer.ask('mint', 1, { aud: server.resource });
  await warmUpServer(server, tokens, part);
  return { server, tokens };
}

async function profileRun({ name, isBusy }, [ours, other], requests) {
  const loop = isBusy ? startChild(new URL('profile/busy-loop.js', import.meta.url)) : undefined;
  try {
    const guarded = await profileServer(ours, requests);
    const unguarded = await profileServer(other, requests);
    return { name, guarded, shares: sharesOf(guarded, unguarded), difference: guarded.cpu - unguarded.cpu };
  } finally {
    loop?.stop();
  }
}

/** Measures the processor time of a request without the profiler, which costs time itself, and the shares with it. */
async function profileServer({ server, tokens }, requests) {
  const { cpu } = await measureOnce(server, { tokens, requests });
  await server.child.ask('startProfile');
  await measureOnce(server, { tokens, requests });
  return { cpu, ...attribute(await server.child.ask('stopProfile'), LIBRARY) };
}

function rowOf(title, runs) {
  return {
    title,
    runs: runs.map(({ name, guarded, shares, difference }) => ({ name, cpu: guarded.cpu, difference, shares })),
  };
}

function* describe({ title, runs }) {
  yield `${title}: percent of busy processor time, and µs a request`;
  for (const { name, cpu, difference, shares } of runs) {
    const parts = Object.entries(shares).map(
      ([part, { percent, micros }]) => `${part} ${percent.toFixed(1)} % (${micros.toFixed(1)} µs)`,
    );
    yield `  ${name}: ${parts.join(', ')}`;
    yield `    ${cpu.toFixed(0)} µs of CPU a request, ${difference.toFixed(0)} more than without a guard`;
  }
}

function* describeFunctions(functions) {
  for (const by of ['self', 'total']) {
    yield `  functions of the library by ${by} time, µs a request:`;
    const most = functions.toSorted((one, other) => other[by] - one[by]).slice(0, FUNCTIONS_SHOWN);
    for (const one of most) yield `    ${one[by].toFixed(2).padStart(6)}  ${one.name}`;
  }
}
