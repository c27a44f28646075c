/** Builds the text of RESULTS.md and its charts from the figures. Measures nothing. */
import { barChart, fileNameOf } from './charts.js';
import { median } from './measure.js';

/** @param {ReturnType<import('./results.js').readResults>} results */
export function report(results) {
  const sections = sectionsOf(results, Object.keys(results));
  return `${[HEAD, runs(results), aims(results), HOW_TO_READ, ...sections, compared(results)].join('\n\n')}\n`;
}

/**
 * The sections about some parts, in the order of the report.
 *
 * @param {ReturnType<import('./results.js').readResults>} results
 * @param {readonly string[]} parts
 */
export function sectionsOf(results, parts) {
  return Object.entries(SECTIONS)
    .filter(([part]) => parts.includes(part))
    .map(([part, section]) => section(results[part].figures));
}

/**
 * The charts that the report shows.
 *
 * @param {ReturnType<import('./results.js').readResults>} results
 * @returns {Record<string, string>} SVG by file name
 */
export function chartsOf({ throughput, throughputElsewhere, operations }) {
  return Object.fromEntries([
    ...[throughput, throughputElsewhere].flatMap((part) => (part ? throughputCharts(part.figures) : [])),
    ...(operations ? [[OPERATIONS_CHART, operationsChart(operations.figures)]] : []),
  ]);
}

const HEAD = `# Results

Written by \`npm run bench\` from \`results.json\`; see [README.md](README.md). Not edited by hand.`;

const HOW_TO_READ = `## How to read them

Read ratios, not times: the times are those of one machine, which also ran the load. A ratio compares a server with an
unguarded one that only it has, and that runs as often: 0.90 means that nine of ten requests are left. The tables show the
median of the rounds, the middle half of them, and the lowest and the highest. "No guard, a second process" is the unguarded
server once more: as far as its ratio is from 1.00, any other may be off.

CPU is the processor time of the server process, with the threads that verify signatures. It is the figure that counts: other
work on the machine changes it less than it changes requests a second. The load never sleeps, so no server has to wake it.

All servers verify tokens of the same issuer. Each has a resource identifier with the port it listens on. All that are listed
answered 200 to a good token, and 401 to a bad signature, another audience, another issuer, an expired token and no token.
Beyond that they differ: this library also checks the origin, the scopes and the kind of token, keeps private answers out of
shared caches, checks MCP calls once more at the handler, and watches the response. The guards by hand do none of this, and
the guard with fast-jwt never notices that a key was withdrawn. With \`cache: false\`, this library
verifies the signature again for every request, but once for requests that present the same token at the same time.

The figures do not show TLS, a network, handlers that do real work (next to which any guard is small), or more than one
processor for a server.

"The least" shows how little a guard can cost: it reads one header, looks its text up in a \`Map\`, and sets one property of
the request. Do not use it: it lets in forever whatever was verified once.`;

const SECTIONS = {
  throughput: throughputSection,
  throughputElsewhere: throughputSection,
  profile: profileSection,
  profileElsewhere: profileSection,
  decisions: decisionsSection,
  operations: operationsSection,
  signatures: signaturesSection,
  keySets: keySetsSection,
  dpop: dpopSection,
  imports: importsSection,
  importsElsewhere: importsSection,
  counts: countsSection,
  memory: memorySection,
  dpopMemory: dpopMemorySection,
};

/** When and where each part was measured. The parts may come from different runs. */
function runs(results) {
  const rows = Object.entries(results).map(([part, { at, quick, versions }]) => [
    part,
    `${at.replace('T', ' ')} UTC`,
    quick ? '**quick: shows that it works, not for quoting**' : 'full',
    versions.library,
  ]);
  const machines = new Set(Object.values(results).map(({ machine }) => machine));
  return `On ${[...machines].join(', and ')}.\n\n${table(['part', 'measured', 'run', 'library'], rows)}`;
}

function aims(results) {
  const rows = [
    toolCallAim(results),
    limitAim('a decision about a known token, µs', 8, results.decisions, ({ micros }) => micros, 1),
    limitAim('a new token, of `jwtVerify` of jose', 1.05, results.signatures, ({ ratio }) => ratio, 2),
    limitAim('a known token with a proof (DPoP), of jose and the proof', 1.15, results.dpop, ({ ratio }) => ratio, 2),
    dpopMemoryAim(results),
    limitAim(
      'import of the package on top of Nest, ms',
      80,
      results.imports && { figures: results.imports.figures.rows },
      ({ millis }) => millis,
      0,
    ),
    countsAim(results),
  ];
  return `## Aims\n\n${table(['what', 'aim', 'measured, in the order of the tables below', 'met'], rows)}`;
}

