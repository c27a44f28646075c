// @ts-check
/** What a user does on the pages. Each step waits for the page that it leads to. */

/** @typedef {import('playwright-core').Page} Page */

/**
 * @param {Page} page a sign-in page
 * @param {string} name
 */
export async function continueAs(page, name) {
  await page.getByRole('button', { name: `Continue as ${name}` }).click();
  await consentHeading(page).waitFor();
}

/**
 * @param {Page} page a sign-in page
 * @param {string} username
 * @param {string} password
 */
export async function typePassword(page, username, password) {
  await page.getByLabel('User name').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/**
 * Answers, and waits for the browser to be at the client.
 *
 * @param {Page} page
 * @param {'Allow' | 'Deny' | 'Cancel'} button
 * @param {import('./loopback-client.js').LoopbackClient} client
 */
export async function answer(page, button, client) {
  await page.getByRole('button', { name: button }).click();
  await arriveAt(page, client);
  return client.arrival();
}

/**
 * @param {Page} page
 * @param {import('./loopback-client.js').LoopbackClient} client
 */
export async function arriveAt(page, client) {
  await page.waitForURL((url) => url.origin === client.origin);
}

/** @param {Page} page */
export const consentHeading = (page) => page.getByRole('heading', { level: 1, name: /asks for access$/ });

/**
 * The text as it is shown, by lines.
 *
 * @param {import('playwright-core').Locator} locator
 */
export async function lines(locator) {
  return (await locator.innerText()).split('\n').filter((line) => line.trim() !== '');
}

/**
 * The scopes of a consent page: sentence, name and badge of each.
 *
 * @param {Page} page
 */
export async function shownScopes(page) {
  return Promise.all((await page.getByRole('listitem').all()).map(lines));
}
