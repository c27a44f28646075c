import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthHealthIndicator, McpAuthRevocations } from 'nestjs-mcp-auth';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { startSessionReplicas, type SessionReplicas } from '../support/session-replicas.js';
import { INITIALIZE, openSession } from '../support/sessions.js';
import { SharedSessionOwners } from '../support/shared-session-owners.js';
import { until } from '../support/until.js';

/** Sessions whose owners replicas share: the option `sessions`. */

describe.each(PLATFORMS)('Sessions of two replicas with one store, on %s', (platform) => {
  let store: SharedSessionOwners;
  let replicas: SessionReplicas;
  let alice: string;
  beforeEach(async () => {
    store = new SharedSessionOwners();
    replicas = await startSessionReplicas(platform, [store, store], { revocation: {} });
    alice = await replicas.mint('alice');
  });
  afterEach(() => replicas.close());

  const statusOf = async (...request: Parameters<SessionReplicas['use']>): Promise<number> => {
    const response = await replicas.use(...request);
    await response.text();
    return response.status;
  };

  it('MCP-25-SES-02: belong to their owner at every replica, and to nobody else', async () => {
    const { one, other, mint } = replicas;
    const session = await openSession(one, alice);
    for (const replica of [one, other]) {
      expect(await statusOf(replica, session, alice)).toBe(200);
      expect(await statusOf(replica, session, await mint('alice', { client_id: 'another', jti: 'new' }))).toBe(200);
      expect(await statusOf(replica, session, await mint('bob'))).toBe(404);
      expect(await statusOf(replica, 'of-nobody', alice)).toBe(404);
    }
    expect(JSON.stringify([...store.owners])).not.toMatch(/alice/);
    expect([...store.owners.keys()].join()).not.toContain(session);
  });

  it('work with the MCP framework that has them', async () => {
    const session = await openSession(replicas.one, alice);
    const answer = await replicas.one.rpc('tools/list', {}, { ...bearer(alice), 'mcp-session-id': session });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('ping');
  });

  it('are known to every replica before the client knows them', async () => {
    let goOn!: () => void;
    store.pause = new Promise((resolve) => (goOn = resolve));
    let isAnswered = false;
    const opening = openSession(replicas.one, alice).finally(() => (isAnswered = true));
    await until(() => store.calls > 0);
    // Requests that name no session are not affected.
    expect(await statusOf(replicas.one, undefined, alice)).toBe(200);
    expect(isAnswered).toBe(false);
    goOn();
    expect(await statusOf(replicas.other, await opening, alice)).toBe(200);
  });

  it('MCP-25-SES-04: end at every replica', async () => {
    const { one, other } = replicas;
    const session = await openSession(one, alice);
    const ended = await fetch(one.resource, {
      method: 'DELETE',
      headers: { ...bearer(alice), 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' },
    });
    expect(ended.status).toBeLessThan(300);
    await until(() => store.owners.size === 0);
    expect(await statusOf(other, session, alice)).toBe(404);
    expect(await statusOf(one, session, alice)).toBe(404);
  });

  it('get 503 while the store fails, and nothing else does', async () => {
    const { one, other } = replicas;
    const session = await openSession(one, alice);
    store.outage = new Error('the store is down');
    const refused = await replicas.use(other, session, alice);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(refused.headers.get('www-authenticate')).toBeNull();
    await refused.text();
    expect(await statusOf(other, undefined, alice)).toBe(200);
    // A client may begin, but this session stays unknown.
    const unknown = await openSession(one, alice);
    expect(other.app.get(McpAuthHealthIndicator, { strict: false }).isHealthy()['mcp-auth']).toMatchObject({
      status: 'up',
      stores: { 'sessions.store': { state: 'failing', failingForSeconds: 0 } },
    });
    expect(other.log.join('\n')).toContain(
      'The store of the option sessions.store does not answer as it should; requests that name an MCP session get 503 until it ' +
        'does: the store is down',
    );
    store.outage = undefined;
    expect(await statusOf(other, session, alice)).toBe(200);
    expect(await statusOf(other, unknown, alice)).toBe(404);
  });

  it('LIB-27: do not begin if the token is revoked while the store is asked', async () => {
    const { one } = replicas;
    const rejected: unknown[] = [];
    const listener = (reason: unknown): void => void rejected.push(reason);
    process.on('unhandledRejection', listener);
    let goOn!: () => void;
    store.pause = new Promise((resolve) => (goOn = resolve));
    const opening = one.rpc('initialize', INITIALIZE, bearer(alice));
    await until(() => store.calls > 0);
    const revocations = one.app.get(McpAuthRevocations, { strict: false });
    await revocations.revoke({ principal: { issuer: one.issuer.issuer, subject: 'alice' } });
    const refused = await opening;
    expect([refused.status, refused.headers.get('mcp-session-id')]).toEqual([401, null]);
    goOn();
    await until(() => store.owners.size > 0);
    await refused.text();
    await new Promise(setImmediate);
    process.off('unhandledRejection', listener);
    expect(rejected).toEqual([]);
  });

  it('LIB-27: end when the token that opened them is revoked, whoever opened them where', async () => {
    const { one, other } = replicas;
    const session = await openSession(one, alice);
    expect(await statusOf(other, session, alice)).toBe(200);
    const revocations = other.app.get(McpAuthRevocations, { strict: false });
    await revocations.revoke({ principal: { issuer: other.issuer.issuer, subject: 'alice' } });
    one.clock.now += 60_000;
    other.clock.now += 60_000;
    const later = await replicas.mint('alice', { jti: 'later' });
    expect(await statusOf(other, undefined, later)).toBe(200);
    expect(await statusOf(other, session, later)).toBe(404);
    await until(() => store.owners.size === 0);
  });

  it.each([null, 7, {}, 'alice', ''])(
    'get 503 if the store answers %j, which the library did not write',
    async (answer) => {
      const session = await openSession(replicas.one, alice);
      store.nonsense = answer;
      expect(await statusOf(replicas.other, session, alice)).toBe(503);
    },
  );

  it('are not asked for where no request names one', async () => {
    expect(await statusOf(replicas.one, undefined, alice)).toBe(200);
    expect((await replicas.one.rpc('initialize', INITIALIZE)).status).toBe(401);
    expect(store.calls).toBe(0);
  });
});
