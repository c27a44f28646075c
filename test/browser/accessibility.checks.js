// @ts-check
import assert from 'node:assert/strict';
import { onEveryPage } from './every-page.js';
import { backgroundLuminance, focusContrast, focused, horizontalOverflow, textContrasts } from './measure.js';
import { NOTES } from './scene.js';
import { arriveAt, consentHeading, continueAs, typePassword } from './steps.js';

const REQUEST = { scope: 'notes:read', resource: NOTES };
const SIGN_IN_STOPS = [
  'button, Continue as Alice alice',
  'button, Continue as Bob bob',
  'textbox, User name',
  'textbox, Password',
  'button, Sign in',
  'button, Cancel',
];
const CONSENT_STOPS = ['button, Allow', 'button, Deny', 'button, Use another account'];
const SCHEMES = /** @type {const} */ (['light', 'dark']);
/** WCAG 2.2: 1.4.3 for text of body size, which is asked of larger text here too; 1.4.11 for a focus mark; 320 px below is 1.4.10. */
const LEAST_TEXT_CONTRAST = 4.5;
const LEAST_MARK_CONTRAST = 3;

/** @type {import('./scene.js').Checks} */
export const accessibilityChecks = {
  'keyboard: Tab visits users, fields and buttons of the sign-in in reading order, each under its name': async (
    scene,
  ) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    assert.deepEqual(await tabThrough(page), SIGN_IN_STOPS);
  },

  'keyboard: Tab visits Allow, Deny and the other account on the consent page': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await continueAs(page, 'Alice');
    assert.deepEqual(await tabThrough(page), CONSENT_STOPS);
  },

  'keyboard: the whole way to the client needs no mouse': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await consentHeading(page).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await arriveAt(page, client);
    assert.ok(client.arrival().url.searchParams.has('code'));
  },

  'keyboard: after a wrong password the password field has the focus, described by the message': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await typePassword(page, 'alice', 'wrong');
    await page.getByRole('alert').waitFor();
    assert.equal(await focused(page), 'textbox, Password, Wrong user name or password.');
  },

  'keyboard: what has the focus can be seen, in light and dark': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await assertFocusSeen(page, SIGN_IN_STOPS.length);
    await continueAs(page, 'Alice');
    await assertFocusSeen(page, CONSENT_STOPS.length);
  },

  'pages: each has a language, a title, one main landmark and one first heading': async (scene) => {
    const page = await scene.page();
    await onEveryPage(scene, page, async (kind) => {
      assert.equal(await page.locator('html').getAttribute('lang'), 'en', kind);
      assert.notEqual(await page.title(), '', kind);
      assert.equal(await page.getByRole('main').count(), 1, kind);
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1, kind);
    });
  },

  [`pages: all text has a contrast of at least ${LEAST_TEXT_CONTRAST}, in light and dark`]: async (scene) => {
    const page = await scene.page();
    await onEveryPage(scene, page, async (kind) => {
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme });
        const luminance = await backgroundLuminance(page);
        assert.ok(colorScheme === 'dark' ? luminance < 0.1 : luminance > 0.8, `${kind} is not ${colorScheme}`);
        const texts = await textContrasts(page);
        assert.ok(texts.length > 3, kind);
        assert.deepEqual(
          texts.filter((text) => text.contrast < LEAST_TEXT_CONTRAST),
          [],
          `${kind}, ${colorScheme}`,
        );
      }
    });
  },

  'pages: fit into a phone 360 px wide, and into 320 px': async (scene) => {
    // A phone heeds `<meta name="viewport">`.
    const page = await scene.page({ isMobile: true, hasTouch: true });
    await onEveryPage(scene, page, async (kind) => {
      for (const width of [360, 320]) {
        await page.setViewportSize({ width, height: 740 });
        assert.deepEqual(await horizontalOverflow(page), { width, scrollWidth: width, overflowing: [] }, kind);
      }
    });
  },
};

/**
 * Presses Tab until it has been everywhere.
 *
 * @param {import('playwright-core').Page} page
 */
async function tabThrough(page) {
  /** @type {string[]} */
  const stops = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const stop = await focused(page);
    if (stop === '' || stops.includes(stop)) return stops;
    stops.push(stop);
  }
}

/**
 * @param {import('playwright-core').Page} page
 * @param {number} stops
 */
async function assertFocusSeen(page, stops) {
  for (let stop = 0; stop < stops; stop += 1) {
    await page.keyboard.press('Tab');
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      const contrast = await focusContrast(page);
      assert.ok(
        contrast >= LEAST_MARK_CONTRAST,
        `${await focused(page)}: a mark of contrast ${contrast}, ${colorScheme}`,
      );
    }
  }
}
