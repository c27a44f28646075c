/**
 * `npm run lab -- [--list] [--check] [--all] [product…] [client:name…]`: runs the library with real authorization servers
 * and real clients: those that are named; with `--all`, every one; otherwise the servers that are quick to install. Writes
 * what they did to `results/` and docs/compatibility.md. Exits with 1 if anything was not as it is written down. With
 * `--check` it writes nothing.
 */
import { parseArgs } from 'node:util';
import { listClients, runClients } from './clients/run.js';
import { writePage } from './compatibility/write.js';
import { writeResults } from './compatibility/results.js';
import { NotInstalled } from './machine/install.js';
import { PRODUCTS } from './products/index.js';
import { titleOfProduct } from './products/product.js';
import { runProduct } from './scenario/run.js';

const { values, positionals } = parseArgs({
  options: { list: { type: 'boolean' }, check: { type: 'boolean' }, all: { type: 'boolean' } },
  allowPositionals: true,
});

const CLIENT = /^client:/;
const names = positionals.filter((name) => !CLIENT.test(name));
const clients = values.all
  ? listClients().map(({ name }) => name)
  : positionals.filter((name) => CLIENT.test(name)).map((name) => name.replace(CLIENT, ''));

if (values.list) list();
else {
  for (const [file, product] of chosen()) await runOne(file, product);
  if (!(await runClients(clients, { writes: !values.check }))) process.exitCode = 1;
}
// Clients of the steps may keep connections open.
process.exit();

function list() {
  for (const [file, product] of Object.entries(PRODUCTS)) {
    const missing = product.missing();
    const remarks = [product.onlyByName && 'only by name', missing && `needs ${missing}`].filter(Boolean);
    const remark = remarks.length > 0 ? ` (${remarks.join('; ')})` : '';
    console.log(`${file.padEnd(24)} ${titleOfProduct(product)}${remark}`);
  }
  for (const { name, title } of listClients()) console.log(`${`client:${name}`.padEnd(24)} ${title}`);
}

function chosen() {
  const unknown = names.filter((name) => !(name in PRODUCTS));
  if (unknown.length > 0) {
    console.error(`There is no product "${unknown.join('", "')}", only ${Object.keys(PRODUCTS).join(', ')}`);
    process.exit(2);
  }
  if (values.all) return Object.entries(PRODUCTS);
  return positionals.length > 0
    ? names.map((name) => [name, PRODUCTS[name]])
    : Object.entries(PRODUCTS).filter(([, { onlyByName }]) => !onlyByName);
}

async function runOne(file, product) {
  const missing = product.missing();
  if (missing !== undefined) return skip(file, `it needs ${missing}`);
  console.log(titleOfProduct(product));
  const start = performance.now();
  let result;
  try {
    result = await runProduct(product, (line) => console.log(line));
  } catch (error) {
    if (error instanceof NotInstalled) return skip(file, error.message);
    // The others run all the same.
    console.error(error);
    process.exitCode = 1;
    return;
  }
  const bad = result.rows.filter(({ ok }) => !ok);
  if (bad.length > 0) process.exitCode = 1;
  else if (!values.check) {
    writeResults(file, result);
    writePage();
  }
  const seconds = Math.round((performance.now() - start) / 1_000);
  console.log(`  ${result.rows.length} steps in ${seconds} s, ${bad.length} not as written down`);
}

function skip(file, reason) {
  console.log(`${file} is skipped: ${reason}`);
}
