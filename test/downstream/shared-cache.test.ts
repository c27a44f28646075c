import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt } from 'jose';
import { startIdJagServer, tokenRequestsAt } from '../support/id-jag-server.js';
import { closeAtOnce } from '../support/notes-server.js';
import { DownstreamReplicas, SECRET } from '../support/downstream-replicas.js';
import { startDownstreamServer, textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { SharedDownstreamTokens } from '../support/shared-downstream-tokens.js';
import { eventually } from '../support/until.js';

describe.each(PLATFORMS)('Tokens for APIs that two replicas share, on %s', (platform) => {
  const store = new SharedDownstreamTokens();
  let replicas: DownstreamReplicas;
  beforeAll(async () => {
    replicas = await DownstreamReplicas.start(platform, [store, store]);
  });
  afterAll(() => replicas.close());
  beforeEach(() => {
    replicas.issuer.clearRequests();
    store.calls.length = 0;
  });

  /** The token of a replica, once it is in the store. */
  const shared = async (replica: DownstreamServer, caller: string): Promise<string> => {
    const before = store.count('set');
    const token = await replicas.tokenAt(replica, caller);
    await eventually(() => expect(store.count('set')).toBe(before + 1));
    return token;
  };

  it('are requested once for both', async () => {
    const { one, other } = replicas;
    const ada = await replicas.mint('ada');
    const token = await shared(one, ada);
    expect(await replicas.tokenAt(other, ada)).toBe(token);
    expect(await replicas.eventsAt(other, ada)).toContain('"owner":"ada"');
    expect(replicas.requested).toBe(1);
    expect(store.calls).toEqual(['get', 'set', 'get']);
  });

  it('are found in memory first: the store is asked once for many calls, and once for concurrent ones', async () => {
    const { one, other } = replicas;
    const ada = await replicas.mint('ada');
    const token = await shared(one, ada);
    const all = await Promise.all(Array.from({ length: 8 }, () => replicas.tokenAt(other, ada)));
    for (let calls = 0; calls < 3; calls += 1) all.push(await replicas.tokenAt(other, ada));
    expect(new Set(all)).toEqual(new Set([token]));
    expect(store.count('get')).toBe(2);
  });

  it('are kept as hashes and ciphertext', async () => {
    const ada = await replicas.mint('ada');
    const token = await shared(replicas.one, ada);
    const secrets = [token, ada, SECRET, 'ada', 'calendar', 'resource-server', replicas.issuer.issuer];
    for (const secret of secrets) expect(store.content).not.toContain(secret);
    for (const place of store.values.keys()) expect(place).toMatch(/^[\w-]{43} [\w-]{43}$/);
    for (const generation of store.generations.values()) expect(generation).toMatch(/^[\w-]{22}$/);
    const log = [...replicas.one.log, ...replicas.other.log].join('\n');
    for (const secret of [token, ada, SECRET]) expect(log).not.toContain(secret);
  });

  it('belong to one token of one user', async () => {
    const { one, other } = replicas;
    const [ada, again, bob] = [
      await replicas.mint('ada', { jti: '1' }),
      await replicas.mint('ada', { jti: '2' }),
      await replicas.mint('bob'),
    ];
    await shared(one, ada);
    expect(decodeJwt(await replicas.tokenAt(other, bob)).sub).toBe('bob');
    expect(await replicas.tokenAt(other, again)).not.toBe(await replicas.tokenAt(one, ada));
    expect(replicas.requested).toBe(3);
  });

  it('are never used past the end of the token, or of that of the caller, at any replica', async () => {
    const { one, other } = replicas;
    const [long, short] = [
      await replicas.mint('ada', { exp: Math.floor(one.clock.now / 1000) + 3_000 }),
      await replicas.mint('ada', { exp: Math.floor(one.clock.now / 1000) + 100 }),
    ];
    const tokens = [await shared(one, long), await shared(one, short)];
    const [lives, livesShort] = [...store.values.values()].slice(-2).map(({ forMs }) => forMs);
    expect(lives).toBeLessThanOrEqual(270_000);
    expect(livesShort).toBeLessThanOrEqual(100_000);
    replicas.advance(98_000);
    expect(await replicas.tokenAt(other, short)).toBe(tokens[1]);
    replicas.advance(171_000);
    expect(await replicas.tokenAt(other, long)).toBe(tokens[0]);
    replicas.advance(2_000);
    expect(await replicas.tokenAt(other, long)).not.toBe(tokens[0]);
    expect(replicas.requested).toBe(3);
  });

  it('are not taken from the store again after the API has rejected them', async () => {
    const { one, other, api } = replicas;
    const ada = await replicas.mint('ada');
    const token = await shared(one, ada);
    await replicas.tokenAt(other, ada);
    const refused = new Set([token]);
    api.answer = (_request, response, call) => {
      if (!refused.has(call.token)) return false;
      response.writeHead(401).end();
      return true;
    };
    expect(await replicas.eventsAt(one, ada)).toContain('"owner":"ada"');
    expect(store.count('delete')).toBe(1);
    await eventually(() => expect(store.count('set')).toBe(2));
    expect(await replicas.eventsAt(other, ada)).toContain('"owner":"ada"');
    expect(replicas.requested).toBe(2);
    expect(await replicas.tokenAt(other, ada)).toBe(await replicas.tokenAt(one, ada));
    // Also if the store does not take it away, and no other token can be had.
    for (const now of [await replicas.tokenAt(one, ada)]) refused.add(now);
    store.instead = (call) => (call === 'delete' || call === 'set' ? true : undefined);
    replicas.issuer.fail('down', 'token');
    await replicas.eventsAt(one, ada);
    replicas.issuer.recover();
    replicas.advance(3_000);
    const last = await replicas.tokenAt(one, ada);
    expect(refused.has(last)).toBe(false);
    store.instead = () => undefined;
    api.answer = () => false;
  });

  it('LIB-29: are never mixed in 1,000 interleaved calls of two users at both', async () => {
    const callers = await Promise.all(['ada', 'bob'].map(async (sub) => ({ sub, token: await replicas.mint(sub) })));
    const wrong: string[] = [];
    const call = async (index: number): Promise<void> => {
      const { sub, token } = callers[index % 2]!;
      const replica = index % 4 < 2 ? replicas.one : replicas.other;
      const answer = await replicas.eventsAt(replica, token);
      if (!answer.includes(`"owner":"${sub}"`)) wrong.push(`${sub} got ${answer}`);
      if (index % 90 === 0) replicas.advance(11_000);
      if (index % 140 === 0) await replicas.forgetAt(replica, sub);
    };
    for (let begin = 0; begin < 1_000; begin += 20)
      await Promise.all(Array.from({ length: 20 }, (_, offset) => call(begin + offset)));
    expect(wrong).toEqual([]);
    expect(replicas.requested).toBeGreaterThan(3);
    expect(replicas.requested).toBeLessThan(100);
  });
});

describe.each(PLATFORMS)('Whether two replicas share a token, on %s', (platform) => {
  let replicas: DownstreamReplicas;
  afterEach(() => replicas.close());

  /** How many tokens they request when a caller comes to one and then to the other. */
  async function requestedBy(
    settings: Parameters<typeof DownstreamReplicas.start>[2],
    store = new SharedDownstreamTokens(),
  ): Promise<number> {
    replicas = await DownstreamReplicas.start(platform, [store, store], settings);
    const ada = await replicas.mint('ada');
    await replicas.eventsAt(replicas.one, ada);
    await eventually(() => expect(store.count('set')).toBe(1));
    await replicas.eventsAt(replicas.other, ada);
    return replicas.requested;
  }

  const keyOf = (): string =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

  it.each([
    ['of this server itself', { grant: 'client-credentials' }],
    ['on behalf of', { grant: 'jwt-bearer' }],
  ] as const)('yes: %s', async (_what, calendar) => {
    expect(await requestedBy({ calendar })).toBe(1);
  });

  it.each([
    ['the scopes differ', { scopes: ['calendar.read', 'calendar.write'] }],
    ['the audience differs', { audience: ['https://calendar.example.com', 'https://other.example.com'] }],
    ['a parameter differs', { parameters: { custom: 'a' } }],
    ['one requires all scopes', { requireScopes: true }],
    ['the keys for proofs differ', { dpop: { privateKey: keyOf() } }],
  ])('no: %s', async (_what, calendarOfOther) => {
    const store = new SharedDownstreamTokens();
    expect(await requestedBy({ calendarOfOther }, store)).toBe(2);
    expect(replicas.other.log.join('\n')).not.toContain('sharedCache');
  });

  it('yes: a token that is bound to a key that both have', async () => {
    const store = new SharedDownstreamTokens();
    replicas = await DownstreamReplicas.start(platform, [store, store], {
      calendar: { dpop: { privateKey: keyOf() } },
    });
    const ada = await replicas.mint('ada');
    expect(await replicas.eventsAt(replicas.one, ada)).toContain('"owner":"ada"');
    await eventually(() => expect(store.count('set')).toBe(1));
    expect(await replicas.eventsAt(replicas.other, ada)).toContain('"owner":"ada"');
    expect(replicas.requested).toBe(1);
  });

  it('yes: while the secret is changed, if each knows that of the other', async () => {
    const next = 'another-canary-secret-0123456789012345';
    expect(
      await requestedBy({
        secrets: [
          [SECRET, next],
          [next, SECRET],
        ],
      }),
    ).toBe(1);
  });

  it('no: with another secret, as the log says', async () => {
    expect(await requestedBy({ secrets: [SECRET, 'another-canary-secret-0123456789012345'] })).toBe(2);
    expect(replicas.other.log.join('\n')).toContain('sealed with another secret');
  });

  it('for no longer than cacheSeconds of the replica that uses it', async () => {
    const store = new SharedDownstreamTokens();
    replicas = await DownstreamReplicas.start(platform, [store, store], { calendarOfOther: { cacheSeconds: 60 } });
    const ada = await replicas.mint('ada');
    const token = await replicas.tokenAt(replicas.one, ada);
    await eventually(() => expect(store.count('set')).toBe(1));
    replicas.advance(59_000);
    expect(await replicas.tokenAt(replicas.other, ada)).toBe(token);
    replicas.advance(2_000);
    expect(await replicas.tokenAt(replicas.other, ada)).not.toBe(token);
  });
});

it.each(PLATFORMS)('Tokens of another domain (id-jag) are requested once for two replicas, on %s', async (platform) => {
  const store = new SharedDownstreamTokens();
  const one = await startIdJagServer(platform, { sharedCache: { store, secret: SECRET } });
  const { issuer, api, calendar, idp, apiServer } = one;
  const other = await startDownstreamServer(platform, { started: { issuer, api }, calendar });
  other.clock.now = one.clock.now;
  await one.signIn('ada');
  const ada = await issuer.mint({ aud: [one.resource, other.resource], sub: 'ada' });
  const tokenAt = async (replica: DownstreamServer): Promise<string> =>
    textOfTool(await replica.callTool('token', ada, { name: 'calendar' }));
  const token = await tokenAt(one);
  await eventually(() => expect(store.count('set')).toBe(1));
  expect(await tokenAt(other)).toBe(token);
  expect([idp, apiServer].map((server) => tokenRequestsAt(server).length)).toEqual([1, 1]);
  await closeAtOnce(other);
  await one.close();
});
