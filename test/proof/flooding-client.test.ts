import { hash } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { DpopOptions } from 'nestjs-mcp-auth';
import { TestDpopKey } from 'nestjs-mcp-auth/testing';
import { ProofQuota } from '../../lib/proof/proof-quota.js';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { expectReason } from '../support/tokens.js';
import { heapUsed } from '../support/heap-used.js';

const LIMIT = 20;

describe.each(PLATFORMS)('LIB-11: a client that floods the server with proofs, on %s', (platform) => {
  let dpop: DpopServer;
  afterEach(() => dpop.close());

  const start = async (options: DpopOptions): Promise<void> => {
    dpop = await startDpopServer(platform, { dpop: options });
  };

  /** Calls a tool with a key and a token that is bound to it. */
  const call = (key: TestDpopKey, token: string): Promise<Response> =>
    dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token, { by: key }) });
  const mintFor = (key: TestDpopKey): Promise<string> => dpop.server.mint({ cnf: key.confirmation });

  /** How often each status was answered. */
  async function statuses(count: number, send: (index: number) => Promise<Response>): Promise<Record<number, number>> {
    const seen: Record<number, number> = {};
    for (let index = 0; index < count; index += 1) {
      const { status } = await send(index);
      seen[status] = (seen[status] ?? 0) + 1;
    }
    return seen;
  }

  it.each<[string, Partial<DpopOptions>]>([
    ['in memory', {}],
    ['with a store of the application', { replayStore: { insertOnce: () => true } }],
  ])('RFC6585-4-a: is refused alone, with 429 and the time to wait: %s', async (_what, options) => {
    await start({ maxProofsPerKey: LIMIT, ...options });
    const other = await TestDpopKey.generate();
    const token = await dpop.mintBound();
    expect(await statuses(3 * LIMIT, () => call(dpop.key, token))).toEqual({ 200: LIMIT, 429: 2 * LIMIT });
    resetRecorded(dpop.server);
    const refused = await call(dpop.key, token);
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(300);
    await expectRefusal(dpop.server, refused, { status: 429, token });
    expectReason(dpop.server, 'too_many_proofs');
    // Another token of the same key is no way around it.
    expect((await call(dpop.key, await dpop.mintBound({ scope: 'a' }))).status).toBe(429);
    expect((await call(other, await mintFor(other))).status).toBe(200);
    expect((await dpop.call(bearer(await dpop.server.mint()))).status).toBe(200);
    dpop.server.clock.now += (wait - 1) * 1000;
    expect((await call(dpop.key, await dpop.mintBound())).status).toBe(429);
    dpop.server.clock.now += 1000;
    expect((await call(dpop.key, await dpop.mintBound())).status).toBe(200);
  });

  it('RFC9449-11.1-a: uses up nothing of another client with proofs that were used before, or of another key', async () => {
    await start({ maxProofsPerKey: LIMIT });
    const thief = await TestDpopKey.generate();
    const token = await dpop.mintBound();
    const stolen = { authorization: `DPoP ${token}`, dpop: dpop.proof(token) };
    expect((await dpop.call(stolen)).status).toBe(200);
    expect(await statuses(LIMIT, () => dpop.call(stolen))).toEqual({ 401: LIMIT });
    expect(await statuses(LIMIT, () => call(thief, token))).toEqual({ 401: LIMIT });
    expect(await statuses(LIMIT, () => call(dpop.key, token))).toEqual({ 200: LIMIT - 1, 429: 1 });
  });

  it('RFC9449-11.1-a: with many keys fills no more than maxProofs, and each key needs a token', async () => {
    await start({ maxProofs: 1_000 });
    const keys = await Promise.all(Array.from({ length: 11 }, () => TestDpopKey.generate()));
    const tokens = await Promise.all(keys.map(mintFor));
    const send = (index: number): Promise<Response> =>
      call(keys[index % 11] as TestDpopKey, tokens[index % 11] as string);
    // A tenth of maxProofs for each key.
    expect(await statuses(1_012, send)).toEqual({ 200: 1_000, 503: 12 });
    expect((await dpop.call(bearer(await dpop.server.mint()))).status).toBe(200);
    // A busy machine needs its time for a thousand requests.
  }, 60_000);
});

describe('ProofQuota', () => {
  const keyOf = (index: number): string => hash('sha256', String(index), 'base64url');

  it('LIB-11: keeps so many entries, whatever keys there are, and each in at most 130 bytes', () => {
    const quota = new ProofQuota(10, 100_000, () => 0);
    const before = heapUsed();
    for (let index = 0; index < 500_000; index += 1) quota.add(keyOf(index), (index % 10) * 60_000);
    expect((heapUsed() - before) / 100_000).toBeLessThan(130);
    for (let index = 0; index < 10; index += 1) quota.check(keyOf(0));
  });
});
