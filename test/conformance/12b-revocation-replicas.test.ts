import { afterEach, describe, expect, it } from '@jest/globals';
import {
  McpAuthHealthIndicator,
  McpAuthRevocations,
  type RevocationOptions,
  type RevocationStore,
} from 'nestjs-mcp-auth';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import type { NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { Replicas, untilStatus } from '../support/replicas.js';
import { until } from '../support/until.js';

const ALICE = { sub: 'alice' };

let replicas: Replicas;
afterEach(() => replicas.close());

async function startTwo(platform: Platform, revocation: RevocationOptions = {}): Promise<[NotesServer, NotesServer]> {
  replicas = await Replicas.of(platform, {}, revocation);
  return [await replicas.start(), await replicas.start()];
}

function revokeAlice(server: NotesServer): Promise<void> {
  return server.app.get(McpAuthRevocations).revoke({ principal: { issuer: replicas.issuer.issuer, subject: 'alice' } });
}

const call = (server: NotesServer, token: string): Promise<Response> => server.callTool('ping', token);
const statusOf = async (server: NotesServer, token: string): Promise<number> => (await call(server, token)).status;
const health = ({ app }: NotesServer) => app.get(McpAuthHealthIndicator).isHealthy()['mcp-auth'];

describe.each(PLATFORMS)('LIB-27: replicas with one store, on %s', (platform) => {
  it('LIB-27: refuse within a second what another one has revoked', async () => {
    const [one, other] = await startTwo(platform);
    const token = await replicas.mint(ALICE);
    expect([await statusOf(one, token), await statusOf(other, token)]).toEqual([200, 200]);
    await revokeAlice(one);
    expect(await statusOf(one, token)).toBe(401);
    replicas.advance(1_000);
    await untilStatus(() => call(other, token), 401);
    expect(await statusOf(other, await replicas.mint({ sub: 'bob' }))).toBe(200);
  });

  it('LIB-27: ask four times a second, and no request waits for the store', async () => {
    const [one] = await startTwo(platform);
    const token = await replicas.mint(ALICE);
    const { reads } = replicas.store;
    for (let count = 0; count < 5; count += 1) expect(await statusOf(one, token)).toBe(200);
    expect(replicas.store.reads).toBe(reads);
    one.clock.now += 249;
    expect(replicas.store.reads).toBe(reads);
    one.clock.now += 1;
    await until(() => replicas.store.reads === reads + 1);
  });

  it('LIB-27: know what is in force before they serve the first request after a restart', async () => {
    const [one, other] = await startTwo(platform);
    replicas.store.pageSize = 2;
    const token = await replicas.mint(ALICE);
    const revocations = one.app.get(McpAuthRevocations);
    for (const tokenId of ['a', 'b', 'c']) await revocations.revoke({ tokenId, issuer: replicas.issuer.issuer });
    await revokeAlice(one);
    await replicas.stop(one);
    const restarted = await replicas.start();
    expect(
      await statusOf(restarted, await replicas.mint({ ...ALICE, iat: Math.floor(replicas.now / 1000) - 60 })),
    ).toBe(401);
    expect(health(restarted)).toMatchObject({ revocations: { state: 'ready', kept: 4 } });
    replicas.advance(250);
    await untilStatus(() => call(other, token), 401);
  });

  it('LIB-27: give a store that lost its content what they still know', async () => {
    const [one, other] = await startTwo(platform);
    await revokeAlice(one);
    replicas.advance(250);
    const old = await replicas.mint({ ...ALICE, iat: Math.floor(replicas.now / 1000) - 60 });
    await untilStatus(() => call(other, old), 401);
    await replicas.stop(one);
    replicas.store.lose();
    expect(await statusOf(other, old)).toBe(401);
    replicas.advance(250);
    await until(() => replicas.store.entries.length === 1);
    const third = await replicas.start();
    expect(await statusOf(third, await replicas.mint({ ...ALICE, iat: Math.floor(replicas.now / 1000) - 60 }))).toBe(
      401,
    );
  });

  it('LIB-27: keep a revocation that the store did not take, and add it later', async () => {
    const [one, other] = await startTwo(platform);
    const token = await replicas.mint(ALICE);
    replicas.store.outage = new Error('READONLY You can not write');
    await expect(revokeAlice(one)).rejects.toThrow('READONLY');
    expect(await statusOf(one, token)).toBe(401);
    expect(one.log.join('\n')).toContain('did not take a revocation');
    replicas.store.outage = undefined;
    replicas.advance(250);
    await until(() => replicas.store.entries.length === 1);
    replicas.advance(250);
    await untilStatus(() => call(other, token), 401);
  });
});

describe.each(PLATFORMS)('LIB-27: a store that cannot be read, on %s', (platform) => {
  it('LIB-27: does not matter for a few seconds; then tokens get 503, and nothing else', async () => {
    const [one] = await startTwo(platform);
    const token = await replicas.mint(ALICE);
    expect(await statusOf(one, token)).toBe(200);
    replicas.store.outage = new Error('connect ECONNREFUSED');
    one.clock.now += 5_000;
    expect(await statusOf(one, token)).toBe(200);
    expect(health(one)).toMatchObject({ status: 'up', revocations: { state: 'ready', ageSeconds: 5 } });
    one.clock.now += 1;
    resetRecorded(one);
    const refused = await expectRefusal(one, await call(one, token), { status: 503, token });
    expect(refused.header('retry-after')).toBe('5');
    expect(health(one)).toMatchObject({ status: 'down', revocations: { state: 'unreadable' } });
    expect((await fetch(`${one.origin}/open`)).status).toBe(200);
    expect(await statusOf(one, 'not-a-token')).toBe(401);
    replicas.store.outage = undefined;
    one.clock.now += 250;
    await untilStatus(() => call(one, token), 200);
    expect(health(one)).toMatchObject({ status: 'up', revocations: { state: 'ready' } });
    expect(one.log.join('\n')).toContain('The store of revocations can be read again');
  });

  it('LIB-27: still refuses what is known to be revoked', async () => {
    const [one] = await startTwo(platform);
    const token = await replicas.mint(ALICE);
    await revokeAlice(one);
    replicas.store.outage = new Error('away');
    one.clock.now += 20_000;
    expect(await statusOf(one, token)).toBe(401);
  });

  it('LIB-27: is asked at once by a process that was suspended', async () => {
    const [one, other] = await startTwo(platform);
    const token = await replicas.mint(ALICE);
    await revokeAlice(one);
    // No timer has run when the first request comes.
    const { reads } = replicas.store;
    other.clock.now += 60_000;
    expect(await statusOf(other, token)).toBe(401);
    expect(replicas.store.reads).toBeGreaterThan(reads);
  });

  it('LIB-27: does not stop the start', async () => {
    replicas = await Replicas.of(platform);
    const secret = await replicas.mint(ALICE);
    replicas.store.outage = new Error(`not there yet, with ${secret}`);
    const server = await replicas.start();
    const token = await replicas.mint(ALICE);
    expect(await statusOf(server, token)).toBe(503);
    expect(server.log.join('\n')).not.toContain(secret.split('.')[1]!);
    expect(server.log.join('\n')).toContain('Cannot read the store of revocations');
    expect(server.log.join('\n')).toContain('not there yet');
    replicas.store.outage = undefined;
    server.clock.now += 250;
    await untilStatus(() => call(server, token), 200);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['no cursor', { revocations: [], isFromStart: true, hasMore: false }],
    ['an empty cursor', { revocations: [], cursor: '', isFromStart: true, hasMore: false }],
    ['no list', { revocations: {}, cursor: 'a', isFromStart: true, hasMore: false }],
    [
      'an invalid key',
      { revocations: [{ key: 'a', issuedBefore: 1, until: 2 }], cursor: 'a', isFromStart: true, hasMore: false },
    ],
    [
      'a time as text',
      {
        revocations: [{ key: 'k'.repeat(43), issuedBefore: '1', until: 2 }],
        cursor: 'a',
        isFromStart: true,
        hasMore: false,
      },
    ],
    ['no word on its beginning', { revocations: [], cursor: 'a', hasMore: false }],
    ['no word on its end', { revocations: [], cursor: 'a', isFromStart: true }],
  ])('LIB-27: is one that answers with %s', async (_what, answer) => {
    replicas = await Replicas.of(platform, {}, { store: { add: () => undefined, changes: () => answer as never } });
    const server = await replicas.start();
    expect(await statusOf(server, await replicas.mint(ALICE))).toBe(503);
    expect(server.log.join('\n')).toContain('Cannot read the store of revocations');
  });
});

it('LIB-27: a store that loses its content while it is read gets back what it lacks', async () => {
  const known = { key: 'k'.repeat(43), issuedBefore: 1, until: Date.now() + 3_600_000 };
  const answers = [
    { revocations: [known], cursor: 'a', isFromStart: true, hasMore: false },
    { revocations: [], cursor: 'b', isFromStart: false, hasMore: true },
    { revocations: [], cursor: 'new', isFromStart: true, hasMore: false },
  ];
  const added: unknown[] = [];
  const store: RevocationStore = {
    add: (revocation) => void added.push(revocation),
    changes: () => answers.shift() ?? { revocations: [], cursor: 'new', isFromStart: false, hasMore: false },
  };
  replicas = await Replicas.of('express', {}, { store });
  const server = await replicas.start();
  await until(() => answers.length === 2);
  server.clock.now += 250;
  await until(() => added.length > 0);
  expect(added).toEqual([known]);
});

it('LIB-27: revocations are forgotten when their tokens have expired', async () => {
  replicas = await Replicas.of('express', { options: { maxTokenLifetimeSeconds: 600 } });
  const server = await replicas.start();
  await revokeAlice(server);
  expect(health(server).revocations?.kept).toBe(1);
  server.clock.now += 700_000;
  await server.app.get(McpAuthRevocations).revoke({ tokenId: 'a', issuer: replicas.issuer.issuer });
  expect(health(server).revocations?.kept).toBe(1);
  expect(replicas.store.entries[0]).toMatchObject({ until: expect.any(Number) });
});
