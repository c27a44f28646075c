import { writeFileSync } from 'node:fs';
import { compatibilityPage } from './page.js';
import { readResults } from './results.js';

/** Writes docs/compatibility.md from the published results. */
export function writePage() {
  writeFileSync(new URL('../../docs/compatibility.md', import.meta.url), compatibilityPage(readResults()));
}
