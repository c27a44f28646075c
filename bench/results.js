/** Keeps the figures of the last run of each part. RESULTS.md is written from them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { machine } from './measure.js';
import { versions } from './versions.js';

const FILE = new URL('results.json', import.meta.url);

/** @returns {Record<string, { at: string, quick: boolean, machine: string, versions: ReturnType<typeof versions>, figures: any }>} */
export function readResults() {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}

/** Replaces the figures of a part. */
export function keepResult(part, quick, figures) {
  const results = readResults();
  results[part] = {
    at: new Date().toISOString().slice(0, 16),
    quick,
    machine: machine(),
    versions: versions(),
    figures,
  };
  writeFileSync(FILE, `${JSON.stringify(results, undefined, 2)}\n`);
}
