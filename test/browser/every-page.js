// @ts-check
import { NOTES } from './scene.js';
import { answer, consentHeading, continueAs, typePassword } from './steps.js';

/** As long as the pages let it become, and without a place to break. */
const LONG_NAME = 'Wintergardenweatherstationobservationsforeveryoneandtheirdog';

/**
 * Each kind of page, in turn, in one browser.
 *
 * @param {import('./scene.js').Scene} scene
 * @param {import('playwright-core').BrowserContextOptions} options
 * @param {(kind: string, page: import('playwright-core').Page) => Promise<void>} look
 */
export async function onEveryPage(scene, options, look) {
  const client = await scene.client({ client_name: LONG_NAME });
  const { issuer } = scene.server;
  const page = await scene.open(client.authorizationUrl({ scope: 'notes:read', resource: NOTES }), options);
  await look('sign-in', page);
  await typePassword(page, 'alice', 'wrong');
  await page.getByRole('alert').waitFor();
  await look('sign-in after a wrong password', page);
  await continueAs(page, 'Alice');
  await answer(page, 'Allow', client);
  await page.goto(client.authorizationUrl({ scope: 'openid notes:read notes:write', resource: NOTES }).href);
  await consentHeading(page).waitFor();
  await look('consent', page);
  await page.goto(`${issuer}/authorize?client_id=${LONG_NAME}`);
  await look('error', page);
  await page.goto(issuer);
  await look('home', page);
}
