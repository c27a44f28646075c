// @ts-check
import assert from 'node:assert/strict';
import { onEveryPage } from './every-page.js';
import { activeContent } from './measure.js';
import { NOTES } from './scene.js';
import { answer, consentHeading, continueAs, lines } from './steps.js';

const REQUEST = { scope: 'notes:read', resource: NOTES };

/** What a client calls itself, and what is to be seen of it. */
const HOSTILE_NAMES = [
  [`<script>document.title = 'owned'</script>`],
  [`<img src=x onerror="document.title='owned'">`],
  [`</strong></h1><h1>Notes</h1><form action=//x>`],
  [`" autofocus onfocus="document.title='owned'`],
  ['&lt;b&gt;Notes&lt;/b&gt; &amp; more'],
  ['Notes\u202Ekcatta\u2066 \u200Bclient', 'Noteskcatta client'],
  ['N'.repeat(500), `${'N'.repeat(60)}…`],
];

/** @type {import('./scene.js').Checks} */
export const securityChecks = {
  'security: no page holds a script, a handler or anything that is loaded': async (scene) => {
    const page = await scene.page();
    await onEveryPage(scene, page, async (kind) => {
      assert.deepEqual(await activeContent(page), [], kind);
    });
  },

  'security: a hostile client name is text, on both pages': async (scene) => {
    const page = await scene.page();
    for (const [name = '', shown = name] of HOSTILE_NAMES) {
      const client = await scene.client({ client_name: name });
      await page.goto(client.authorizationUrl({ ...REQUEST, prompt: 'login' }).href);
      assert.equal((await lines(page.getByRole('main')))[1], `${shown} wants to use Notes.`);
      assert.equal(await page.title(), 'Sign in');
      assert.deepEqual(await activeContent(page), []);
      await continueAs(page, 'Alice');
      assert.equal(await consentHeading(page).innerText(), `${shown} asks for access`);
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
      assert.equal(await page.locator('h1 bdi > *').count(), 0);
      assert.equal(await page.title(), 'Allow access');
      assert.deepEqual(await activeContent(page), []);
    }
  },

  'security: a right-to-left client name does not turn around what follows it': async (scene) => {
    const client = await scene.client({ client_name: 'אבג 1' });
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await continueAs(page, 'Alice');
    const name = await page.locator('h1 bdi').boundingBox();
    const heading = await page.locator('h1').boundingBox();
    assert.equal(name?.x, heading?.x);
  },

  'security: the client is told by no Referer where the browser comes from': async (scene) => {
    const client = await scene.client();
    const page = await scene.open(client.authorizationUrl(REQUEST));
    await continueAs(page, 'Alice');
    assert.equal((await answer(page, 'Allow', client)).headers.referer, undefined);
  },

  'security: no page of another origin can frame the sign-in': async (scene) => {
    scene.expectComplaint('frame-ancestors');
    const client = await scene.client();
    client.pages.set(
      '/frame',
      `<iframe src="${client.authorizationUrl(REQUEST).href.replaceAll('&', '&amp;')}"></iframe>`,
    );
    const page = await scene.open(new URL('/frame', client.origin));
    assert.equal(await page.frameLocator('iframe').getByRole('heading', { name: 'Sign in' }).count(), 0);
  },

  'security: a form of another origin on this host is refused, though the browser sends the cookies': async (scene) => {
    const client = await scene.client();
    const victim = await scene.open(client.authorizationUrl(REQUEST));
    await continueAs(victim, 'Alice');
    client.pages.set('/attack', `<form method="post" action="${victim.url()}/confirm"><button>Win</button></form>`);
    const attacker = await scene.page();
    await attacker.goto(`${client.origin}/attack`);
    const [sent] = await Promise.all([
      attacker.waitForRequest((request) => request.method() === 'POST'),
      attacker.getByRole('button', { name: 'Win' }).click(),
    ]);
    assert.match((await sent.allHeaders())['cookie'] ?? '', /dev_interaction_/);
    await attacker.getByRole('heading', { level: 1, name: 'Refused' }).waitFor();
    assert.deepEqual(client.arrivals, []);
  },
};
