import { beforeEach, describe, expect, it } from '@jest/globals';
import { NotAskedError } from '../../lib/core/not-asked-error.js';
import { BusyError, CoolDown, pauseAfter, UnderWayLimit } from '../../lib/issuer/cool-down.js';
import { DiscoveredMetadata } from '../../lib/issuer/discovered-metadata.js';
import { EndpointLocation } from '../../lib/issuer/endpoint-location.js';
import { IntrospectionAccess, IntrospectionGate } from '../../lib/issuer/introspection-gate.js';
import { OutboundError } from '../../lib/issuer/outbound-error.js';
import { holdsOff, type Purpose } from '../../lib/issuer/purpose.js';
import { RefreshBudget } from '../../lib/issuer/refresh-budget.js';

// When an authorization server that failed is asked again, at the limits, without one.

let clock: number;
beforeEach(() => {
  clock = 1_000_000;
});
const now = (): number => clock;

const failure = (status?: number, retryAfterSeconds?: number): OutboundError =>
  new OutboundError('POST https://a.example', `status ${status}`, status, { retryAfterSeconds });

/** Seconds after which to ask again; undefined where it may be asked now. */
function waitOf(check: () => void): number | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(NotAskedError);
    return (error as NotAskedError).retryAfterSeconds;
  }
}

describe('a pause', () => {
  it('lasts as long as it is told, in whole seconds, and names its cause', () => {
    const pause = new CoolDown(now);
    expect([waitOf(() => pause.check()), pause.isOn]).toEqual([undefined, false]);
    const cause = new Error('down');
    pause.begin(cause, 2_000);
    expect(() => pause.check()).toThrow('it failed a moment ago, and is not asked again yet');
    expect(() => pause.check()).toThrow(expect.objectContaining({ cause }));
    clock += 999;
    expect(waitOf(() => pause.check())).toBe(2);
    clock += 1_000;
    expect([waitOf(() => pause.check()), pause.isOn]).toEqual([1, true]);
    clock += 1;
    expect([waitOf(() => pause.check()), pause.isOn]).toEqual([undefined, false]);
  });

  it('lasts no longer if the clock is set back, and ends when it is ended', () => {
    const pause = new CoolDown(now);
    pause.begin(undefined, 2_000);
    clock -= 2_000;
    expect(waitOf(() => pause.check())).toBeUndefined();
    clock += 2_000;
    expect(waitOf(() => pause.check())).toBe(2);
    pause.end();
    expect(waitOf(() => pause.check())).toBeUndefined();
  });

  it.each<[string, Error, number]>([
    ['another error', new Error('x'), 2_000],
    ['a failure', failure(500), 2_000],
    ['one that asks for a second', failure(429, 1), 2_000],
    ['one that asks for half a minute', failure(429, 30), 30_000],
    ['one that asks for a minute', failure(429, 60), 60_000],
    ['one that asks for an hour', failure(429, 3_600), 60_000],
  ])('after %s takes so long', (_what, error, ms) => {
    expect(pauseAfter(error)).toBe(ms);
  });
});

