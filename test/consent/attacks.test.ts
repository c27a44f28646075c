import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UrlElicitationRequiredError } from '@modelcontextprotocol/client';
import { createApp } from '../../sample/14-third-party-consent/app.js';
import { startAcmeCode } from '../../sample/14-third-party-consent/acme-code.js';
import { ScriptedBrowser, type Person } from '../../sample/demo-client/browser.js';
import { McpSession, signIn } from '../../sample/demo-client/mcp-session.js';
import { platform as adapterOf } from '../../sample/notes-server/platform.js';
import { startNotesServer } from '../../sample/notes-server/servers.js';
import { freePort } from '../support/free-port.js';
import { PLATFORMS } from '../support/platforms.js';

/** What attackers try with links and answers of others, against the sample: two authorization servers, and real browsers' steps. */
describe.each(PLATFORMS)('consent at a third party under attack, on %s', (platform) => {
  let acme: Awaited<ReturnType<typeof startAcmeCode>>;
  let servers: Awaited<ReturnType<typeof startNotesServer>>;
  let origin: string;
  const sessions: McpSession[] = [];

  beforeAll(async () => {
    acme = await startAcmeCode(await freePort());
    const create = async () => createApp(await adapterOf(platform), acme);
    servers = await startNotesServer(create, { mcp: await freePort(), authorizationServer: 0 });
    origin = new URL(servers.resource).origin;
  });

  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await servers.close();
    await acme.close();
  });

  /** A user with a browser and an MCP client of their own, new to the server unless it is named again. */
  async function user(username: string): Promise<{ browser: ScriptedBrowser; session: McpSession }> {
    const person = servers.users.find((one) => one.username === username) as Person;
    const session = new McpSession(servers.resource, person, 'legacy');
    sessions.push(session);
    await signIn(session);
    return { browser: new ScriptedBrowser(person), session };
  }

  /** The link that the tool asks for; undefined if the tool has what it needs. */
  async function linkFor(session: McpSession): Promise<URL | undefined> {
    try {
      await session.call('list-repositories');
      return undefined;
    } catch (error) {
      if (!(error instanceof UrlElicitationRequiredError)) throw error;
      return new URL(error.elicitations[0]!.url);
    }
  }

  async function neededLink(session: McpSession): Promise<URL> {
    const link = await linkFor(session);
    if (link) return link;
    throw new Error('The tool did not ask for consent');
  }

  const callback = (): string => `${origin}/connect/acme`;

  it('MCP-26-ELIC-02: the link of Alice gives Bob nothing, and nothing of Bob to her', async () => {
    const [alice, bob] = [await user('alice'), await user('bob')];
    const link = await neededLink(alice.session);
    expect(await bob.browser.open(link)).toMatchObject({ status: 403, text: expect.stringContaining('another user') });
    expect(await linkFor(alice.session)).toBeDefined();
    expect(await linkFor(bob.session)).toBeDefined();
  });

  it('the address of the third party that Alice was sent to does not attach the account of Bob to her', async () => {
    const [alice, bob] = [await user('alice'), await user('bob')];
    const { callback: atAcme } = await alice.browser.visit(await neededLink(alice.session), `${acme.issuer}/authorize`);
    // Bob has used this server before: his browser is signed in.
    await bob.browser.visit(await neededLink(bob.session), `${acme.issuer}/authorize`);
    const { status, url, did } = await bob.browser.open(atAcme);
    expect({ status, url, did }).toMatchObject({ status: 403, url: expect.stringContaining(callback()) });
    expect(did).toContainEqual(expect.stringContaining('bob allows: List your repositories'));
    expect(await linkFor(alice.session)).toBeDefined();
    expect(await linkFor(bob.session)).toBeDefined();
  });

  it('RFC9700-4.7: the answer for Alice does not sign Bob up for her account', async () => {
    const [alice, bob] = [await user('alice'), await user('bob')];
    const { callback: answer } = await alice.browser.visit(await neededLink(alice.session), callback());
    await bob.browser.visit(await neededLink(bob.session), `${acme.issuer}/authorize`);
    expect(await bob.browser.open(answer)).toMatchObject({ status: 403 });
    const stranger = new ScriptedBrowser({ username: 'nobody', password: '' });
    expect(await stranger.open(answer)).toMatchObject({ status: 403 });
    expect(await linkFor(bob.session)).toBeDefined();
    expect(await linkFor(alice.session)).toBeDefined();
  });

  it('RFC9700-4.5: a code of Bob in the answer for Alice is refused by the third party', async () => {
    const [alice, bob] = [await user('alice'), await user('bob')];
    const { callback: ofAlice } = await alice.browser.visit(await neededLink(alice.session), callback());
    const { callback: ofBob } = await bob.browser.visit(await neededLink(bob.session), callback());
    ofAlice.searchParams.set('code', ofBob.searchParams.get('code')!);
    expect(await alice.browser.open(ofAlice)).toMatchObject({
      status: 403,
      text: expect.stringContaining('Acme Code'),
    });
    expect(await linkFor(alice.session)).toBeDefined();
  });

  it('a form of another site sends nobody to the third party, and a sign-in of another browser signs nobody in', async () => {
    const [alice, bob] = [await user('alice'), await user('bob')];
    const consent = (await neededLink(alice.session)).searchParams.get('consent')!;
    // SameSite=Lax: browsers leave out the cookie then.
    const form = await fetch(`${origin}/connect/confirm`, {
      method: 'POST',
      body: new URLSearchParams({ consent }),
      headers: { origin: 'https://evil.example' },
      redirect: 'manual',
    });
    expect(form.status).toBe(403);
    const { callback: signInOfBob } = await bob.browser.visit(
      await neededLink(bob.session),
      `${origin}/sign-in/callback`,
    );
    expect(await alice.browser.open(signInOfBob)).toMatchObject({ status: 400 });
  });

  it('RFC9700-4.11: leads to no address that a link brings along', async () => {
    const { browser, session } = await user('alice');
    const link = await neededLink(session);
    for (const name of ['returnTo', 'redirect_uri', 'url', 'to']) link.searchParams.set(name, 'https://evil.example/');
    const { callback: atAcme } = await browser.visit(link, `${acme.issuer}/authorize`);
    expect(atAcme.searchParams.get('redirect_uri')).toBe(callback());
    expect(atAcme.href).not.toContain('evil');
    const evil = new URL('//evil.example/', origin);
    expect(await browser.open(new URL(`/connect?consent=${evil.href}`, origin))).toMatchObject({ status: 400 });
  });

  it('attaches the account of the user who asked, to that user alone, once', async () => {
    const [alice, bob] = [await user('alice'), await user('bob')];
    const link = await neededLink(alice.session);
    const { callback: answer } = await alice.browser.visit(link, callback());
    expect(await alice.browser.open(answer)).toMatchObject({ status: 200 });
    expect(await alice.browser.open(answer)).toMatchObject({
      status: 400,
      text: expect.stringContaining('used before'),
    });
    expect(await alice.session.call('list-repositories')).toEqual({
      repositories: ['alice/website', 'alice/dotfiles'],
    });
    expect(await linkFor(bob.session)).toBeDefined();
  });
});
