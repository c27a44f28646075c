import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import * as fc from 'fast-check';
import { TestIssuer, type TestFault } from 'nestjs-mcp-auth/testing';
import { alwaysAsync } from '../fuzz/property.js';
import { watchArrivals } from '../support/arrivals.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { fakeTimeouts } from '../support/fake-timeouts.js';
import { introspecting, startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import type { NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason } from '../support/tokens.js';
import { startTwoResourcesServer, type ResourceUnderTest } from '../support/two-resources-server.js';
import { until } from '../support/until.js';

// An introspection endpoint that fails, or is asked about more than it can bear: LIB-08, LIB-11.

const COOL_DOWN_MS = 2_000;
const MAX_UNDER_WAY = 32;

/** Presents a token, and returns the Retry-After of the 503. */
async function expectUndecided(server: NotesServer, token: string): Promise<number> {
  resetRecorded(server);
  const { header } = await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
  expectReason(server, 'introspection_failed');
  return Number(header('retry-after'));
}

const asked = (issuer: TestIssuer): number => issuer.requestCount('introspection');

describe.each(PLATFORMS)('an introspection endpoint that fails, on %s', (platform) => {
  let server: IntrospectingServer;
  let issuer: TestIssuer;
  afterEach(() => server.close());

  async function start(settings: Parameters<typeof startIntrospectingServer>[1] = {}): Promise<void> {
    server = await startIntrospectingServer(platform, settings);
    ({ issuer } = server);
  }

  /** A server whose endpoint has answered before. */
  async function startAnswering(settings: Parameters<typeof startIntrospectingServer>[1] = {}): Promise<void> {
    await start(settings);
    await expectAccepted(server, server.opaque());
    issuer.clearRequests();
  }

  it.each([60, 0])(
    'LIB-08: is left alone for two seconds, and works again at once after that (cacheSeconds: %i)',
    async (cacheSeconds) => {
      await startAnswering({ introspection: { cacheSeconds } });
      issuer.fail('down', 'introspection');
      await expectUndecided(server, server.opaque());
      const good = server.opaque();
      server.clock.now += 500;
      for (let i = 0; i < 3; i++) expect(await expectUndecided(server, good)).toBe(2);
      issuer.recover();
      server.clock.now += COOL_DOWN_MS - 501;
      expect(await expectUndecided(server, good)).toBe(1);
      expect(asked(issuer)).toBe(1);
      server.clock.now += 1;
      await expectAccepted(server, good);
    },
  );

  it.each<TestFault | number>(['down', 502, 503, 504, 429, 408])(
    'LIB-08: counts as failing by %s, whichever token was asked about',
    async (fault) => {
      await startAnswering();
      if (typeof fault === 'number') issuer.answerIntrospection = () => new Response(null, { status: fault });
      else issuer.fail(fault, 'introspection');
      for (let i = 0; i < 20; i++) await expectUndecided(server, `made-up-${i}`);
      expect(asked(issuer)).toBe(1);
    },
  );

  it.each<TestFault | number>(['error', 'html', 'invalid-json', 'redirect', 'not-found', 'huge', 401, 404, 405, 500])(
    'LIB-08: counts as failing by %s at the first token where it has never answered, and at the fifth otherwise',
    async (fault) => {
      const fail = (): void => {
        if (typeof fault === 'number') issuer.answerIntrospection = () => new Response(null, { status: fault });
        else issuer.fail(fault, 'introspection');
      };
      await start();
      fail();
      for (let i = 0; i < 20; i++) await expectUndecided(server, `made-up-${i}`);
      expect(asked(issuer)).toBe(1);
      issuer.recover();
      issuer.answerIntrospection = undefined;
      server.clock.now += COOL_DOWN_MS;
      await expectAccepted(server, server.opaque());
      issuer.clearRequests();
      fail();
      for (let i = 0; i < 20; i++) await expectUndecided(server, `made-up-again-${i}`);
      expect(asked(issuer)).toBe(5);
    },
  );

  it.each([400, 401, 403, 404, 413, 414, 422, 431, 500])(
    'LIB-19: one odd token, which it answers with %i, keeps nobody else from being asked about',
    async (status) => {
      await startAnswering();
      issuer.answerIntrospection = (right, token) =>
        token.startsWith('odd') ? new Response('<p>no', { status }) : right;
      await expectUndecided(server, 'odd-1');
      await expectAccepted(server, server.opaque());
    },
  );

  it.each([400, 403, 413, 422])(
    'LIB-19: however many tokens it answers with %i, others are asked about',
    async (status) => {
      await startAnswering();
      issuer.answerIntrospection = (right, token) =>
        token.startsWith('odd') ? new Response('<p>no', { status }) : right;
      for (let i = 0; i < 20; i++) await expectUndecided(server, `odd-${i}`);
      await expectAccepted(server, server.opaque());
    },
  );

  it.each([401, 404, 500])(
    'LIB-19: many odd tokens, which it answers with %i, do not hold off those that were active before',
    async (status) => {
      await startAnswering({ introspection: { cacheSeconds: 0 } });
      const known = server.opaque();
      await expectAccepted(server, known);
      issuer.answerIntrospection = (right, token) =>
        token.startsWith('odd') ? new Response('<p>no', { status }) : right;
      for (let i = 0; i < 20; i++) await expectUndecided(server, `odd-${i}`);
      expect(asked(issuer)).toBe(1 + 5);
      await expectAccepted(server, known);
      // That it answers shows that the tokens were at fault.
      await expectAccepted(server, server.opaque());
    },
  );

  it('LIB-19: one odd token again and again is one odd token', async () => {
    await startAnswering();
    issuer.answerIntrospection = (right, token) =>
      token.startsWith('odd') ? new Response('<p>no', { status: 500 }) : right;
    for (let i = 0; i < 20; i++) await expectUndecided(server, 'odd');
    await expectAccepted(server, server.opaque());
  });

  it.each<[what: string, retryAfter: string, seconds: number]>([
    ['seconds', '7', 7],
    ['nothing', '', 2],
    ['less than two seconds', '0', 2],
    ['longer than a minute', '86400', 60],
    ['words', 'in a while', 2],
    ['a date that is over', 'Thu, 01 Jan 1970 00:00:00 GMT', 2],
    ['a date far away', 'Fri, 31 Dec 2100 23:59:59 GMT', 60],
  ])(
    'RFC 9110 §10.2.3: is left alone for as long as it asks with 429, within bounds (%s)',
    async (_what, retryAfter, seconds) => {
      await startAnswering();
      issuer.answerIntrospection = () =>
        new Response(null, { status: 429, ...(retryAfter !== '' && { headers: { 'retry-after': retryAfter } }) });
      await expectUndecided(server, 'made-up');
      issuer.answerIntrospection = undefined;
      const good = server.opaque({ exp: Math.floor(server.clock.now / 1000) + 600 });
      expect(await expectUndecided(server, good)).toBe(seconds);
      server.clock.now += seconds * 1_000 - 1;
      await expectUndecided(server, good);
      expect(asked(issuer)).toBe(1);
      server.clock.now += 1;
      await expectAccepted(server, good);
    },
  );

  it('LIB-08: a clock that is set back makes the pause no longer', async () => {
    await startAnswering();
    issuer.fail('down', 'introspection');
    await expectUndecided(server, server.opaque());
    issuer.recover();
    server.clock.now -= 3_600_000;
    await expectAccepted(server, server.opaque());
  });
});

describe.each(PLATFORMS)('an introspection endpoint that is slow, on %s', (platform) => {
  let server: IntrospectingServer;
  let issuer: TestIssuer;
  // However long the machine takes: requests that are held are not given up.
  beforeEach(fakeTimeouts);
  afterEach(async () => {
    jest.useRealTimers();
    await server.close();
  });

  /** An endpoint that answers when it is released, and the most requests that it was asked at a time. */
  async function startSlow(
    settings: Parameters<typeof startIntrospectingServer>[1] = {},
  ): Promise<{ release(): void; most(): number }> {
    server = await startIntrospectingServer(platform, settings);
    ({ issuer } = server);
    await expectAccepted(server, server.opaque());
    resetRecorded(server);
    issuer.clearRequests();
    const waiting: (() => void)[] = [];
    let isReleased = false;
    let most = 0;
    issuer.answerIntrospection = (right) => {
      if (isReleased) return right;
      most = Math.max(most, waiting.length + 1);
      const body = new ReadableStream({
        start: (to) => {
          waiting.push(() => {
            to.enqueue(Buffer.from(JSON.stringify(right)));
            to.close();
          });
        },
      });
      return new Response(body, { headers: { 'content-type': 'application/json' } });
    };
    const release = (): void => {
      isReleased = true;
      for (const one of waiting.splice(0)) one();
    };
    return { release, most: () => most };
  }

  it('LIB-11: has 32 requests under way at most; the rest get 503 at once, with Retry-After', async () => {
    const { release, most } = await startSlow();
    const answers = Array.from({ length: MAX_UNDER_WAY }, () => server.callTool('ping', server.opaque()));
    await until(() => asked(issuer) === MAX_UNDER_WAY);
    const lines: string[] = [];
    for (let i = 0; i < 5; i++) {
      expect(await expectUndecided(server, server.opaque())).toBe(1);
      lines.push(...server.log.filter((line) => line.includes('too many requests to it are pending')));
    }
    expect(lines).toHaveLength(1);
    expect(asked(issuer)).toBe(MAX_UNDER_WAY);
    release();
    expect(new Set((await Promise.all(answers)).map(({ status }) => status))).toEqual(new Set([200]));
    expect(most()).toBe(MAX_UNDER_WAY);
    await expectAccepted(server, server.opaque());
  });

  it.each([60, 0])(
    'RFC7662-4-a: is asked once for all who present one token meanwhile (cacheSeconds: %i)',
    async (cacheSeconds) => {
      const { release } = await startSlow({ introspection: { cacheSeconds } });
      const token = server.opaque();
      const arrivals = watchArrivals(server);
      const answers = Array.from({ length: 100 }, () => server.callTool('ping', token));
      await arrivals(100);
      await until(() => asked(issuer) === 1);
      release();
      expect(new Set((await Promise.all(answers)).map(({ status }) => status))).toEqual(new Set([200]));
      expect(asked(issuer)).toBe(1);
    },
  );
});

describe('any number of made-up tokens', () => {
  /** @param end ends what would never end */
  const ANSWERS: Readonly<Record<string, (end: AbortSignal) => Promise<Response>>> = {
    'never comes': (end) =>
      new Promise((_, reject) => end.addEventListener('abort', () => reject(end.reason as Error))),
    'is a cut connection': () => Promise.reject(new TypeError('fetch failed')),
    'is status 500': async () => new Response(null, { status: 500 }),
    'is a web page': async () => new Response('<p>', { headers: { 'content-type': 'text/html' } }),
    'has a body that never ends': async (end) => {
      const body = new ReadableStream({ start: (to) => end.addEventListener('abort', () => to.error(end.reason)) });
      return new Response(body, { headers: { 'content-type': 'application/json' } });
    },
  };
  const tokens = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9._~+/-]{5,60}$/), { minLength: 60, maxLength: 120 });

  it.each(Object.keys(ANSWERS))('LIB-11: lead to a bounded number of requests where the answer %s', async (kind) => {
    let count = 0;
    let end = new AbortController();
    const fetchCounted: typeof fetch = (url, init) => {
      if (init?.method !== 'POST') return fetch(url, init);
      count += 1;
      return ANSWERS[kind]!(end.signal);
    };
    const server = await startIntrospectingServer('express', { options: { fetch: fetchCounted } });
    try {
      await alwaysAsync(3, tokens, async (presented) => {
        count = 0;
        end = new AbortController();
        let answered = 0;
        const sent = presented.map(async (token) => {
          const { status } = await server.callTool('ping', token);
          answered += 1;
          return status;
        });
        // Whatever is not asked about is answered at once.
        await until(() => answered >= presented.length - MAX_UNDER_WAY);
        end.abort(new Error('the end of the test'));
        expect(new Set(await Promise.all(sent))).toEqual(new Set([503]));
        expect(count).toBeLessThanOrEqual(MAX_UNDER_WAY);
        server.clock.now += 3_600_000;
      });
    } finally {
      await server.close();
    }
  });
});

describe.each(PLATFORMS)('two resources that ask at one endpoint, on %s', (platform) => {
  it('LIB-11: share how it is doing, but not whether their own credentials are taken', async () => {
    const issuer = await TestIssuer.start({ alg: 'ES256', introspection: true });
    const wrong = { method: 'client_secret_basic', clientSecret: 'wrong' } as const;
    const server = await startTwoResourcesServer(platform, {
      notes: { authorizationServers: [introspecting(issuer)] },
      billing: { authorizationServers: [introspecting(issuer, { auth: wrong })] },
    });
    const call = async (at: ResourceUnderTest): Promise<number> => {
      const response = await at.getPlain(issuer.opaque({ aud: at.resource }));
      await response.text();
      return response.status;
    };
    const { notes, billing } = server;
    try {
      expect(await call(notes)).toBe(200);
      for (let i = 0; i < 10; i++) expect(await call(billing)).toBe(503);
      expect(asked(issuer)).toBe(2);
      expect(await call(notes)).toBe(200);
      issuer.fail('down', 'introspection');
      expect(await call(notes)).toBe(503);
      expect(await call(billing)).toBe(503);
      expect(asked(issuer)).toBe(4);
    } finally {
      await server.close();
      await issuer.close();
    }
  });
});
