// @ts-check
import assert from 'node:assert/strict';
import { CALENDAR, NOTES } from './scene.js';
import { answer, continueAs, lines, shownScopes } from './steps.js';

const READ = { scope: 'notes:read', resource: NOTES };
const BOTH = { scope: 'notes:read notes:write', resource: NOTES };

/** With what the page says about each. */
const OTHER_REDIRECTS = /** @type {const} */ ([
  ['http://[::1]:45678/callback', '[::1]:45678, on this computer'],
  ['https://client.example/callback', 'client.example'],
  ['com.example.notes:/callback', 'the application that opens com.example.notes: links'],
  ['editor://example.notes/callback', 'the application that opens editor: links'],
]);

/** @type {import('./scene.js').Checks} */
export const consentChecks = {
  'consent: names client, user, resource, each scope with its sentence, and the host that the browser goes to': async (
    scene,
  ) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(BOTH));
    await continueAs(page, 'Alice');
    assert.deepEqual(await lines(page.getByRole('main')), [
      'Notes client asks for access',
      'Signed in as Alice.',
      'Notes',
      NOTES,
      'Read your notes',
      'notes:read',
      'New',
      'Create, change and delete your notes',
      'notes:write',
      'New',
      'You will be sent back to',
      `${new URL(client.origin).host}, on this computer`,
      'Allow',
      'Deny',
      'Use another account',
    ]);
  },

  'consent: shows only what was asked for': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(READ));
    await continueAs(page, 'Alice');
    assert.deepEqual(await shownScopes(page), [['Read your notes', 'notes:read', 'New']]);
  },

  'consent: groups the scopes by resource, and those of identity apart': async (scene) => {
    const client = await scene.client();
    const scope = 'openid offline_access notes:read calendar:read';
    const page = await scene.open(client.authorizationUrl({ scope, prompt: 'consent', resource: [NOTES, CALENDAR] }));
    await continueAs(page, 'Alice');
    const groups = await page.locator('section').all();
    assert.deepEqual(await Promise.all(groups.map(lines)), [
      ['Notes', NOTES, 'Read your notes', 'notes:read', 'New'],
      ['Calendar', CALENDAR, 'See your appointments', 'calendar:read', 'New'],
      [
        'Your identity',
        'Know who you are',
        'openid',
        'New',
        'Stay connected while you are away',
        'offline_access',
        'New',
      ],
    ]);
  },

  'consent: Allow arrives at the redirect URI with code, state and iss, and the code is good': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl({ ...BOTH, state: 'a state & more' }));
    await continueAs(page, 'Alice');
    const arrival = await answer(page, 'Allow', client);
    assert.equal(page.url(), arrival.url.href);
    const { code, ...others } = Object.fromEntries(arrival.url.searchParams);
    assert.ok(code);
    assert.deepEqual(others, { state: 'a state & more', iss: scene.server.issuer });
    assert.equal((await client.exchange(arrival)).scope, 'notes:read notes:write');
  },

  'consent: Deny arrives with access_denied, state and iss, and no code': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(BOTH));
    await continueAs(page, 'Alice');
    const { url } = await answer(page, 'Deny', client);
    const { error_description: description, ...others } = Object.fromEntries(url.searchParams);
    assert.ok(description);
    assert.deepEqual(others, { error: 'access_denied', state: 'some-state', iss: scene.server.issuer });
  },

  'consent: a step-up needs no second sign-in and marks what is new': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(READ));
    await continueAs(page, 'Alice');
    await answer(page, 'Allow', client);
    await page.goto(client.authorizationUrl(BOTH).href);
    assert.deepEqual(await shownScopes(page), [
      ['Read your notes', 'notes:read', 'Already allowed'],
      ['Create, change and delete your notes', 'notes:write', 'New'],
    ]);
    client.arrivals.length = 0;
    const arrival = await answer(page, 'Allow', client);
    assert.equal((await client.exchange(arrival)).scope, 'notes:read notes:write');
  },

  'consent: another account starts again, with nothing allowed': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(READ));
    await continueAs(page, 'Alice');
    await answer(page, 'Allow', client);
    await page.goto(client.authorizationUrl(READ).href);
    assert.deepEqual(await shownScopes(page), [['Read your notes', 'notes:read', 'Already allowed']]);
    await page.getByRole('button', { name: 'Use another account' }).click();
    await continueAs(page, 'Bob');
    assert.ok((await lines(page.getByRole('main'))).includes('Signed in as Bob.'));
    assert.deepEqual(await shownScopes(page), [['Read your notes', 'notes:read', 'New']]);
  },

  'consent: cannot be given again by going back': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(READ));
    await continueAs(page, 'Alice');
    await answer(page, 'Allow', client);
    await page.goBack();
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'This step is no longer open');
  },

  'consent: Allow arrives at localhost too': async (scene) => {
    const client = await scene.client({}, 'localhost');
    const page = await scene.open(client.authorizationUrl(READ));
    await continueAs(page, 'Alice');
    assert.match((await answer(page, 'Allow', client)).url.href, /^http:\/\/localhost:\d+\/callback\?code=/);
  },

  // In one check, because Chromium lets only one page at a time hand over to another program.
  'consent: Allow leaves for other kinds of redirect URI, and the page says so before': async (scene) => {
    for (const [redirectUri, words] of OTHER_REDIRECTS) {
      scene.expectComplaint(`request: ${redirectUri}?code=`);
      const client = await scene.client({ redirect_uris: [redirectUri] });
      const page = await scene.open(client.authorizationUrl({ ...READ, redirect_uri: redirectUri, prompt: 'login' }));
      await continueAs(page, 'Alice');
      assert.equal(await page.getByRole('definition').innerText(), words);
      // Nobody is there to answer, but where the policy refuses there is not even a request.
      await Promise.all([
        page.waitForRequest((request) => request.url().startsWith(redirectUri)),
        page.getByRole('button', { name: 'Allow' }).click(),
      ]);
    }
  },
};
