import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { McpAuthHealthIndicator, McpAuthService, type McpAuthEvent } from 'nestjs-mcp-auth';
import { DownstreamReplicas, SECRET } from '../support/downstream-replicas.js';
import { textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { fakeTimeouts } from '../support/fake-timeouts.js';
import { PLATFORMS } from '../support/platforms.js';
import { SharedDownstreamTokens } from '../support/shared-downstream-tokens.js';
import { eventually, until } from '../support/until.js';
import { SealedValues } from '../../lib/shared-state/sealed-values.js';

const OPTION = 'downstream.sharedCache';
const GENERATION = 'A'.repeat(22);

/** What somebody makes of an entry who can write to the store. */
interface Entry {
  readonly value: string;
  readonly place: string;
  /** An entry of another user. */
  readonly foreign: string;
  readonly token: string;
  readonly now: number;
}

const sealed = (content: object, { place, value }: Entry): string => {
  const generation = value.slice(0, 22);
  const [owner, key] = place.split(' ');
  const values = new SealedValues<object>([SECRET], 'downstream token 1', 24_000);
  return `${generation}.${values.seal(content, JSON.stringify([owner, key, generation]))}`;
};

const flipped = (value: string, index: number): string => {
  const at = index < 0 ? value.length + index : index;
  return value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1);
};

const TAMPERED: readonly (readonly [string, (entry: Entry) => string])[] = [
  ['its nonce is changed', ({ value }) => flipped(value, 24)],
  ['its content is changed', ({ value }) => flipped(value, 60)],
  ['its tag is changed', ({ value }) => flipped(value, -5)],
  ['its generation is changed', ({ value }) => flipped(value, 3)],
  ['it is cut at the end', ({ value }) => value.slice(0, -4)],
  ['it is cut at the beginning', ({ value }) => value.slice(4)],
  ['it is longer', ({ value }) => `${value}AAAA`],
  ['it is written in another alphabet', ({ value }) => `${value}==`],
  ['it is that of another user', ({ foreign }) => foreign],
  ['it is that of another user, with this generation', ({ foreign, value }) => value.slice(0, 23) + foreign.slice(23)],
  ['it is empty', () => ''],
  ['it is the token itself', ({ token }) => token],
  ['it is huge', () => `${GENERATION}.${'A'.repeat(10_000_000)}`],
  ['it is sealed, and has no token', (entry) => sealed({ at: entry.now, until: entry.now + 60_000 }, entry)],
  [
    'its token would begin another header field',
    (entry) => sealed({ token: 'a\r\nb: c', at: entry.now, until: entry.now + 9_000 }, entry),
  ],
  ['its token is no text', (entry) => sealed({ token: 1, at: entry.now, until: entry.now + 9_000 }, entry)],
  ['its end is no number', (entry) => sealed({ token: 'a-canary', at: entry.now, until: 'never' }, entry)],
  ['its beginning is missing', (entry) => sealed({ token: 'a-canary', until: entry.now + 9_000 }, entry)],
  ['it is sealed, and a list', (entry) => sealed([], entry)],
  [
    'it is from the future',
    (entry) => sealed({ token: 'a-canary', at: entry.now + 60_000, until: entry.now + 90_000 }, entry),
  ],
];

/** What is right, but no longer of use. */
const ENDED: readonly (readonly [string, (entry: Entry) => string])[] = [
  ['it has ended', (entry) => sealed({ token: 'a-canary', at: entry.now - 60_000, until: entry.now }, entry)],
  [
    'it is older than cacheSeconds',
    (entry) => sealed({ token: 'a-canary', at: entry.now - 301_000, until: entry.now + 9_000 }, entry),
  ],
];

describe.each(PLATFORMS)('Entries of shared tokens that no replica made, on %s', (platform) => {
  const store = new SharedDownstreamTokens();
  let replicas: DownstreamReplicas;
  let one: DownstreamServer;
  let other: DownstreamServer;
  beforeAll(async () => {
    replicas = await DownstreamReplicas.start(platform, [store, store]);
    ({ one, other } = replicas);
  });
  afterAll(() => replicas.close());

  const share = async (sub: string): Promise<Entry & { ada: string }> => {
    const ada = await replicas.mint(sub);
    const before = store.count('set');
    const token = await replicas.tokenAt(one, ada);
    await eventually(() => expect(store.count('set')).toBe(before + 1));
    const [place, { value }] = [...store.values].at(-1)!;
    return { ada, token, place, value, foreign: '', now: one.clock.now };
  };

  const tokenFrom = async (change: (entry: Entry) => string): Promise<void> => {
    store.values.clear();
    const { value: foreign } = await share('bob');
    const entry = { ...(await share('ada')), foreign };
    const value = change(entry);
    store.values.set(entry.place, { value, forMs: 1 });
    other.log.length = 0;
    replicas.issuer.clearRequests();
    const found = await replicas.tokenAt(other, entry.ada);
    expect(found).not.toBe(entry.token);
    expect(found).not.toContain('canary');
    expect(await replicas.eventsAt(other, entry.ada)).toContain('"owner":"ada"');
    expect(replicas.requested).toBe(1);
    // A right one takes its place.
    await eventually(() => expect(store.values.get(entry.place)!.value).not.toBe(value));
  };

  const health = (): unknown => other.app.get(McpAuthHealthIndicator).isHealthy('auth').auth.stores?.[OPTION]?.state;

  it.each(TAMPERED)('is not used, and is reported: %s', async (_what, change) => {
    replicas.advance(61_000);
    await tokenFrom(change);
    expect(health()).toBe('failing');
    const log = other.log.join('\n');
    expect(log).toContain(
      `The store of the option ${OPTION} does not answer as it should; each replica requests tokens`,
    );
    expect(log).not.toMatch(/canary|eyJ/);
    const { ada } = await share('ada');
    await replicas.tokenAt(other, ada);
    expect(health()).toBe('ready');
  });

  it.each(ENDED)('is not used: %s', async (_what, change) => {
    await tokenFrom(change);
    expect(health()).toBe('ready');
  });
});

