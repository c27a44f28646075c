import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { generateTestKey, TestIssuer, type TestFault, type TestKey, type WellKnownForm } from 'nestjs-mcp-auth/testing';
import { watchArrivals } from '../support/arrivals.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { fakeTimeouts } from '../support/fake-timeouts.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/until.js';

const MINUTE = 60_000;

/** The default time between a fetch that failed and the next. */
const FAILURE_COOL_DOWN = 2_000;

/** What answers at once, and not as it should; that it does not answer, or only now and then, comes apart. */
const FAULTS: readonly TestFault[] = [
  'down',
  'error',
  'html',
  'invalid-json',
  'not-found',
  'redirect',
  'huge',
  'wrong-issuer',
];

describe.each(PLATFORMS)('4. Keys and metadata of the authorization server, on %s', (platform) => {
  let server: NotesServer;
  const others: TestIssuer[] = [];
  afterEach(async () => {
    await server.close();
    for (const issuer of others.splice(0)) await issuer.close();
  });

  async function start(settings: NotesServerSettings = {}): Promise<void> {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256', ...settings.issuer }, ...settings });
  }

  async function expectTryLater(response: Response, token: string): Promise<void> {
    const retryAfter = response.headers.get('retry-after');
    await expectRefusal(server, response, { status: 503, token });
    expect(retryAfter).toMatch(/^[1-9]\d?$/);
  }

  it('RFC8414-3.3-a: uses no metadata that names another issuer, and none of its keys', async () => {
    await start();
    server.issuer.fail('wrong-issuer', 'metadata');
    const token = await server.mint();
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    expect(server.issuer.requestCount('jwks')).toBe(0);
  });

  it.each<[string, WellKnownForm]>([
    ['', 'oauth'],
    ['', 'oidc-append'],
    ['/tenant', 'oauth'],
    ['/tenant', 'oidc-insert'],
    ['/tenant', 'oidc-append'],
    ['/tenant/', 'oidc-append'],
  ])(
    'RFC8414-3.1-a: finds the metadata of an issuer with path "%s" that serves only the form %s',
    async (path, form) => {
      await start({ issuer: { alg: 'ES256', path, wellKnown: [form] } });
      await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
      expect(server.issuer.requestCount('jwks')).toBe(1);
    },
  );

  describe.each<[TestFault, 'metadata' | 'jwks']>([
    ...FAULTS.map((fault): [TestFault, 'metadata'] => [fault, 'metadata']),
    ...FAULTS.filter((fault) => fault !== 'wrong-issuer').map((fault): [TestFault, 'jwks'] => [fault, 'jwks']),
  ])('an issuer at fault: %s, %s', (fault, endpoint) => {
    it('LIB-12: at the start: the application starts, says 503 until it recovers, and needs no restart', async () => {
      const issuer = await TestIssuer.start({ alg: 'ES256' });
      others.push(issuer);
      issuer.fail(fault, endpoint);
      await start({ sharedIssuer: issuer });
      const token = await issuer.mint({ aud: server.resource, exp: Math.floor(server.clock.now / 1000) + 600 });
      for (let i = 0; i < 3; i++) await expectTryLater(await server.callTool('ping', token), token);
      expect([issuer.requestCount(endpoint), issuer.requestCount('canary')]).toEqual([expect.any(Number), 0]);
      issuer.recover();
      server.clock.now += FAILURE_COOL_DOWN;
      await expectServed(server, await server.callTool('ping', token), 'ping');
    });

    it('LIB-12: later: the keys there are serve on, and are fetched again once it recovers', async () => {
      await start({ options: { cache: false } });
      const old = await server.mint({ exp: Math.floor(server.clock.now / 1000) + 7_200 });
      await expectServed(server, await server.callTool('ping', old), 'ping');
      server.issuer.fail(fault, endpoint);
      // Fresh for ten minutes, and stale from then on.
      for (let i = 0; i < 3; i++) {
        server.clock.now += 15 * MINUTE;
        resetRecorded(server);
        await expectServed(server, await server.callTool('ping', old), 'ping');
      }
      server.issuer.recover();
      await server.issuer.rotateKeys({ keepOld: true });
      await expectServed(server, await afterCoolDown(), 'ping');
    });

    /** A fetch that was under way when the issuer recovered may still fail; the next one is then due a cool-down later. */
    async function afterCoolDown(): Promise<Response> {
      for (let failures = 0; ; failures++) {
        server.clock.now += FAILURE_COOL_DOWN;
        resetRecorded(server);
        const response = await server.callTool('ping', await server.mint());
        if (response.status !== 503 || failures === 1) return response;
        await response.text();
      }
    }
  });

  describe('an issuer that takes its time', () => {
    beforeEach(() => {
      // The limit of the library, and the delay of the issuer; nothing else goes by these.
      fakeTimeouts();
    });
    afterEach(() => {
      jest.useRealTimers();
    });

    /** Sends a request, and lets time pass once the issuer was asked. */
    async function pingAfter(milliseconds: number, endpoint: 'metadata' | 'jwks', token: string): Promise<Response> {
      const before = server.issuer.requestCount(endpoint);
      const answer = server.callTool('ping', token);
      await until(() => server.issuer.requestCount(endpoint) > before);
      jest.advanceTimersByTime(milliseconds);
      return answer;
    }

    it.each<['metadata' | 'jwks']>([['metadata'], ['jwks']])(
      'LIB-11: is given up after five seconds, and asked again (%s)',
      async (endpoint) => {
        await start();
        const token = await server.mint();
        server.issuer.fail('hang', endpoint);
        await expectTryLater(await pingAfter(5_000, endpoint, token), token);
        server.issuer.fail({ slow: 6_000 }, endpoint);
        server.clock.now += FAILURE_COOL_DOWN;
        await expectTryLater(await pingAfter(5_000, endpoint, token), token);
        server.issuer.recover();
        server.clock.now += FAILURE_COOL_DOWN;
        await expectServed(server, await server.callTool('ping', token), 'ping');
      },
    );

    it.each<['metadata' | 'jwks']>([['metadata'], ['jwks']])(
      'LIB-11: is waited for up to that (%s)',
      async (endpoint) => {
        await start();
        server.issuer.fail({ slow: 4_900 }, endpoint);
        await expectServed(server, await pingAfter(4_900, endpoint, await server.mint()), 'ping');
      },
    );

    it('LIB-12: keeps nobody waiting whose keys are there', async () => {
      await start({ options: { cache: false } });
      await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
      server.issuer.fail('hang');
      for (let i = 0; i < 3; i++) {
        server.clock.now += 15 * MINUTE;
        resetRecorded(server);
        await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
      }
    });

    it('RFC8725-3.10-c: a new key is found that came while the old ones were on their way', async () => {
      await start({ options: { cache: false } });
      await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
      server.issuer.fail({ slow: 1_000 }, 'jwks');
      server.clock.now += 10 * MINUTE;
      const before = server.issuer.requestCount('jwks');
      // Has the keys fetched in the background: the issuer answers late, with what it has now.
      await (await server.callTool('ping', await server.mint())).text();
      await until(() => server.issuer.requestCount('jwks') > before);
      await server.issuer.rotateKeys();
      server.issuer.recover();
      resetRecorded(server);
      const arrivals = watchArrivals(server);
      const answer = server.callTool('ping', await server.mint());
      // The request is there before the old keys are.
      await arrivals(1);
      jest.advanceTimersByTime(1_000);
      await expectServed(server, await answer, 'ping');
    });
  });

  it('LIB-12: loses no request to an issuer that answers every other time', async () => {
    await start({ options: { cache: false } });
    server.issuer.fail('flapping');
    for (let i = 0; i < 20; i++) {
      resetRecorded(server);
      await expectServed(server, await server.callTool('ping', await server.mint()), 'ping');
      server.clock.now += 11 * MINUTE;
    }
    expect(server.issuer.requestCount('jwks')).toBeGreaterThan(5);
  });

  it.each([
    ['with a kid', 'named'],
    ['without', undefined],
  ])(
    'RFC8725-3.10-c: rotation under load loses no valid request, where keys are %s',
    async (_what, kid) => {
      await start();
      const isNamed = kid !== undefined;
      const unnamed = async (): Promise<TestKey> => {
        const made = await generateTestKey({ alg: 'ES256' });
        return isNamed
          ? made
          : { ...made, publicJwk: { ...made.publicJwk, kid: undefined } as unknown as TestKey['publicJwk'] };
      };
      const [old, next] = [await unnamed(), await unnamed()];
      server.issuer.withdraw(server.issuer.key);
      server.issuer.publish(old.publicJwk);
      const tokens = (key: TestKey, count: number): Promise<string[]> =>
        Promise.all(
          Array.from({ length: count }, () =>
            server.mint({}, { key, ...(!isNamed && { header: { kid: undefined } }) }),
          ),
        );
      const [before, during, after] = [await tokens(old, 100), await tokens(old, 150), await tokens(next, 150)];
      const send = (token: string): Promise<number> =>
        server.callTool('ping', token).then(async (answer) => {
          await answer.text();
          return answer.status;
        });

      const early = before.map(send);
      await early[0];
      server.issuer.publish(next.publicJwk);
      const mixed = during.flatMap((token, index) => [send(token), send(after[index] as string)]);
      expect(new Set(await Promise.all([...early, ...mixed]))).toEqual(new Set([200]));
      expect(server.issuer.requestCount('jwks')).toBeLessThanOrEqual(2);
      expect(server.issuer.requestCount('metadata')).toBe(1);
    },
    60_000,
  );

  it('LIB-12: serves on with the keys it has for a limited time', async () => {
    await start({ options: { cache: false } });
    const ping = async (): Promise<Response> => server.callTool('ping', await server.mint());
    await expectServed(server, await ping(), 'ping');
    server.issuer.fail('error');
    for (const minutes of [15, 60, 240]) {
      server.clock.now += minutes * MINUTE;
      resetRecorded(server);
      await expectServed(server, await ping(), 'ping');
    }
    server.clock.now += 60 * MINUTE;
    resetRecorded(server);
    await expectRefusal(server, await ping(), { status: 503 });
    server.issuer.recover();
    server.clock.now += MINUTE;
    await expectServed(server, await ping(), 'ping');
  });

  it('LIB-12: asks once, however many are waiting', async () => {
    await start();
    const token = await server.mint();
    const answers = await Promise.all(Array.from({ length: 200 }, () => server.callTool('ping', token)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect([server.issuer.requestCount('metadata'), server.issuer.requestCount('jwks')]).toEqual([1, 1]);
  });

  it('MCP-26-DISC-04: takes each issuer by its own keys, and publishes whom it trusts', async () => {
    const [one, two] = await Promise.all([TestIssuer.start({ alg: 'ES256' }), TestIssuer.start({ alg: 'ES256' })]);
    others.push(one, two);
    await start({ sharedIssuer: one, options: { authorizationServers: [one.issuer, two.issuer] } });
    const of = async (issuer: TestIssuer): Promise<Response> =>
      server.callTool(
        'ping',
        await issuer.mint({ aud: server.resource, exp: Math.floor(server.clock.now / 1000) + 60 }),
      );
    expect([(await of(one)).status, (await of(two)).status]).toEqual([200, 200]);
    const metadata = await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`);
    expect(await metadata.json()).toMatchObject({ authorization_servers: [one.issuer, two.issuer] });
    two.fail('down');
    expect((await of(one)).status).toBe(200);
  });

  it('MCP-26-DISC-04: takes no token of an issuer that is not listed any more', async () => {
    const removed = await TestIssuer.start({ alg: 'ES256' });
    others.push(removed);
    await start();
    const token = await removed.mint({ aud: server.resource });
    await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
    expect(removed.requests).toEqual([]);
  });
});
