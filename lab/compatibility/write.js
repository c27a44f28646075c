/** `npm run lab:page`: writes docs/compatibility.md from the results. */
import { writeFileSync } from 'node:fs';
import { compatibilityPage } from './page.js';
import { readResults } from './results.js';

writeFileSync(new URL('../../docs/compatibility.md', import.meta.url), compatibilityPage(readResults()));