describe('a limit of requests under way', () => {
  it('refuses further ones without doing their work, and takes others when one has ended, however', async () => {
    const limit = new UnderWayLimit(2);
    let end: (() => void)[] = [];
    const hold = (): Promise<string> => limit.run(() => new Promise((resolve) => void end.push(() => resolve('done'))));
    const held = [hold(), hold()];
    const refused = await limit.run(async () => 'never').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(BusyError);
    expect(refused).toMatchObject({ message: '2 requests are under way already', retryAfterSeconds: 1 });
    for (const one of end) one();
    expect(await Promise.all(held)).toEqual(['done', 'done']);
    for (let count = 0; count < 3; count += 1)
      await expect(limit.run(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(await limit.run(async () => 'now')).toBe('now');
    end = [];
  });
});

describe('a failed attempt', () => {
  const attempt = (purpose: Purpose): { error: unknown; at: number; purpose: Purpose } => ({
    error: new Error('down'),
    at: 1_000,
    purpose,
  });

  it.each<[Purpose, Purpose, number, boolean]>([
    ['token', 'token', 1_000, true],
    ['token', 'token', 1_099, true],
    ['token', 'token', 1_100, false],
    ['token', 'token', 900, false],
    ['token', 'start', 1_000, true],
    ['start', 'start', 1_000, true],
    ['start', 'token', 1_000, false],
  ])('for a %s holds off one for a %s at %d: %j', (failed, next, at, expected) => {
    expect(holdsOff(attempt(failed), next, at, 100)).toBe(expected);
  });

  it('is needed to hold off', () => {
    expect(holdsOff(undefined, 'token', 0, 100)).toBe(false);
  });
});

describe('the budget of fetches that unverified tokens cause', () => {
  it('LIB-11: has three, each after a pause, and one more every 30 seconds', () => {
    const budget = new RefreshBudget(5_000, now);
    const drawn: boolean[] = [];
    for (let count = 0; count < 3; count += 1) {
      expect(budget.waitMs).toBe(0);
      drawn.push(budget.draw(), budget.draw());
      expect(budget.waitMs).toBeCloseTo(count < 2 ? 5_000 : 20_000);
      clock += 5_000;
    }
    expect(drawn).toEqual([true, false, true, false, true, false]);
  });

  it('LIB-11: gets back the last fetch alone, however often it is given back', () => {
    const budget = new RefreshBudget(0, now);
    expect([budget.draw(), budget.draw()]).toEqual([true, true]);
    for (let count = 0; count < 3; count += 1) budget.refund();
    expect([budget.draw(), budget.draw(), budget.draw()]).toEqual([true, true, false]);
  });

  it('LIB-11: gets a fetch back that found the key, once, and never more than three', () => {
    const budget = new RefreshBudget(5_000, now);
    budget.refund();
    expect([budget.draw(), budget.waitMs]).toEqual([true, 5_000]);
    budget.refund();
    budget.refund();
    expect(budget.waitMs).toBe(0);
    for (let count = 0; count < 3; count += 1) {
      expect(budget.draw()).toBe(true);
      clock += 5_000;
    }
    expect(budget.waitMs).toBeGreaterThan(0);
    expect(budget.draw()).toBe(false);
  });
});

describe('DiscoveredMetadata', () => {
  let searches: (() => Promise<Record<string, unknown>>)[];
  let count: number;
  let metadata: DiscoveredMetadata;
  beforeEach(() => {
    searches = [];
    count = 0;
    metadata = new DiscoveredMetadata(() => {
      count += 1;
      return searches.shift()?.() ?? Promise.resolve({ found: count });
    }, now);
  });
  const down = (): Promise<never> => Promise.reject(new Error('down'));

  it('is found once for all who ask, and then known', async () => {
    const all = await Promise.all([metadata.document('token'), metadata.document('start'), metadata.document('token')]);
    expect([all, await metadata.document('token')]).toEqual([[{ found: 1 }, { found: 1 }, { found: 1 }], { found: 1 }]);
    expect(count).toBe(1);
  });

  it('is not looked for again for two seconds after a failure, and then it is', async () => {
    searches.push(down);
    await expect(metadata.document('token')).rejects.toThrow('down');
    clock += 1_999;
    await expect(metadata.document('token')).rejects.toThrow('down');
    expect(count).toBe(1);
    clock += 1;
    expect(await metadata.document('token')).toEqual({ found: 2 });
  });

  it('is looked for again for a token that shared a failed search of the start, but not for one of another', async () => {
    searches.push(down);
    const [start, token, again] = await Promise.allSettled([
      metadata.document('start'),
      metadata.document('token'),
      metadata.document('start'),
    ]);
    expect([start.status, token.status, again.status]).toEqual(['rejected', 'fulfilled', 'rejected']);
    metadata = new DiscoveredMetadata(() => ((count += 1), down()), now);
    count = 0;
    const failed = await Promise.allSettled([metadata.document('token'), metadata.document('token')]);
    expect([failed.map(({ status }) => status), count]).toEqual([['rejected', 'rejected'], 1]);
  });

  it('is looked for again for a token after the failed search of the start alone', async () => {
    searches.push(down);
    await expect(metadata.document('start')).rejects.toThrow('down');
    await expect(metadata.document('start')).rejects.toThrow('down');
    expect(count).toBe(1);
    expect(await metadata.document('token')).toEqual({ found: 2 });
  });

  it('is forgotten at most once in two seconds', async () => {
    await metadata.document('token');
    metadata.forget();
    expect(await metadata.document('token')).toEqual({ found: 2 });
    clock += 1_999;
    metadata.forget();
    expect(await metadata.document('token')).toEqual({ found: 2 });
    clock += 1;
    metadata.forget();
    expect(await metadata.document('token')).toEqual({ found: 3 });
  });
});

describe('EndpointLocation', () => {
  it.each<[string, unknown, number]>([
    ['no answer', failure(), 1],
    ['404', failure(404), 1],
    ['410', failure(410), 1],
    ['400', failure(400), 0],
    ['500', failure(500), 0],
    ['another error', new Error('x'), 0],
    ['another error with a status', { status: 404 }, 0],
  ])('is found again after %s, or not', async (_what, error, expected) => {
    let forgotten = 0;
    const purposes: Purpose[] = [];
    const location = new EndpointLocation({
      url: async (purpose) => (purposes.push(purpose), 'https://found.example'),
      forget: () => (forgotten += 1),
    });
    location.failed(error);
    expect([forgotten, await location.url('token'), await location.url('start')]).toEqual([
      expected,
      'https://found.example',
      'https://found.example',
    ]);
    expect(purposes).toEqual(['token', 'start']);
  });

  it('stays where the options say it is', async () => {
    const location = new EndpointLocation('https://a.example');
    location.failed(failure(404));
    expect(await location.url('token')).toBe('https://a.example');
  });
});

describe('IntrospectionGate', () => {
  let access: IntrospectionAccess;
  let gate: IntrospectionGate;
  beforeEach(() => {
    access = new IntrospectionAccess(now);
    gate = new IntrospectionGate(access);
  });
  /** What became of a question: `true` and `false` for the answer, `failed`, or the seconds to wait. */
  const ask = async (token: string, answer: boolean | Error, through = gate): Promise<unknown> => {
    try {
      const work = async (): Promise<{ active: boolean }> => {
        if (typeof answer === 'boolean') return { active: answer };
        throw answer;
      };
      return (await through.run(token, work)).active;
    } catch (error) {
      return error instanceof NotAskedError ? error.retryAfterSeconds : 'failed';
    }
  };

  it.each([undefined, 407, 408, 429, 502, 503, 504])(
    'pauses for everybody after a failure that no token causes: %j',
    async (status) => {
      const another = new IntrospectionGate(access);
      expect(await ask('a', true)).toBe(true);
      expect(await ask('a', failure(status))).toBe('failed');
      expect([await ask('a', true), await ask('b', true), await ask('b', true, another)]).toEqual([2, 2, 2]);
      clock += 2_000;
      expect([await ask('a', true), await ask('b', true, another)]).toEqual([true, true]);
    },
  );

  it.each([400, 403, 413, 431, 499])('never pauses after a failure of one token: %d', async (status) => {
    for (let count = 0; count < 7; count += 1) expect(await ask(`t${count}`, failure(status))).toBe('failed');
    expect(await ask('a', true)).toBe(true);
  });

  it.each([401, 404, 405, 410, 500, 501, 399])(
    'pauses after a failure of either where the endpoint has never answered this resource: %d',
    async (status) => {
      const another = new IntrospectionGate(access);
      expect(await ask('a', failure(status))).toBe('failed');
      expect([await ask('b', true), await ask('b', true, another)]).toEqual([2, true]);
      clock += 2_000;
      expect(await ask('b', true)).toBe(true);
    },
  );

  it('pauses after failures of either of five tokens in a row, for all tokens but those that were active', async () => {
    expect([await ask('known', true), await ask('gone', true), await ask('gone', false)]).toEqual([true, true, false]);
    const error = new Error('no usable answer');
    for (const token of ['a', 'b', 'c', 'd', 'd', 'a']) expect(await ask(token, error)).toBe('failed');
    expect(await ask('known', error)).toBe('failed');
    expect([await ask('e', true), await ask('gone', true)]).toEqual([2, 2]);
    expect(await ask('known', true)).toBe(true);
    expect(await ask('e', true)).toBe(true);
  });

  it('counts no failures before an answer, nor such that are ten seconds old', async () => {
    await ask('known', true);
    const fail = async (...tokens: string[]): Promise<void> => {
      for (const token of tokens) expect(await ask(token, failure(500))).toBe('failed');
    };
    await fail('a', 'b', 'c', 'd');
    await ask('known', false);
    await fail('e', 'f', 'g', 'h');
    clock += 10_000;
    await fail('i', 'j', 'k', 'l');
    clock += 9_999;
    await fail('m');
    expect(await ask('n', true)).toBe(2);
  });

  it('does not count a failure of a question that was asked before the last answer', async () => {
    let fail: (error: Error) => void = () => undefined;
    const late = gate.run('late', () => new Promise<never>((_resolve, reject) => (fail = reject)));
    expect(await ask('a', true)).toBe(true);
    fail(failure(503));
    await expect(late).rejects.toThrow('503');
    expect(await ask('b', true)).toBe(true);
  });

  it('ends every pause with an answer to a question that was asked before', async () => {
    let answer: (value: { active: boolean }) => void = () => undefined;
    const late = gate.run('late', () => new Promise<{ active: boolean }>((resolve) => (answer = resolve)));
    expect(await ask('a', failure(503))).toBe('failed');
    expect(await ask('a', true)).toBe(2);
    answer({ active: true });
    await late;
    expect(await ask('a', true)).toBe(true);
  });

  it('LIB-11: lets 32 questions be under way, of all resources', async () => {
    const another = new IntrospectionGate(access);
    for (let count = 0; count < 32; count += 1)
      void (count % 2 ? gate : another).run(`t${count}`, () => new Promise<never>(() => undefined));
    expect([await ask('a', true), await ask('a', true, another)]).toEqual([1, 1]);
  });

  it('LIB-11: remembers the 1,000 tokens that were active last', async () => {
    for (let count = 0; count < 1_000; count += 1) await ask(`t${count}`, true);
    await ask('t0', true);
    await ask('one more', true);
    for (let count = 0; count < 5; count += 1) await ask(`x${count}`, failure(500));
    expect([await ask('t1', failure(500)), await ask('t2', failure(500)), await ask('t0', failure(500))]).toEqual([
      2,
      'failed',
      'failed',
    ]);
  });
});