/** The oldest Node that counts as current. */
const CURRENT_NODE = 24;
const TOOL_CALL_AIM = 0.92;

/** The ratio of a guarded call to an unguarded one, beside the ratio of the least guard, which no guard can exceed. */
function toolCallAim({ throughput, throughputElsewhere }) {
  const what = 'an MCP `tools/call` with a known token, by CPU, of the unguarded server';
  const part = [throughput, throughputElsewhere].find((one) => majorOf(one?.figures.node) >= CURRENT_NODE);
  const row = (id) => part?.figures.series[0].groups.flatMap(({ rows }) => rows).find((one) => one.id === id);
  const ours = row('mcpOurs');
  const aim = `≥ ${TOOL_CALL_AIM} on a current Node`;
  if (!ours) return [what, aim, 'not measured', ''];
  const least = row('mcpLookup');
  const measured = `${fixed(ours.cpuRatio)}${least ? ` (the least: ${fixed(least.cpuRatio)})` : ''}, Node ${part.figures.node}`;
  return [what, aim, measured, verdict(ours.cpuRatio >= TOOL_CALL_AIM)];
}

function majorOf(version) {
  return Number(/^v(\d+)/.exec(version)?.[1] ?? 0);
}

/** An aim that no row of a part may exceed. Compares values with the precision that is shown. */
function limitAim(what, most, part, valueOf, digits) {
  if (!part) return [what, `≤ ${most}`, 'not measured', ''];
  const values = part.figures.map((row) => valueOf(row).toFixed(digits));
  return [what, `≤ ${most}`, values.join(', '), verdict(values.every((value) => Number(value) <= most))];
}

const BYTES_OF_PROOF = 110;

function dpopMemoryAim({ dpopMemory }) {
  const rows = dpopMemory && { figures: [dpopMemory.figures.bounds] };
  return limitAim('memory for a used proof, bytes', BYTES_OF_PROOF, rows, ({ each }) => each, 0);
}

function countsAim({ counts }) {
  const measured = counts?.figures.map(({ seen }) => seen).join('; ');
  return [
    'requests to the issuer',
    'as counted below',
    measured ?? 'not measured',
    counts ? verdict(counts.figures.every(({ holds }) => holds)) : '',
  ];
}

function verdict(isMet) {
  return isMet ? 'yes' : '**no**';
}

function throughputSection({ alg, rounds, seconds, unfit, series, node }) {
  const parts = series.flatMap(({ title, groups }) =>
    groups.map(
      ({ group, rows }) =>
        `### ${title}: ${group}\n\n![Ratio by CPU, ${title}: ${group}](charts/${throughputChart(title, group, node)})\n\n${serversTable(rows)}`,
    ),
  );
  const left = unfit.map(({ label, why }) => `Not measured: ${label}, since ${why}.`);
  const intro = `${rounds} rounds of ${seconds} s for each server and for an unguarded one beside it, in processes of their own that are replaced after
half of the rounds; 16 connections, ${alg}.`;
  return [`## Throughput on Node ${node}`, intro, ...left, ...parts].join('\n\n');
}

function serversTable(rows) {
  return table(
    ['', 'CPU µs/request', 'ratio by CPU', 'middle half', 'lowest–highest', 'requests/s', 'ratio'],
    rows.map(({ label, perSecond, ratio, cpu, cpuRatio, middleHalf, extremes }) => [
      label,
      count(cpu),
      fixed(cpuRatio),
      middleHalf.map(fixed).join('–'),
      extremes.map(fixed).join('–'),
      count(perSecond),
      fixed(ratio),
    ]),
  );
}

function throughputChart(title, group, node) {
  return fileNameOf(title, group, 'node', String(majorOf(node)));
}

function throughputCharts({ series, node }) {
  return series.flatMap(({ title, groups }) =>
    groups.map(({ group, rows }) => [
      throughputChart(title, group, node),
      ratioChart(`${title}: ${group}`, node, rows),
    ]),
  );
}

