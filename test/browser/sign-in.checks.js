// @ts-check
import assert from 'node:assert/strict';
import { NOTES } from './scene.js';
import { answer, arriveAt, consentHeading, continueAs, lines, typePassword } from './steps.js';

const REQUEST = { scope: 'notes:read', resource: NOTES };

/** @type {import('./scene.js').Checks} */
export const signInChecks = {
  'sign-in: says which client wants to use what, and offers every user': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    assert.deepEqual(await lines(page.getByRole('main')), [
      'Sign in',
      'Notes client wants to use Notes.',
      'A',
      'Continue as Alice',
      'alice',
      'B',
      'Continue as Bob',
      'bob',
      'or with a password',
      'User name',
      'Password',
      'Sign in',
      'Cancel',
    ]);
  },

  'sign-in: one click on a user signs in': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await continueAs(page, 'Bob');
    assert.ok((await lines(page.getByRole('main'))).includes('Signed in as Bob.'));
  },

  'sign-in: a typed user name and password sign in': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await typePassword(page, 'alice', 'alice');
    await consentHeading(page).waitFor();
    assert.ok((await lines(page.getByRole('main'))).includes('Signed in as Alice.'));
  },

  'sign-in: a wrong password gets a message, keeps the user name and not the password, and can be corrected': async (
    scene,
  ) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    const [answered] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      typePassword(page, 'alice', 'bob'),
    ]);
    assert.equal(answered.status(), 401);
    assert.equal(await page.getByRole('alert').innerText(), 'Wrong user name or password.');
    assert.equal(await page.getByLabel('User name').inputValue(), 'alice');
    assert.equal(await page.getByLabel('Password').inputValue(), '');
    await page.getByLabel('Password').fill('alice');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await consentHeading(page).waitFor();
  },

  'sign-in: an empty form is not sent': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    /** @type {string[]} */
    const sent = [];
    page.on('request', (request) => sent.push(request.url()));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('input[name=username]:focus:invalid').waitFor();
    assert.deepEqual(sent, []);
  },

  'sign-in: Enter in the password field signs in, although Cancel is in the form too': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill('alice');
    await page.keyboard.press('Enter');
    await consentHeading(page).waitFor();
  },

  'sign-in: Cancel leads back with access_denied, with nothing typed': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    const { url } = await answer(page, 'Cancel', client);
    assert.equal(url.searchParams.get('error'), 'access_denied');
    assert.equal(url.searchParams.get('state'), 'some-state');
  },

  'sign-in: works with scripts switched off, to the end': async (scene) => {
    const client = await scene.client();
    const page = await scene.page({ javaScriptEnabled: false });
    await page.goto(client.authorizationUrl(REQUEST).href);
    await continueAs(page, 'Alice');
    await page.getByRole('button', { name: 'Allow' }).click();
    await arriveAt(page, client);
    assert.equal((await client.exchange(client.arrival())).scope, 'notes:read');
  },
};
