import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  McpAuthHealthIndicator,
  McpAuthService,
  type ConsentedTokenStore,
  type McpAuthEvent,
  type ReplayStore,
  type SessionOwnerStore,
} from 'nestjs-mcp-auth';
import { startConsentServer } from '../support/consent-server.js';
import { startDpopServer } from '../support/dpop-server.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { fakeTimeouts } from '../support/fake-timeouts.js';
import { LOGOUT_CLIENT, LOGOUT_PATH, mintLogoutToken, sendLogout } from '../support/logout.js';
import { startNotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { startSessionReplicas } from '../support/session-replicas.js';
import { expectReason } from '../support/tokens.js';
import { until } from '../support/until.js';

// Stores of the application that do not answer: LIB-11.

const TIME_LIMIT_MS = 5_000;

describe.each(PLATFORMS)('a store that does not answer, on %s', (platform) => {
  let close: () => Promise<void>;
  afterEach(async () => {
    jest.useRealTimers();
    await close();
  });

  it('LIB-11: dpop.replayStore is given up after five seconds', async () => {
    let calls = 0;
    const replayStore: ReplayStore = { insertOnce: () => new Promise(() => (calls += 1)) };
    const dpop = await startDpopServer(platform, { dpop: { mode: 'accepted', replayStore } });
    close = dpop.close;
    const token = await dpop.mintBound();
    fakeTimeouts();
    resetRecorded(dpop.server);
    const answer = dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token) });
    await until(() => calls === 1);
    jest.advanceTimersByTime(TIME_LIMIT_MS);
    await expectRefusal(dpop.server, await answer, { status: 503, token });
    expectReason(dpop.server, 'replay_undecided');
    expect((await dpop.server.callTool('ping', await dpop.server.mint())).status).toBe(200);
  });

  it('LIB-11: consent.replayStore is given up after five seconds', async () => {
    let calls = 0;
    const replayStore: ReplayStore = { insertOnce: () => new Promise(() => (calls += 1)) };
    const consents = await startConsentServer(platform, { replayStore });
    close = () => consents.close();
    const { body: opened } = await consents.visit(await consents.link('alice'), 'alice');
    fakeTimeouts();
    const answer = consents.finish(opened['state'], 'alice');
    await until(() => calls === 1);
    jest.advanceTimersByTime(TIME_LIMIT_MS);
    expect((await answer).status).toBe(503);
  });

  it.each([
    ['get', 'token'],
    ['set', 'keep'],
    ['delete', 'forget'],
  ])('LIB-11: consent.tokenStore is given up after five seconds: %s', async (method, tool) => {
    let calls = 0;
    const hang = (): Promise<never> => new Promise(() => (calls += 1));
    const tokenStore: ConsentedTokenStore = {
      get: () => undefined,
      set: () => undefined,
      delete: () => undefined,
      [method]: hang,
    };
    const consents = await startConsentServer(platform, { tokenStore });
    close = () => consents.close();
    fakeTimeouts();
    const answer = consents.call(tool, 'alice');
    await until(() => calls === 1);
    jest.advanceTimersByTime(TIME_LIMIT_MS);
    expect((await answer).result).toMatchObject({ isError: true });
  });

  it('LIB-11: revocation.backChannelLogout.replayStore is given up after five seconds, as the log, health and events say', async () => {
    let calls = 0;
    const answers: Promise<boolean>[] = [new Promise(() => undefined), Promise.resolve(true)];
    const insertOnce = (): Promise<boolean> => answers[calls++] as Promise<boolean>;
    const backChannelLogout = { path: LOGOUT_PATH, clientIds: [LOGOUT_CLIENT], replayStore: { insertOnce } };
    const server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: { revocation: { backChannelLogout } },
    });
    close = () => server.close();
    const events: McpAuthEvent[] = [];
    server.app.get(McpAuthService).events$.subscribe((event) => event.type.startsWith('store-') && events.push(event));
    const stores = (): unknown => server.app.get(McpAuthHealthIndicator).isHealthy('auth').auth.stores;
    const logout = async (): Promise<Response> =>
      sendLogout(server.resource, await mintLogoutToken(server.issuer, { sub: 'alice' }));
    const store = 'revocation.backChannelLogout.replayStore';
    expect(stores()).toEqual({ [store]: { state: 'not asked yet' } });
    fakeTimeouts();
    const answer = logout();
    await until(() => calls === 1);
    jest.advanceTimersByTime(TIME_LIMIT_MS);
    const { status } = await answer;
    expect([status, await (await answer).json()]).toMatchObject([400, { error: 'temporarily_unavailable' }]);
    expect(stores()).toMatchObject({ [store]: { state: 'failing' } });
    expect(server.log.join('\n')).toContain(
      `The store of the option ${store} does not answer as it should; logout tokens get 400`,
    );
    jest.useRealTimers();
    expect((await logout()).status).toBe(200);
    expect(stores()).toEqual({ [store]: { state: 'ready' } });
    expect(events).toMatchObject([
      { type: 'store-unreachable', store },
      { type: 'store-recovered', store },
    ]);
  });

  it('revocation.backChannelLogout.replayStore is asked at the start whether it can be used', async () => {
    const check = (): Promise<void> => Promise.reject(new Error('no right to write'));
    const replayStore = { insertOnce: () => true, check };
    const backChannelLogout = { path: LOGOUT_PATH, clientIds: [LOGOUT_CLIENT], replayStore };
    const server = await startNotesServer(platform, { options: { revocation: { backChannelLogout } } });
    close = () => server.close();
    await until(() => server.log.some((line) => line.includes('no right to write')));
  });

  it('LIB-11: sessions.store is given up after five seconds, and only by requests that name a session', async () => {
    let calls = 0;
    const hang = (): Promise<never> => new Promise(() => (calls += 1));
    const store: SessionOwnerStore = { open: hang, ownerOf: hang, close: hang };
    const replicas = await startSessionReplicas(platform, [store, store]);
    close = replicas.close;
    const { one } = replicas;
    const token = await replicas.mint('alice');
    fakeTimeouts();
    resetRecorded(one);
    const answer = replicas.use(one, 'some-session', token);
    await until(() => calls === 1);
    jest.advanceTimersByTime(TIME_LIMIT_MS);
    const { status, headers } = await answer;
    expect([status, headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    expectReason(one, 'session_undecided');
    expect((await fetch(`${one.origin}/plain`, { headers: bearer(token) })).status).toBe(200);
  });
});
