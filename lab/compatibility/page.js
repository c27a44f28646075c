/** The text of `docs/compatibility.md`, made from results. Reads and writes nothing. */
import { titleOf } from './results.js';

/** @typedef {import('./results.js').Published} Result */
/** @typedef {import('./results.js').Row} Row */

const MARKS = { works: '✓', fails: '✗', absent: '–' };

const HEAD = `# Compatibility

What this library was run with: real authorization servers, and real MCP clients. The runs write this page; nobody edits it.
[The folder \`lab\`](../lab/README.md) of the repository has the runs. The tables say which command repeats each.

- ✓ works;
- ✗ does not work; the notes say why, and what to do;
- – the product has no such thing;
- an empty field was not tried.

A mark says what a user gets, not who is at fault. Each run compares every answer with what is written down for the version,
and fails if one differs.`;

const PRODUCTS = `## Authorization servers

Each server was installed from its registry, configured as [Authorization servers](providers.md) says, and used by the official
MCP client, which signs in without a browser.`;

const CLIENTS = `## Clients

Each client signed in and called tools of a server with this library, at the development authorization server.`;

/**
 * @param {Result[]} results
 * @returns {string} Markdown
 */
export function compatibilityPage(results) {
  const products = results.filter(({ kind }) => kind === 'product');
  const clients = results.filter(({ kind }) => kind === 'client');
  const sections = [
    HEAD,
    PRODUCTS,
    ...(products.length === 0 ? ['No run yet.'] : [productTable(products), runsOf(products), ...products.map(details)]),
    CLIENTS,
    ...(clients.length === 0 ? ['No run yet.'] : [clientTable(clients), meanings(clients), notes(clients)]),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** One line for each thing that was tried, one column for each product. */
function productTable(products) {
  return table(
    ['', ...products.map(({ name, variant }) => text(variant === undefined ? name : `${name}, ${variant}`))],
    triedIn(products).map(({ id, what }) => [markdown(what), ...products.map((product) => markOf(product, id))]),
  );
}

/** One line for each client, one column for each thing that was tried: there are more clients than things. */
function clientTable(clients) {
  const tried = triedIn(clients);
  return table(
    ['client', 'version', 'protocol', ...tried.map(({ id }) => id), 'date', 'Node', 'command'],
    clients.map((client) => [
      text(client.name),
      text(client.version),
      text(client.variant ?? ''),
      ...tried.map(({ id }) => markOf(client, id)),
      client.date,
      text(client.node),
      code(client.command),
    ]),
  );
}

function runsOf(results) {
  return table(
    ['run', 'version', 'date', 'Node', 'command'],
    results.map(({ name, variant, version, date, node, command }) => [
      text(variant === undefined ? name : `${name}, ${variant}`),
      text(version),
      date,
      text(node),
      code(command),
    ]),
  );
}

/** @param {Result} result */
function details(result) {
  const lines = result.rows.map(({ what, result: outcome, seen, note }) => [
    markdown(what),
    MARKS[outcome],
    note === undefined ? text(seen) : `${text(seen)}. ${markdown(note)}`,
  ]);
  return `### ${titleOf(result)}\n\n${table(['what was tried', '', 'what was seen'], lines)}`;
}

function meanings(results) {
  return triedIn(results)
    .map(({ id, what }) => `- **${id}**: ${what}`)
    .join('\n');
}

function notes(results) {
  const all = results.flatMap((result) =>
    result.rows.flatMap(({ id, note }) => (note === undefined ? [] : [`- ${text(titleOf(result))}, ${id}: ${note}`])),
  );
  return all.length === 0 ? '' : `Notes:\n\n${all.join('\n')}`;
}

/**
 * Everything that any of the results tried, each thing once. The order is that of the results: what only a later result
 * has comes after what it has there before it.
 *
 * @param {Result[]} results
 * @returns {{ id: string, what: string }[]}
 */
function triedIn(results) {
  const tried = [];
  for (const { rows } of results) {
    let place = 0;
    for (const { id, what } of rows) {
      const known = tried.findIndex((other) => other.id === id);
      if (known === -1) tried.splice(place, 0, { id, what });
      place = (known === -1 ? place : known) + 1;
    }
  }
  return tried;
}

function markOf({ rows }, id) {
  const row = rows.find((other) => other.id === id);
  return row === undefined ? '' : MARKS[row.result];
}

function table(head, lines) {
  return [line(head), `|${'---|'.repeat(head.length)}`, ...lines.map(line)].join('\n');
}

const line = (cells) => `|${cells.map((cell) => (cell === '' ? ' |' : ` ${cell} |`)).join('')}`;

const code = (command) => `\`${command}\``;

/** Markdown of ours, in a cell. */
function markdown(value) {
  return value.replaceAll('|', String.raw`\|`);
}

/** Text that came from elsewhere, in a cell: no markup, no line breaks, no HTML. */
function text(value) {
  return value
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\\`*_[\]|{}]/g, String.raw`\$&`)
    .replaceAll('<', '&lt;');
}
