// @ts-check
/**
 * Drives the pages of the development authorization server in a real Chromium: what only a browser can tell, such as
 * whether the Content-Security-Policy lets "Allow" through, where Tab goes, and what colour is on what.
 *
 *     npm run build && node test/browser/run.js [--screenshots DIR]
 *
 * `--screenshots` also writes `sign-in.png` and `consent.png` to DIR, as in docs/images. The browser is $CHROMIUM or the
 * Chromium or Chrome of this machine. Where there is none, CI installs one; elsewhere nothing runs and that is no failure.
 */
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { accessibilityChecks } from './accessibility.checks.js';
import { LAUNCH_ARGUMENTS, requireChromium } from './chromium.js';
import { consentChecks } from './consent.checks.js';
import { RESOURCES, Scene, VIEW } from './scene.js';
import { screenshotChecks } from './screenshots.js';
import { securityChecks } from './security.checks.js';
import { signInChecks } from './sign-in.checks.js';

/** Checks at the same time: a browser mostly waits. */
const LANES = 3;
/** Whatever hangs, ends. Playwright takes the browser along. */
const RUN_TIMEOUT_MS = 3 * 60 * 1000;

const { values: options } = parseArgs({ options: { screenshots: { type: 'string' } } });
const browserPath = requireChromium();
if (browserPath !== undefined) process.exitCode = (await run(browserPath)) ? 0 : 1;

/**
 * @param {string} executablePath
 * @returns {Promise<boolean>} whether all checks passed
 */
async function run(executablePath) {
  /** @type {string[]} What the server found worth telling, which here is always something wrong. */
  const notices = [];
  const server = await startDevAuthorizationServer({
    resources: RESOURCES,
    onNotice: (notice) => notices.push(notice),
  });
  try {
    // A profile of its own, made and removed by Playwright.
    const browser = await chromium.launch({ executablePath, args: LAUNCH_ARGUMENTS });
    try {
      console.log(`Chromium ${browser.version()}`);
      return await runChecks(browser, server, notices);
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {import('nestjs-mcp-auth/dev-server').DevAuthorizationServer} server
 * @param {string[]} notices
 */
async function runChecks(browser, server, notices) {
  const checks = {
    ...signInChecks,
    ...consentChecks,
    ...securityChecks,
    ...accessibilityChecks,
    ...(options.screenshots !== undefined && screenshotChecks(options.screenshots)),
  };
  setTimeout(() => {
    console.error('The browser checks hang.');
    process.exit(1);
  }, RUN_TIMEOUT_MS).unref();
  const waiting = Object.entries(checks);
  let passed = 0;
  let failed = 0;
  const lane = async () => {
    const context = await browser.newContext(VIEW);
    // Stays open, so that the window does.
    await context.newPage();
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (await passes(...next, new Scene(context, server))) passed += 1;
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  for (const notice of notices) console.log(`  ✗ the server gave notice: ${notice}`);
  failed += notices.length;
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

/**
 * @param {string} name
 * @param {(scene: Scene) => Promise<void>} check
 * @param {Scene} scene
 */
async function passes(name, check, scene) {
  try {
    await check(scene);
    scene.verifyComplaints();
    console.log(`  ✓ ${name}`);
    return true;
  } catch (error) {
    console.log([`  ✗ ${name}`, error instanceof Error ? error.stack : error, ...scene.complaints].join('\n    '));
    return false;
  } finally {
    // Fails only where the browser is gone, which the check has told already.
    await scene.close().catch(() => undefined);
  }
}
