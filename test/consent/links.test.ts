import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthHealthIndicator, type ConsentOptions } from 'nestjs-mcp-auth';
import { MemoryReplayStore } from '../../lib/shared-state/memory-replay-store.js';
import {
  CONSENT_SECRET,
  elicitationIn,
  startConsentServer,
  TokenTable,
  type ConsentServer,
} from '../support/consent-server.js';
import { McpCaller } from '../support/mcp-caller.js';
import type { NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const NEW_SECRET = 'another secret of this test, for later';

describe.each(PLATFORMS)('the link of a consent, on %s', (platform) => {
  const running: ConsentServer[] = [];
  afterEach(async () => {
    for (const server of running.splice(0)) await server.close();
  });

  async function start(consent?: Partial<ConsentOptions>, settings?: NotesServerSettings): Promise<ConsentServer> {
    const server = await startConsentServer(platform, consent, settings);
    running.push(server);
    return server;
  }

  const consentIn = (link: string): string => new URL(link).searchParams.get('consent') ?? '';
  const openPath = (value: string): string => `/connect?${new URLSearchParams({ consent: value })}`;
  const refusal = (status: number, message: unknown): object => ({
    status,
    body: expect.objectContaining({ statusCode: status, message }),
  });

  it('MCP-26-ELIC-01: is bound to user, client and resource, leads its user through, and keeps what the user allowed', async () => {
    const server = await start();
    const link = await server.link('alice');
    const { status, body: opened } = await server.visit(link, 'alice');
    expect({ status, opened }).toEqual({
      status: 200,
      opened: {
        to: 'acme',
        clientId: 'test-client',
        resource: server.server.resource,
        elicitationId: expect.stringMatching(/^[\da-f-]{36}$/),
        state: expect.any(String),
        codeChallenge: expect.stringMatching(/^[\w-]{43}$/),
        expiresAt: expect.any(Number),
      },
    });
    const { status: finishedStatus, body: finished } = await server.finish(opened['state'], 'alice');
    expect(finishedStatus).toBe(200);
    expect(finished).toMatchObject({ to: 'acme', elicitationId: opened['elicitationId'] });
    const challenge = await crypto.subtle.digest('SHA-256', Buffer.from(String(finished['codeVerifier'])));
    expect(Buffer.from(challenge).toString('base64url')).toBe(opened['codeChallenge']);
    expect((await server.call('token', 'alice')).result).toMatchObject({
      content: [{ text: JSON.stringify({ token: 'token for alice' }) }],
    });
  });

  it('MCP-26-ELIC-02: refuses another user at each step, and keeps nothing for either', async () => {
    const server = await start();
    const link = await server.link('alice');
    const { body: opened } = await server.visit(link, 'alice');
    const refused = refusal(403, expect.stringContaining('another user'));
    expect(await server.visit(link, 'bob')).toEqual(refused);
    expect(await server.finish(opened['state'], 'bob')).toEqual(refused);
    // The same subject at another issuer is another user.
    expect(await server.visit(link, 'alice', 'https://other.example.com')).toEqual(refused);
    expect(server.tokens.rows.size).toBe(0);
    // What somebody else tried did not use the link up.
    expect((await server.finish(opened['state'], 'alice')).status).toBe(200);
  });

  it('MCP-26-ELIC-01: is not made if it would be too long to be opened', async () => {
    const { server } = await start();
    const linkFor = async (client_id: string): Promise<string> => {
      const caller = new McpCaller(server.resource, await server.mint({ sub: 'alice', client_id }));
      return JSON.stringify(await caller.ask('tools/call', { name: 'link', arguments: {} }));
    };
    expect(await linkFor('c'.repeat(2_000))).toContain('consent=');
    const refused = await linkFor('c'.repeat(3_000));
    expect(refused).toContain('"isError":true');
    expect(refused).not.toContain('consent=');
    expect(server.log.join('\n')).toContain('too long for a link');
  });

  it('MCP-25-ELIC-02: has nothing of the user in it, and differs each time', async () => {
    const server = await start();
    const links = [await server.link('alice'), await server.link('alice')];
    const [first, second] = links.map((link) => consentIn(link));
    expect(first).not.toBe(second);
    for (const link of links) {
      const text = link + Buffer.from(consentIn(link), 'base64url').toString('latin1');
      for (const hidden of ['alice', 'test-client', server.server.resource, server.server.issuer.issuer, 'acme'])
        expect(text).not.toContain(hidden);
    }
  });

  it('refuses a link or state that was changed, cut, spelt in another way, or made for the other step', async () => {
    const server = await start();
    const sealed = consentIn(await server.link('alice'));
    const { body: opened } = await server.visit(openPath(sealed), 'alice');
    const state = String(opened['state']);
    const refused = refusal(400, expect.stringContaining('not made by this server'));
    const middle = Math.floor(sealed.length / 2);
    const changed = sealed.slice(0, middle) + (sealed[middle] === 'A' ? 'B' : 'A') + sealed.slice(middle + 1);
    for (const bad of [changed, sealed.slice(0, -4), `${sealed}=`, `${sealed}.`, state, '', 'x'.repeat(10_000)]) {
      expect(await server.visit(openPath(bad), 'alice')).toEqual(refused);
    }
    expect(await server.visit('/connect', 'alice')).toEqual(refused);
    expect(await server.visit(`${openPath(sealed)}&consent=again`, 'alice')).toEqual(refused);
    expect(await server.finish(sealed, 'alice')).toEqual(refused);
    expect(await server.finish('', 'alice')).toEqual(refused);
    expect((await server.finish(state, 'alice')).status).toBe(200);
  });

  it('expires, and so does its state', async () => {
    const server = await start({ seconds: 60 });
    const link = await server.link('alice');
    server.server.clock.now += 59_000;
    const { status, body } = await server.visit(link, 'alice');
    expect(status).toBe(200);
    server.server.clock.now += 1_000;
    const refused = refusal(400, expect.stringContaining('expired'));
    expect(await server.visit(link, 'alice')).toEqual(refused);
    server.server.clock.now += 59_000;
    expect(await server.finish(body['state'], 'alice')).toEqual(refused);
  });

  it('ends once, whichever of its states comes, and may be opened again before', async () => {
    const server = await start();
    const link = await server.link('alice');
    const states = [];
    for (let time = 0; time < 3; time++) states.push((await server.visit(link, 'alice')).body['state']);
    expect(new Set(states).size).toBe(3);
    const answers = await Promise.all(states.map((state) => server.finish(state, 'alice')));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400, 400]);
    expect(await server.finish(states[0], 'alice')).toEqual(refusal(400, expect.stringContaining('used before')));
  });

  it('RFC9700-4.4: refuses a state at the page of another third party', async () => {
    const server = await start();
    const { body } = await server.visit(await server.link('alice'), 'alice');
    const { body: other } = await server.visit(await server.link('alice', { to: 'other' }), 'alice');
    expect(other['to']).toBe('other');
    const refused = refusal(400, expect.stringContaining('another service'));
    expect(await server.finish(body['state'], 'alice', 'other')).toEqual(refused);
    expect(await server.finish(other['state'], 'alice', 'acme')).toEqual(refused);
    expect((await server.finish(other['state'], 'alice', 'other')).status).toBe(200);
    expect((await server.call('token', 'alice', { to: 'other' })).error).toBeUndefined();
    expect((await server.call('token', 'alice')).error?.code).toBe(-32042);
  });

  it('works on every replica with the same secret, while secrets change, and ends on one of them', async () => {
    const clock = Date.now();
    const replayStore = new MemoryReplayStore(100, () => clock);
    const old = await start({ replayStore });
    const tenant = { resource: old.server.resource };
    const settings = { options: { ...tenant }, sharedIssuer: old.server.issuer };
    const next = await start({ replayStore, secret: [NEW_SECRET, CONSENT_SECRET] }, settings);
    const only = await start({ replayStore, secret: NEW_SECRET }, settings);
    const sealed = openPath(consentIn(await old.link('alice')));
    const { status, body } = await next.visit(sealed, 'alice');
    expect(status).toBe(200);
    expect((await only.finish(body['state'], 'alice')).status).toBe(200);
    const { body: again } = await old.visit(sealed, 'alice');
    expect(await old.finish(again['state'], 'alice')).toEqual(refusal(400, expect.stringContaining('used before')));
    expect(await only.visit(sealed, 'alice')).toEqual(refusal(400, expect.stringContaining('not made by this server')));
  });

  it.each([
    ['fails', () => Promise.reject(new Error('connection lost'))],
    ['answers in another form', () => Promise.resolve('yes' as never)],
  ])(
    'answers 503 while the store of used links %s, and says so in the log and in health',
    async (_what, insertOnce) => {
      const server = await start({ replayStore: { insertOnce } });
      const { body } = await server.visit(await server.link('alice'), 'alice');
      expect(await server.finish(body['state'], 'alice')).toEqual(refusal(503, expect.any(String)));
      expect(server.tokens.rows.size).toBe(0);
      expect(server.server.log.join('\n')).toContain('consent.replayStore');
      const { auth } = server.server.app.get(McpAuthHealthIndicator).isHealthy('auth');
      expect(auth).toMatchObject({ stores: { 'consent.replayStore': { state: 'failing' } } });
    },
  );

  it('MCP-26-ELIC-02: belongs to one resource: the same user is asked again at another one', async () => {
    const tokenStore = new TokenTable();
    const one = await start({ tokenStore });
    const two = await start({ tokenStore }, { sharedIssuer: one.server.issuer });
    const { body } = await one.visit(await one.link('alice'), 'alice');
    expect(body['resource']).toBe(one.server.resource);
    // Whichever page ends it: what the user allowed is for the resource that asked.
    expect((await two.finish(body['state'], 'alice')).status).toBe(200);
    expect((await two.call('token', 'alice')).error?.code).toBe(-32042);
    expect((await one.call('token', 'alice')).error).toBeUndefined();
  });

  it('asks only users, and only for a verified caller', async () => {
    const server = await start();
    await (await server.server.callTool('token', await server.server.mint({ sub: undefined }))).text();
    await server.call('lookalike', 'alice');
    expect(server.server.log.join('\n')).toMatch(
      /the caller is a client that acts for itself[^]*that @AuthInfo\(\) injects/,
    );
    expect(server.tokens.rows.size).toBe(0);
  });

  it.each([
    [{ to: 'Acme Code' }, 'write up to 64 letters'],
    [{ message: 'two\nlines' }, 'write one line'],
    [{ message: 'x'.repeat(301) }, 'write one line'],
  ])('refuses to ask for %j', async (args, why) => {
    const server = await start();
    expect((await server.call('link', 'alice', args)).result).toMatchObject({ isError: true });
    expect(server.server.log.join('\n')).toContain(why);
  });

  it('keeps a refreshed token, and asks again for a forgotten one', async () => {
    const server = await start();
    await server.call('keep', 'alice');
    expect(JSON.stringify((await server.call('token', 'alice')).result)).toContain('refreshed');
    expect(elicitationIn(await server.call('token', 'bob')).mode).toBe('url');
    await server.call('forget', 'alice');
    expect((await server.call('token', 'alice')).error?.code).toBe(-32042);
  });
});
