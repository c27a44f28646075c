import { freePort } from '../machine/free-port.js';
import { Lab } from './lab.js';
import { stepsOf } from './steps.js';

/**
 * Runs the scenario with one product.
 *
 * @param {import('../products/product.js').Product} product
 * @param {(line: string) => void} say
 * @returns {Promise<import('../compatibility/results.js').Result>}
 */
export async function runProduct(product, say) {
  const port = await freePort();
  const server = await product.start({ resource: `http://localhost:${port}/mcp` });
  const rows = [];
  try {
    const lab = new Lab(server, port);
    await lab.prepare();
    for (const step of stepsOf(product)) {
      if (step.when && !step.when(lab)) continue;
      const row = rowOf(step, product.expected[step.id], await seenIn(step, lab));
      rows.push(row);
      say(`  ${row.ok ? '✓' : '✗'} ${step.id}: ${row.seen}${row.ok ? '' : `\n      expected: ${row.expected}`}`);
    }
  } finally {
    await server.kill();
  }
  const { name, version, variant } = product;
  return {
    kind: 'product',
    name,
    version,
    ...(variant !== undefined && { variant }),
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    rows,
  };
}

async function seenIn(step, lab) {
  try {
    return await step.run(lab);
  } catch (error) {
    return `error: ${error.message}`;
  }
}

/** @param {import('./steps.js').Step} step @param {import('../products/expectation.js').Expectation} [expected] */
function rowOf({ id, what }, expected, seen) {
  return {
    id,
    what,
    expected: expected?.seen ?? 'nothing is written down for this step',
    seen,
    ok: expected?.seen === seen,
    result: expected?.result ?? 'fails',
    ...(expected?.note !== undefined && { note: expected.note }),
  };
}
