import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { ReplayStore, SessionOwnerStore } from 'nestjs-mcp-auth';
import { startConsentServer } from '../support/consent-server.js';
import { startDpopServer } from '../support/dpop-server.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { fakeTimeouts } from '../support/fake-timeouts.js';
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