function ratioChart(title, node, rows) {
  return barChart({
    title: `${title}, Node ${node}`,
    description: `Processor time of the unguarded server, divided by that of each server: 1 is the unguarded server, and longer is better.
The lines reach from the lowest to the highest round. ${rows.map(({ label, cpuRatio }) => `${label}: ${fixed(cpuRatio)}`).join('; ')}.`,
    reference: 1,
    bars: rows.map(({ id, label, cpuRatio, extremes }) => ({
      label,
      value: cpuRatio,
      text: fixed(cpuRatio),
      extremes,
      isOurs: /^(?:fastifyO|mcpO|o)urs/.test(id),
    })),
  });
}

const PROFILE_PARTS = {
  library: 'functions of this library',
  hashing: 'hashing and other cryptography that they call',
  onBehalf: 'what Nest, Node and other packages do on their behalf',
  asyncHooks: '`AsyncLocalStorage` and hooks of promises',
  gc: 'collecting garbage',
  together: '**together**',
  rest: 'everything else',
};

function profileSection({ node, rows }) {
  const intro = `V8's CPU profiler, every 200 µs, in the guarded server under load: whose work it does while it is not idle. Work below a
function of this library counts as done on its behalf, until the application or the MCP framework goes on. Garbage and hooks
have no caller: there, the figure is what they take beyond their part in the unguarded server. The figures are medians of
${rows[0].runs.length} runs, the last of them beside a busy loop that takes a processor away, with the lowest and the highest.`;
  const tables = rows.map(({ title, runs: each }) => `### ${title}, Node ${node}\n\n${profileTable(each)}`);
  return [`## Our share of the processor time on Node ${node}`, intro, ...tables].join('\n\n');
}

function profileTable(each) {
  const rows = Object.entries(PROFILE_PARTS).map(([part, label]) => [
    label,
    ...['percent', 'micros'].map((unit) => spread(each.map(({ shares }) => shares[part][unit]))),
  ]);
  return table(['', '% of busy time', 'µs a request'], rows);
}

/** The median, with the lowest and the highest. */
function spread(values) {
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  return `${tenths(median(values))} (${tenths(lowest)}–${tenths(highest)})`;
}

function tenths(number) {
  return number.toFixed(1).replace(/^-0\.0$/, '0.0');
}

function decisionsSection(rows) {
  const intro = 'The whole guard, in process, for a known token; ten decorated tools.';
  return `## A decision\n\n${intro}\n\n${table(
    ['', 'µs'],
    rows.map(({ label, micros }) => [label, micros.toFixed(1)]),
  )}`;
}

const OPERATIONS_CHART = 'decision-by-number-of-tools.svg';

function operationsSection(rows) {
  const intro =
    'The whole guard, in process, for a call of the last of N decorated tools. The cost must not depend on N.';
  const cells = rows.map(({ tools, micros, ratio }) => [count(tools), micros.toFixed(1), fixed(ratio)]);
  const chart = `![Cost of a decision by number of tools](charts/${OPERATIONS_CHART})`;
  return `## A decision with many tools\n\n${intro}\n\n${chart}\n\n${table(['decorated tools', 'µs', 'ratio'], cells)}`;
}

function operationsChart(rows) {
  const bars = rows.map(({ tools, micros }) => ({
    label: `${count(tools)} decorated tools`,
    value: micros,
    text: `${micros.toFixed(1)} µs`,
    isOurs: true,
  }));
  return barChart({
    title: 'Cost of a decision by number of tools',
    description: `Microseconds for a call of the last tool, shorter is better. ${bars.map(({ label, text }) => `${label}: ${text}`).join('; ')}.`,
    bars,
  });
}

function signaturesSection(rows) {
  const intro = `The verification behind the guard without its cache, in process, beside \`jwtVerify\` of jose with the same keys, issuer,
audience and algorithm. Both are given the keys, or both fetch them (\`createRemoteJWKSet\`).`;
  const cells = rows.map(({ alg, keys, ours, jose, ratio }) => [
    alg,
    keys,
    ours.toFixed(0),
    jose.toFixed(0),
    fixed(ratio),
  ]);
  return `## A new token\n\n${intro}\n\n${table(['', 'keys', 'µs', 'jose, µs', 'ratio'], cells)}`;
}

