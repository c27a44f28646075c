/** Writes RESULTS.md. Knows how figures look, and what there is to say about them; measures nothing. */

/** @param {ReturnType<import('./results.js').readResults>} results */
export function report(results) {
  const sections = Object.entries(SECTIONS).flatMap(([part, section]) =>
    results[part] ? [section(results[part].figures)] : [],
  );
  return `${[HEAD, runs(results), aims(results), HOW_TO_READ, ...sections, compared(results)].join('\n\n')}\n`;
}

const HEAD = `# Results

Written by \`npm run bench\` from \`results.json\`; see [README.md](README.md). Not edited by hand.`;

const HOW_TO_READ = `## How to read them

Read ratios, not times: times are those of one machine, which was running the load as well. Every subject ran in turn,
round after round, beginning with another each time; ratios were taken within a round and are medians, with the lowest and
the highest behind them. "No guard, a second process" is the same server once more: as far as its ratio is from 1.00, so far
may any other be off. CPU is processor time of the server alone, the least of all rounds, which other work on the machine
disturbs less than requests a second; it includes the threads that verify signatures beside the one that serves. With one
token, \`cache: false\` looks better than it is, since requests that come together share one verification; a thousand tokens
show it as it is. The load never sleeps, so that no server has to wake it. All servers verify the same tokens of the same
issuer, and all that are listed answered 200 to a good token, and 401 to a bad signature, another audience, another issuer,
an expired token and none. They do not do the same beyond that: this library also checks origin, scopes and the kind of
token, keeps what only this caller may see out of shared caches, checks MCP calls once more at the handler, and keeps an eye
on the response; the guards by hand do nothing else, and the one with fast-jwt never notices that a key was withdrawn. What
is not shown: TLS, a network, handlers that do real work (next to which any guard is small), and more than one processor for
a server.

"The least" shows what is to be had at all: it reads one header, looks its text up in a \`Map\`, and sets one property of the
request. It is no guard to use: whatever was verified once is let in for ever.`;

const SECTIONS = {
  throughput: throughputSection,
  throughputElsewhere: throughputSection,
  decisions: decisionsSection,
  operations: operationsSection,
  signatures: signaturesSection,
  keySets: keySetsSection,
  counts: countsSection,
  memory: memorySection,
};

/** When and where each part was measured: they need not be of one run. */
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

function aims({ throughput, throughputElsewhere, decisions, signatures, counts }) {
  const rows = [
    ...[throughput, throughputElsewhere].flatMap((part) => (part ? [throughputAim(part.figures)] : [])),
    [
      'a decision about a known token, µs',
      '≤ 10',
      decisions?.figures.map(({ micros }) => micros.toFixed(1)).join(', '),
    ],
    ['a new token, of bare jose', '≤ 1.10', signatures?.figures.map(({ ratio }) => fixed(ratio)).join(', ')],
    ['requests to the issuer', 'as counted', counts?.figures.every(({ holds }) => holds) ? 'holds' : '**violated**'],
  ];
  return `## Aims\n\n${table(
    ['what', 'aim', 'seen, in the order of the tables below'],
    rows.map((row) => row.map((cell) => cell ?? 'not measured')),
  )}`;
}

/** Beside what the least of guards leaves: no other can leave more. */
function throughputAim({ series, node }) {
  const seen = series[0].groups.map(({ rows }) => {
    const [ours, least] = ['nestjs-mcp-auth', 'the least'].map((label) =>
      rows.find((row) => row.label.split(':')[0] === label),
    );
    return `${ours ? fixed(ours.ratio) : 'not measured'} (${least ? fixed(least.ratio) : 'not measured'})`;
  });
  return [
    `a known token, of the throughput without guard, Node ${node} (the least of guards)`,
    '≥ 0.95',
    seen.join(', '),
  ];
}

function throughputSection({ alg, rounds, seconds, unfit, series, node }) {
  const parts = series.flatMap(({ title, groups }) =>
    groups.map(({ group, rows }) => `### ${title}: ${group}\n\n${serversTable(rows)}`),
  );
  const left = unfit.map(({ label, why }) => `Not measured: ${label}, since ${why}.`);
  const intro = `${rounds} rounds of ${seconds} s for each server, 16 connections, ${alg}, every server in a process of its own.`;
  return [`## Throughput on Node ${node}`, intro, ...left, ...parts].join('\n\n');
}

function serversTable(rows) {
  return table(
    ['', 'requests/s', 'ratio', 'lowest–highest', 'CPU µs/request', 'ratio by CPU'],
    rows.map(({ label, perSecond, ratio, lowest, highest, cpu, cpuRatio }) => [
      label,
      count(perSecond),
      fixed(ratio),
      `${fixed(lowest)}–${fixed(highest)}`,
      count(cpu),
      fixed(cpuRatio),
    ]),
  );
}

function decisionsSection(rows) {
  const intro = 'The whole guard, in process, for a token that is known; ten decorated tools.';
  return `## A decision\n\n${intro}\n\n${table(
    ['', 'µs'],
    rows.map(({ label, micros }) => [label, micros.toFixed(1)]),
  )}`;
}

function operationsSection(rows) {
  const intro = 'The same for a call of the last of N decorated tools. It must not depend on N.';
  const cells = rows.map(({ tools, micros, ratio }) => [count(tools), micros.toFixed(1), fixed(ratio)]);
  return `## A decision with many tools\n\n${intro}\n\n${table(['decorated tools', 'µs', 'ratio'], cells)}`;
}

function signaturesSection(rows) {
  const intro = `The verification behind the guard without its cache, in process, against \`jwtVerify\` of jose with the same keys, issuer,
audience and algorithm: keys given to both, or fetched by each (\`createRemoteJWKSet\`).`;
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
  return `### With many keys\n\nES256, keys given, the right one last.\n\n${table(['keys in the set', 'µs', 'ratio'], cells)}`;
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

Heap (with what it holds outside) and resident set, after collecting garbage, in MiB.

Bound for tokens: the default cache of 10,000 holds at most about ${mebi(tokens.bounds.most)} MiB (${count(tokens.bounds.each)} bytes for each
of these tokens), whatever comes; after it was full, the heap grew by ${mebi(tokens.bounds.growth)} MiB. ${count(tokens.rows.at(-1).tokens)} distinct tokens were
signed and verified in ${count(tokens.seconds)} s.

${table(['distinct tokens', 'heap', 'resident'], afterTokens)}

Bound for issuers of \`trustedIssuer\`: the 1,000 that are remembered hold at most about ${mebi(issuers.bounds.most)} MiB (${count(issuers.bounds.each)} bytes for
each, with one key fetched); after that, the heap grew by ${mebi(issuers.bounds.growth)} MiB. Of invented ones, 1,000 are remembered as such.

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
