/** Measures the memory that stays in use after many tokens, and after many issuers. */
import { startChild } from './child.js';

/** The library's defaults: entries of the cache, and issuers that it remembers. */
const CACHED_TOKENS = 10_000;
const REMEMBERED_ISSUERS = 1_000;

/** @param {{ quick: boolean, log: (line: string) => void }} options */
export async function memory({ quick, log }) {
  const most = quick ? 50_000 : 1_000_000;
  log(`Memory: ${most} tokens${quick ? '' : ', which takes some minutes'}`);
  const tokens = await measured('memory/tokens.js', [5_000, CACHED_TOKENS, 2 * CACHED_TOKENS, most / 2, most]);
  log('Memory: issuers');
  const issuers = await measured('memory/issuers.js', {
    trusted: [1, REMEMBERED_ISSUERS, 2 * REMEMBERED_ISSUERS, 4 * REMEMBERED_ISSUERS],
    invented: [REMEMBERED_ISSUERS, 10 * REMEMBERED_ISSUERS],
  });
  return {
    tokens: { ...tokens, bounds: boundsOfTokens(tokens.rows) },
    issuers: { ...issuers, bounds: boundsOfIssuers(issuers.rows) },
  };
}

/** Proofs that the library remembers by default. */
const REMEMBERED_PROOFS = 500_000;

/** @param {{ quick: boolean, log: (line: string) => void }} options */
export async function dpopMemory({ quick, log }) {
  const most = quick ? 50_000 : 1_000_000;
  log(`Memory: ${most} proofs${quick ? '' : ', which takes some minutes'}`);
  const { rows, seconds } = await measured('memory/proofs.js', [most / 10, most / 2, most]);
  const [first, last] = [rows[0], rows.at(-1)];
  const each = (last.heap - first.heap) / (last.proofs - first.proofs);
  return { rows, seconds, bounds: { each, most: each * REMEMBERED_PROOFS } };
}

async function measured(script, marks) {
  const child = startChild(new URL(script, import.meta.url), { execArgv: ['--expose-gc'] });
  try {
    return await child.ask('measure', marks);
  } finally {
    child.stop();
  }
}

/** The heap grows from half a cache to a full one, then stays. */
function boundsOfTokens(rows) {
  const [half, full, ...later] = rows;
  const each = (full.heap - half.heap) / (full.tokens - half.tokens);
  return { each, most: each * CACHED_TOKENS, growth: Math.max(...later.map(({ heap }) => heap)) - full.heap };
}

function boundsOfIssuers(rows) {
  const [one, full, ...later] = rows.filter(({ kind }) => kind === 'trusted');
  const each = (full.heap - one.heap) / (full.issuers - one.issuers);
  return { each, most: each * REMEMBERED_ISSUERS, growth: Math.max(...later.map(({ heap }) => heap)) - full.heap };
}