function keySetsSection(rows) {
  const cells = rows.map(({ keys, micros, ratio }) => [count(keys), micros.toFixed(0), fixed(ratio)]);
  return `### With many keys\n\nES256, keys given; the last key of the set is the right one.\n\n${table(['keys in the set', 'µs', 'ratio'], cells)}`;
}

function dpopSection(rows) {
  const intro = `Processor time of the whole decision about a known token with a proof, and of the verification of the proof alone with jose: as a
JWT with the key in its header (\`jwtVerify\`, \`EmbeddedJWK\`), which the ratio is of, and of its signature with a key that was imported
before. "Bearer" is the same decision without a proof. The least of all rounds.`;
  const cells = rows.map(({ alg, guard, embedded, signature, bearer, ratio }) => [
    alg,
    guard.toFixed(0),
    embedded.toFixed(0),
    signature.toFixed(0),
    bearer.toFixed(0),
    fixed(ratio),
  ]);
  return `## A known token with a proof (DPoP)\n\n${intro}\n\n${table(['', 'µs', 'jose, µs', 'signature, µs', 'Bearer, µs', 'ratio'], cells)}`;
}

function dpopMemorySection({ rows, seconds, bounds }) {
  const cells = rows.map(({ proofs, heap, rss }) => [count(proofs), mebi(heap), mebi(rss)]);
  return `### Used proofs (DPoP)

The memory store, behind the whole guard. Each proof takes ${count(bounds.each)} bytes: the 500,000 that are remembered at most by default take ${mebi(bounds.most)}
MiB. Signing and verifying ${count(rows.at(-1).proofs)} proofs took ${count(seconds)} s.

${table(['proofs', 'heap', 'resident'], cells)}`;
}

function importsSection({ node, rows }) {
  const intro = `\`import 'nestjs-mcp-auth'\` in a fresh process that has imported Nest: the folder that the build writes, and the same from
the packed tarball.`;
  const cells = rows.map(({ label, millis, lowest, highest, cpu }) => [
    label,
    millis.toFixed(0),
    `${lowest.toFixed(0)}–${highest.toFixed(0)}`,
    cpu.toFixed(0),
  ]);
  return `## The import on Node ${node}\n\n${intro}\n\n${table(['', 'ms', 'lowest–highest', 'CPU ms'], cells)}`;
}

function countsSection(rows) {
  const cells = rows.map(({ what, expected, seen, holds }) => [what, expected, seen, holds ? 'yes' : '**no**']);
  return `## Requests to the issuer\n\nCounted, not timed.\n\n${table(['', 'expected', 'seen', 'holds'], cells)}`;
}

function memorySection({ tokens, issuers }) {
  const afterTokens = tokens.rows.map(({ tokens: verified, heap, rss }) => [count(verified), mebi(heap), mebi(rss)]);
  const afterIssuers = issuers.rows.map(({ kind, issuers: seen, heap, rss }) => [
    `${count(seen)} ${kind}`,
    mebi(heap),
    mebi(rss),
  ]);
  return `## Memory

Heap (with the memory it holds outside) and resident set in MiB, after collecting garbage.

Bound for tokens: the default cache holds 10,000 tokens in at most about ${mebi(tokens.bounds.most)} MiB (${count(tokens.bounds.each)} bytes for each
of these tokens), however many come. After it was full, the heap grew by ${mebi(tokens.bounds.growth)} MiB. Signing and verifying ${count(tokens.rows.at(-1).tokens)}
distinct tokens took ${count(tokens.seconds)} s.

${table(['distinct tokens', 'heap', 'resident'], afterTokens)}

Bound for issuers of \`trustedIssuer\`: the library remembers 1,000 in at most about ${mebi(issuers.bounds.most)} MiB (${count(issuers.bounds.each)} bytes for
each, with one key fetched). After that, the heap grew by ${mebi(issuers.bounds.growth)} MiB. It also remembers 1,000 issuers that are not trusted.

${table(['issuers', 'heap', 'resident'], afterIssuers)}`;
}

function compared({ throughput }) {
  if (!throughput) return '## Versions\n\nNo servers were compared.';
  const { compared: installed, platform } = throughput.versions;
  return `## Versions\n\n${table(['package', 'version'], Object.entries({ ...installed, ...platform }))}`;
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function fixed(ratio) {
  return ratio.toFixed(2);
}

function count(number) {
  return Math.round(number).toLocaleString('en');
}

function mebi(bytes) {
  return (bytes / 2 ** 20).toFixed(1);
}
