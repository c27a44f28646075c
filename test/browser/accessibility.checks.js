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
/** WCAG 2.2: 1.4.3 for text of body size, which is asked of larger text here too; 1.4.11 for a focus mark. */
const LEAST_TEXT_CONTRAST = 4.5;
const LEAST_MARK_CONTRAST = 3;

/** @type {import('./scene.js').Checks} */
export const accessibilityChecks = {
  'keyboard: Tab visits users, fields and buttons of the sign-in in reading order, each under its name': async (scene) => {
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

  ...inBothSchemes('keyboard: what has the focus can be seen', async (scene, colorScheme) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST), { colorScheme });
    await assertFocusSeen(page, SIGN_IN_STOPS.length);
    await continueAs(page, 'Alice');
    await assertFocusSeen(page, CONSENT_STOPS.length);
  }),

  'pages: each has a language, a title, one main landmark and one first heading': async (scene) => {
    await onEveryPage(scene, {}, async (kind, page) => {
      assert.equal(await page.locator('html').getAttribute('lang'), 'en', kind);
      assert.notEqual(await page.title(), '', kind);
      assert.equal(await page.getByRole('main').count(), 1, kind);
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1, kind);
    });
  },

  ...inBothSchemes(`pages: all text has a contrast of at least ${LEAST_TEXT_CONTRAST}`, async (scene, colorScheme) => {
    await onEveryPage(scene, { colorScheme }, async (kind, page) => {
      const luminance = await backgroundLuminance(page);
      assert.ok(colorScheme === 'dark' ? luminance < 0.1 : luminance > 0.8, `${kind}: is not ${colorScheme}`);
      const texts = await textContrasts(page);
      assert.ok(texts.length > 3, kind);
      assert.deepEqual(texts.filter((text) => text.contrast < LEAST_TEXT_CONTRAST), [], kind);
    });
  }),

  ...atWidth(360),
  ...atWidth(320),
};

/**
 * @param {string} name
 * @param {(scene: import('./scene.js').Scene, colorScheme: 'light' | 'dark') => Promise<void>} check
 * @returns {import('./scene.js').Checks}
 */
function inBothSchemes(name, check) {
  return { [`${name}, light`]: (scene) => check(scene, 'light'), [`${name}, dark`]: (scene) => check(scene, 'dark') };
}

/**
 * A phone, which also heeds `<meta name="viewport">`; 320 is the width of WCAG 2.2, 1.4.10.
 *
 * @param {number} width
 * @returns {import('./scene.js').Checks}
 */
function atWidth(width) {
  return {
    [`pages: fit into a phone ${width} px wide`]: async (scene) => {
      const phone = { viewport: { width, height: 740 }, isMobile: true, hasTouch: true };
      await onEveryPage(scene, phone, async (kind, page) => {
        assert.deepEqual(await horizontalOverflow(page), { width, scrollWidth: width, overflowing: [] }, kind);
      });
    },
  };
}

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
    const contrast = await focusContrast(page);
    assert.ok(contrast >= LEAST_MARK_CONTRAST, `${await focused(page)}: the focus mark has a contrast of ${contrast}`);
  }
}