describe.each(PLATFORMS)('While the store of shared tokens has an outage, on %s', (platform) => {
  let store: SharedDownstreamTokens;
  let replicas: DownstreamReplicas;
  let events: McpAuthEvent[];
  beforeEach(async () => {
    store = new SharedDownstreamTokens();
    replicas = await DownstreamReplicas.start(platform, [store, store]);
    events = [];
    const { events$ } = replicas.one.app.get(McpAuthService);
    events$.subscribe((event) => event.type.startsWith('store-') && events.push(event));
  });
  afterEach(() => {
    jest.useRealTimers();
    return replicas.close();
  });

  const stores = (): unknown => replicas.one.app.get(McpAuthHealthIndicator).isHealthy('auth').auth;

  const OUTAGES: readonly (readonly [string, () => unknown])[] = [
    [
      'it throws',
      () => {
        throw new Error('no connection');
      },
    ],
    ['it rejects with nothing', () => Promise.reject(undefined as never)],
    ['it answers null', () => null],
    ['it answers a text', () => 'canary'],
    ['it answers a number as generation', () => ({ generation: 1 })],
    ['it answers a generation that is none', () => ({ generation: 'canary' })],
    ['it answers a value that is no text', () => ({ generation: GENERATION, value: { canary: 1 } })],
    [
      'it answers with what cannot be read',
      () => ({
        get generation() {
          throw new Error('trap');
        },
      }),
    ],
  ];

  it.each(OUTAGES)('callers get tokens from the authorization server: %s', async (_what, instead) => {
    expect(stores()).toMatchObject({ stores: { [OPTION]: { state: 'not asked yet' } } });
    store.instead = instead;
    const ada = await replicas.mint('ada');
    for (const replica of [replicas.one, replicas.other])
      expect(await replicas.eventsAt(replica, ada)).toContain('"owner":"ada"');
    expect(replicas.requested).toBe(2);
    expect(stores()).toMatchObject({ status: 'up', stores: { [OPTION]: { state: 'failing' } } });
    expect(replicas.one.log.join('\n')).toContain(`The store of the option ${OPTION} does not answer as it should`);
    expect(replicas.one.log.join('\n')).not.toContain('canary');
    store.instead = () => undefined;
    replicas.advance(11_000);
    await replicas.tokenAt(replicas.one, await replicas.mint('bob'));
    expect(stores()).toMatchObject({ stores: { [OPTION]: { state: 'ready' } } });
    expect(events).toMatchObject([
      { type: 'store-unreachable', store: OPTION },
      { type: 'store-recovered', store: OPTION },
    ]);
  });

  it('a store that cannot write does not concern callers', async () => {
    store.instead = (call) => (call === 'set' ? Promise.reject(new Error('read-only')) : undefined);
    const ada = await replicas.mint('ada');
    expect(await replicas.eventsAt(replicas.one, ada)).toContain('"owner":"ada"');
    await eventually(() => expect(stores()).toMatchObject({ stores: { [OPTION]: { state: 'failing' } } }));
  });

  it('LIB-11: a call of the store is given up after five seconds, and the next ones do not wait', async () => {
    store.instead = () => new Promise(() => undefined);
    const [ada, bob] = [await replicas.mint('ada'), await replicas.mint('bob')];
    fakeTimeouts();
    const answer = replicas.one.callTool('token', ada, { name: 'calendar' });
    await until(() => store.count('get') === 1);
    jest.advanceTimersByTime(5_000);
    expect(await textOfTool(await answer)).toMatch(/^eyJ/);
    expect(await replicas.tokenAt(replicas.one, bob)).toMatch(/^eyJ/);
    expect(store.count('get')).toBe(1);
    expect(store.count('set')).toBe(0);
  });

  it('LIB-11: nobody waits for a store that is slow to write', async () => {
    store.instead = (call) => (call === 'set' ? new Promise(() => undefined) : undefined);
    fakeTimeouts();
    expect(await replicas.tokenAt(replicas.one, await replicas.mint('ada'))).toMatch(/^eyJ/);
  });

  it('a token in memory is used on, and not requested anew', async () => {
    const ada = await replicas.mint('ada');
    const token = await replicas.tokenAt(replicas.one, ada);
    store.instead = () => Promise.reject(new Error('down'));
    for (let checks = 0; checks < 5; checks += 1) {
      replicas.advance(15_000);
      expect(await replicas.tokenAt(replicas.one, ada)).toBe(token);
    }
    store.instead = () => undefined;
    replicas.advance(15_000);
    expect(await replicas.tokenAt(replicas.one, ada)).toBe(token);
    expect(replicas.requested).toBe(1);
  });
});
