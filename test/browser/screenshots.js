// @ts-check
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NOTES } from './scene.js';
import { answer, consentHeading, continueAs } from './steps.js';

/** Shown on the consent page; nobody listens there. A native client may be sent to any port (RFC 8252 §7.3). */
const SHOWN_REDIRECT_URI = 'http://127.0.0.1:6274/callback';

/**
 * The images of the documentation: a sign-in, and a consent that steps up.
 *
 * @param {string} folder
 * @returns {import('./scene.js').Checks}
 */
export function screenshotChecks(folder) {
  return {
    [`screenshots: written to ${folder}`]: async (scene) => {
      const client = await scene.client({ client_name: 'MCP Inspector' });
      const read = { scope: 'notes:read', resource: NOTES };
      const both = { scope: 'notes:read notes:write', resource: NOTES, redirect_uri: SHOWN_REDIRECT_URI };
      await mkdir(folder, { recursive: true });
      const page = await scene.open(client.authorizationUrl(read));
      await take(page, join(folder, 'sign-in.png'), 700);
      await continueAs(page, 'Alice');
      await answer(page, 'Allow', client);
      await page.goto(client.authorizationUrl(both).href);
      await consentHeading(page).waitFor();
      await take(page, join(folder, 'consent.png'), 640);
    },
  };
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} path
 * @param {number} height of the viewport; a longer page is taken whole
 */
async function take(page, path, height) {
  await page.setViewportSize({ width: 900, height });
  // By default Playwright hides the caret with a style of its own, which the policy of the pages refuses.
  await page.screenshot({ path, fullPage: true, caret: 'initial' });
}
