/**
 * The web interface of MCP Inspector in Chromium, used as a person would: connect, sign in, call tools, step up, call again
 * after the token expired.
 *
 * Settings are environment variables: MCP_URL, PROTOCOL, WAIT (seconds), CHROMIUM, and NODE, which runs the Inspector.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const { MCP_URL, PROTOCOL, WAIT, CHROMIUM, NODE } = process.env;
const here = dirname(fileURLToPath(import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'inspector-'));

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  return String(port);
}

/** Starts the Inspector with one server in its catalog. Returns the URL that it prints. */
async function startInspector() {
  const catalog = join(home, 'catalog.json');
  const era = PROTOCOL.startsWith('2025') ? 'legacy' : 'modern';
  const notes = { type: 'streamable-http', url: MCP_URL, protocolEra: era };
  writeFileSync(catalog, JSON.stringify({ mcpServers: { notes } }));
  const launcher = join(here, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
  const [client, sandbox, app] = await Promise.all([freePort(), freePort(), freePort()]);
  const child = spawn(NODE, [launcher, '--web', '--catalog', catalog], {
    env: {
      ...process.env,
      HOME: home,
      MCP_INSPECTOR_SECRET_STORE: 'file',
      MCP_AUTO_OPEN_ENABLED: 'false',
      CLIENT_PORT: client,
      MCP_SANDBOX_PORT: sandbox,
      MCP_APP_ORIGIN_PORT: app,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const url = await new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(text.slice(-500))));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        text += chunk;
        const [found] = /http:\/\/\S+MCP_INSPECTOR_API_TOKEN=\S+/.exec(text) ?? [];
        if (found) resolve(found);
      });
    }
  });
  return { url, stop: () => child.kill() };
}

/** The tab of the Inspector: the sign-in may open in it, or in another. */
const inspectorTab = (context, origin) => context.pages().find((page) => page.url().startsWith(origin));

/** Answers the pages of the authorization server, in whichever tab they are, until the Inspector is back. */
async function signIn(context, origin, isDone) {
  for (let tries = 0; tries < 240; tries += 1) {
    const page = context.pages().find((other) => other.url().includes('/interaction/'));
    for (const name of [/Continue as Alice/, /^Allow$/]) {
      const button = page?.getByRole('button', { name });
      if (await button?.count().catch(() => 0))
        await button
          .first()
          .click()
          .catch(() => undefined);
    }
    const tab = inspectorTab(context, origin);
    if (tab && !page && (await isDone(tab).catch(() => false))) return tab;
    await sleep(250);
  }
  throw new Error(`no end of the sign-in: ${context.pages().map((page) => page.url().split('?')[0])}`);
}

async function call(page, tool, text) {
  await page.getByText('Tools', { exact: true }).first().click();
  await page.getByText(tool, { exact: true }).first().click();
  if (text !== undefined) await page.getByRole('textbox', { name: /^text/ }).first().fill(text);
  await page
    .getByRole('button', { name: /^(Execute|Run|Call)/i })
    .first()
    .click();
}

async function story(browser, { url }) {
  const { origin } = new URL(url);
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } });
  context.setDefaultTimeout(30_000);
  const start = await context.newPage();
  await start.goto(url);
  await start.getByRole('switch').first().click({ force: true });
  const isConnected = (page) => page.getByText('Tools', { exact: true }).first().isVisible();
  let page = await signIn(context, origin, isConnected);
  await call(page, 'whoami');
  await page
    .getByText(/"?subject"?/)
    .first()
    .waitFor();
  await call(page, 'add-note', 'Buy milk');
  const agree = page.getByRole('button', { name: /^(Authorize|Continue|Proceed|Step|Confirm|Re-?authorize|Grant)/i });
  await agree.first().click();
  page = await signIn(context, origin, isConnected);
  // The Inspector does not repeat the call by itself.
  await call(page, 'add-note', 'Buy milk');
  await page
    .getByText(/Buy milk/)
    .last()
    .waitFor();
  if (WAIT) {
    await sleep(Number(WAIT) * 1000);
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await call(page, 'whoami');
    await answered;
    await page
      .getByText(/"?subject"?/)
      .first()
      .waitFor();
  }
}

const inspector = await startInspector();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
try {
  await story(browser, inspector);
} catch (error) {
  console.error(String(error.message).split('\n')[0].slice(0, 400));
  process.exitCode = 1;
} finally {
  await browser.close();
  inspector.stop();
  rmSync(home, { recursive: true, force: true });
}
process.exit();
