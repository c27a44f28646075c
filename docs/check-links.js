// @ts-check
/**
 * Finds dead links on the built site (VitePress checks pages, but not anchors) and in the Markdown files of the
 * repository. Also checks that the test files named in a page exist.
 *
 *     npm run docs
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const site = join(root, 'docs/.vitepress/dist');
const base = process.env.DOCS_BASE ?? '/';

/** @type {string[]} */
const problems = [];

checkSite();
checkRepository();
for (const problem of problems) console.error(problem);
console.log(`links: ${problems.length === 0 ? 'no dead link' : `${problems.length} dead`}`);
process.exitCode = problems.length === 0 ? 0 : 1;

function checkSite() {
  const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
  const pages = new Map(files.map((file) => [join(site, file), readFileSync(join(site, file), 'utf8')]));
  const ids = new Map([...pages].map(([file, html]) => [file, new Set(all(html, /\sid="([^"]+)"/g).map(decoded))]));
  /** @type {Set<string>} */
  const linked = new Set();
  for (const [file, html] of pages) {
    for (const href of new Set(all(html, /<a\s[^>]*?href="([^"]*)"/g).map(decoded))) {
      if (/^[a-z][a-z+.-]*:/i.test(href)) continue;
      const [path = '', anchor = ''] = href.split('#');
      const target = path === '' ? file : targetOf(path, file);
      if (target !== file) linked.add(target);
      const name = `${relative(site, file)}: ${href}`;
      if (!existsSync(target)) problems.push(`${name}: no such page`);
      else if (anchor !== '' && ids.get(target)?.has(decodeURIComponent(anchor)) === false)
        problems.push(`${name}: no such anchor`);
    }
  }
  for (const file of pages.keys()) {
    if (!linked.has(file) && !file.endsWith('404.html')) problems.push(`${relative(site, file)}: no link leads to it`);
  }
  if (pages.size < 20) problems.push(`${relative(root, site)}: only ${pages.size} pages`);
}

/** @param {string} path @param {string} file the page with the link */
function targetOf(path, file) {
  const place = path.startsWith('/')
    ? join(site, path.startsWith(base) ? path.slice(base.length) : '..')
    : resolve(dirname(file), path);
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() ? join(place, 'index.html') : place;
}

function checkRepository() {
  for (const file of repositoryPages()) {
    const text = readFileSync(file, 'utf8');
    for (const path of all(text, /`(test\/[\w./-]+)`/g)) {
      if (!existsSync(join(root, path))) problems.push(`${relative(root, file)}: ${path}: no such file`);
    }
    const source = withoutCode(text);
    for (const href of all(source, /\]\(([^)\s]+)\)/g)) {
      if (/^(?:[a-z][a-z+.-]*:|\/)/i.test(href)) continue;
      const [path = '', anchor = ''] = href.split('#');
      const target = path === '' ? file : resolve(dirname(file), decodeURIComponent(path));
      const name = `${relative(root, file)}: ${href}`;
      if (!existsSync(target)) problems.push(`${name}: no such file`);
      else if (anchor !== '' && !anchorsOf(target).has(anchor)) problems.push(`${name}: no such anchor`);
    }
  }
}

/** The hand-written pages; not docs/api. */
function repositoryPages() {
  const folders = ['', 'docs', 'docs/guides', 'sample'].map((folder) => join(root, folder));
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  );
}

/** The anchors of headings, as code hosts generate them. @param {string} file */
function anchorsOf(file) {
  const headings = all(withoutCode(readFileSync(file, 'utf8'), '$1'), /^#{1,6} (.+)$/gm);
  const anchors = headings.map((text) =>
    text
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set(anchors);
}

/**
 * Removes code, which may look like links. @param {string} source @param {string} inline replacement of inline code
 */
function withoutCode(source, inline = '') {
  return source.replace(/^(`{3,})[^]*?^\1$/gm, '').replace(/`([^`\n]+)`/g, inline);
}

/** The first group of every match. @param {string} text @param {RegExp} pattern */
function all(text, pattern) {
  return [...text.matchAll(pattern)].map(([, group = '']) => group);
}

/** @param {string} attribute */
function decoded(attribute) {
  return attribute
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
