// @ts-check
import { NOTES } from './scene.js';
import { answer, consentHeading, continueAs, typePassword } from './steps.js';

/** As long as the pages let it become, and without a place to break. */
const LONG_NAME = 'Wintergardenweatherstationobservationsforeveryoneandtheirdog';

/**
 * Shows each kind of page, in turn.
 *
 * @param {import('./scene.js').Scene} scene
 * @param {import('playwright-core').Page} page where to show them
 * @param {(kind: string) => Promise<void>} look
 */
export async function onEveryPage(scene, page, look) {
  const client = await scene.client({ client_name: LONG_NAME });
  const { issuer } = scene.server;
  await page.goto(client.authorizationUrl({ scope: 'notes:read', resource: NOTES }).href);
  await look('sign-in');
  await typePassword(page, 'alice', 'wrong');
  await page.getByRole('alert').waitFor();
  await look('sign-in after a wrong password');
  await continueAs(page, 'Alice');
  await answer(page, 'Allow', client);
  await page.goto(client.authorizationUrl({ scope: 'openid notes:read notes:write', resource: NOTES }).href);
  await consentHeading(page).waitFor();
  await look('consent');
  await page.goto(`${issuer}/authorize?client_id=${LONG_NAME}`);
  await look('error');
  await page.goto(issuer);
  await look('home');
}
