// @ts-check
/**
 * Checks the built site in Chromium: every page loads without errors and without requests to other hosts, no page
 * scrolls sideways on a narrow screen, code is highlighted, and search finds a page.
 *
 *     npm run docs && npm run docs:check [-- --screenshots DIR]
 */
import { createReadStream, mkdirSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { LAUNCH_ARGUMENTS, requireChromium } from '../test/browser/chromium.js';

const site = fileURLToPath(new URL('.vitepress/dist', import.meta.url));
const base = process.env.DOCS_BASE ?? '/';
const NARROW = { width: 360, height: 740 };
/** @type {Readonly<Record<string, string>>} */
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};
/** Ends a run that hangs. */
const RUN_TIMEOUT_MS = 5 * 60 * 1000;

const { values: options } = parseArgs({ options: { screenshots: { type: 'string' } } });
const browserPath = requireChromium();
if (browserPath !== undefined) process.exitCode = (await run(browserPath)) ? 0 : 1;

/** @param {string} executablePath */
async function run(executablePath) {
  setTimeout(() => {
    console.error('The checks of the site hang.');
    process.exit(1);
  }, RUN_TIMEOUT_MS).unref();
  const server = createServer(serve).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${address.port}${base}`;
  const browser = await chromium.launch({ executablePath, args: LAUNCH_ARGUMENTS });
  try {
    const checks = [
      await pagesLoad(browser, url),
      await codeIsHighlighted(browser, url),
      await searchFinds(browser, url),
    ];
    if (options.screenshots !== undefined) await screenshots(browser, url, options.screenshots);
    return checks.every(Boolean);
  } finally {
    await browser.close();
    server.close();
  }
}

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
function serve({ url = '/' }, response) {
  const path = decodeURIComponent(new URL(url, 'http://site').pathname);
  const file = join(site, path.startsWith(base) ? path.slice(base.length) || 'index.html' : '..');
  const isThere = file.startsWith(site) && statSync(file, { throwIfNoEntry: false })?.isFile();
  response.writeHead(isThere ? 200 : 404, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
  if (isThere) createReadStream(file).pipe(response);
  else response.end();
}

/** @param {import('playwright-core').Browser} browser @param {string} url */
async function pagesLoad(browser, url) {
  const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
  const waiting = pages.map((file) => file.replaceAll('\\', '/'));
  /** @type {string[]} */
  const complaints = [];
  const lane = async () => {
    const page = await browser.newPage({ viewport: NARROW });
    let name = '';
    listen(page, new URL(url).origin, (complaint) => complaints.push(`${name}: ${complaint}`));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      name = next;
      await page.goto(url + next);
      await page.waitForFunction(() => '__vue_app__' in (document.querySelector('#app') ?? {}));
      const overflow = await page.evaluate(overflowOfPage);
      if (overflow !== undefined) complaints.push(`${name}: ${overflow}`);
    }
    await page.close();
  };
  await Promise.all([lane(), lane(), lane()]);
  return report(`${pages.length} pages load on a screen ${NARROW.width} px wide`, complaints);
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} origin the only allowed target of requests
 * @param {(complaint: string) => void} complain
 */
function listen(page, origin, complain) {
  page.on('console', (message) => {
    if (message.type() === 'error') complain(message.text());
  });
  page.on('pageerror', (error) => complain(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith('data:') && new URL(request.url()).origin !== origin)
      complain(`asks ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) complain(`${response.status()} for ${response.url()}`);
  });
}

/** Runs in the page. Describes the element that makes it scroll sideways; undefined if none does. */
function overflowOfPage() {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return undefined;
  const elements = [...document.querySelectorAll('.VPContent *')];
  const culprit = elements.findLast((element) => element.getBoundingClientRect().right > clientWidth + 1);
  return `${scrollWidth - clientWidth} px wider than the screen, by ${culprit?.tagName} ${culprit?.textContent?.slice(0, 60)}`;
}

/** @param {import('playwright-core').Browser} browser @param {string} url */
async function codeIsHighlighted(browser, url) {
  const page = await browser.newPage();
  await page.goto(`${url}guides/protect-a-server.html`);
  const colours = await page.$$eval(
    '.language-ts .line span',
    (spans) => new Set(spans.map((span) => getComputedStyle(span).color)).size,
  );
  await page.close();
  return report('code is highlighted', colours > 2 ? [] : [`${colours} colours`]);
}

/** @param {import('playwright-core').Browser} browser @param {string} url */
async function searchFinds(browser, url) {
  const page = await browser.newPage();
  await page.goto(url, { waitUntil: 'networkidle' });
  await page.keyboard.press('Control+k');
  await page.fill('.VPLocalSearchBox input', 'another audience');
  await page.waitForSelector('.VPLocalSearchBox .result', { timeout: 10_000 }).catch(() => undefined);
  const found = await page.$$eval('.VPLocalSearchBox .result', (results) =>
    results.map((result) => result.getAttribute('href') ?? ''),
  );
  await page.close();
  return report(
    'search finds the page that has it',
    found.some((href) => href.includes('troubleshooting')) ? [] : [`found ${found.join(', ') || 'nothing'}`],
  );
}

/** @param {import('playwright-core').Browser} browser @param {string} url @param {string} folder */
async function screenshots(browser, url, folder) {
  mkdirSync(folder, { recursive: true });
  /** @type {[name: string, path: string, scheme: 'light' | 'dark', width: number, isWhole: boolean][]} */
  const views = [
    ['landing', '', 'light', 1280, true],
    ['landing-dark', '', 'dark', 1280, false],
    ['landing-narrow-dark', '', 'dark', 390, true],
    ['landing-narrow', '', 'light', 390, true],
    ['guide', 'guides/scopes.html', 'light', 1280, false],
    ['guide-narrow', 'guides/troubleshooting.html', 'dark', 390, false],
    ['architecture', 'architecture.html', 'dark', 1280, true],
    ['api', 'api/nestjs-mcp-auth/interfaces/ProtectedResourceOptions.html', 'light', 1280, false],
    ['overview', 'overview.html', 'light', 1280, true],
    ['security', 'security.html', 'dark', 1280, true],
    ['api-narrow', 'api/nestjs-mcp-auth/classes/McpAuthError.html', 'dark', 390, false],
  ];
  for (const [name, path, colorScheme, width, isWhole] of views) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    await page.goto(url + path, { waitUntil: 'networkidle' });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: isWhole });
    await page.close();
  }
}

/** @param {string} name @param {string[]} complaints */
function report(name, complaints) {
  console.log([`  ${complaints.length === 0 ? '✓' : '✗'} ${name}`, ...complaints].join('\n    '));
  return complaints.length === 0;
}
