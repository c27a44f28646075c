/**
 * Keeps the code in the README, in docs/*.md and in docs/guides/*.md the code of the repository: `node scripts/readme-snippets.js` writes
 * into each fenced block that follows a comment `<!-- file#region -->` what stands between `// #region region` and
 * `// #endregion` in that file. With `--check` it writes nothing, and fails where that would change something.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const docs = ['docs', 'docs/guides'].flatMap((folder) =>
  readdirSync(new URL(`${folder}/`, root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`),
);
const pages = ['README.md', ...docs];

/** @param {string} file @param {string} region */
function snippet(file, region) {
  const lines = readFileSync(new URL(file, root), 'utf8').split('\n');
  const start = lines.findIndex((line) => line.trim() === `// #region ${region}`);
  const end = lines.findIndex((line, index) => index > start && line.trim() === '// #endregion');
  if (start === -1 || end === -1) throw new Error(`${file} has no region ${region}`);
  const body = lines.slice(start + 1, end);
  const indent = Math.min(...body.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)));
  return body.map((line) => line.slice(indent)).join('\n');
}

const MARKED = /(<!-- (\S+)#(\S+) -->\n```ts\n)[^]*?^(```)$/gm;
const ANY = /^```ts$/gm;

let failed = false;
for (const page of pages) {
  const url = new URL(page, root);
  const before = readFileSync(url, 'utf8');
  const after = before.replace(MARKED, (_all, head, file, region, tail) => `${head}${snippet(file, region)}\n${tail}`);
  if ([...after.matchAll(ANY)].length !== [...after.matchAll(MARKED)].length) {
    console.error(`${page} has TypeScript that nothing compiles: let a comment name the region it comes from`);
    failed = true;
  }
  if (after === before) continue;
  if (process.argv.includes('--check')) {
    console.error(`${page} does not show the code of the repository: run node scripts/readme-snippets.js`);
    failed = true;
  } else {
    writeFileSync(url, after);
  }
}
if (failed) process.exit(1);
