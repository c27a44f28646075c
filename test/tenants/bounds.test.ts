import { expect, it } from '@jest/globals';
import { Tenants } from '../../lib/resource-servers/tenants.js';
import { readOptions } from '../../lib/options/read-options.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';

const TENANTS = 10_000;
const REMEMBERED = 500;

/** The tenants of a template on their own, and how often each function was called. */
function counted(exists: (tenant: string) => boolean) {
  const calls = { resolved: 0, created: 0, alike: 0 };
  let now = 0;
  const [base] = readOptions({
    resource: 'https://{tenant}.example.com/mcp',
    authorizationServers: ['https://login.example.com'],
    resolveTenant: () => ({}),
    tenants: { maxEntries: REMEMBERED, cacheSeconds: 60 },
  }).resources;
  const tenants = new Tenants<ResolvedResource>(base, base.template!, {
    now: () => now,
    resolve: async ({ tenant }) => {
      calls.resolved += 1;
      return exists(String(tenant)) ? {} : undefined;
    },
    failed: () => undefined,
    alike: () => (calls.alike += 1),
    create: (resource) => {
      calls.created += 1;
      return resource;
    },
    configured: new Set(),
  });
  const find = (index: number): unknown => tenants.find({ tenant: `t${index}` });
  return { calls, find, later: (seconds: number) => (now += seconds * 1000) };
}

it(`remembers ${REMEMBERED} of ${TENANTS} tenants, those that were used last`, async () => {
  const { calls, find } = counted(() => true);
  for (let index = 0; index < TENANTS; index += 1) await find(index);
  expect(calls).toEqual({ resolved: TENANTS, created: TENANTS, alike: 0 });
  for (let index = TENANTS - REMEMBERED; index < TENANTS; index += 1) expect(find(index)).not.toBeInstanceOf(Promise);
  expect(calls.resolved).toBe(TENANTS);
  await find(0);
  expect([calls.resolved, find(TENANTS - REMEMBERED) instanceof Promise]).toEqual([TENANTS + 1, true]);
});

it('finds a tenant that is remembered without a promise and without asking, however many requests come', async () => {
  const { calls, find } = counted(() => true);
  const first = await find(1);
  for (let times = 0; times < TENANTS; times += 1) expect(find(1)).toBe(first);
  expect(calls).toEqual({ resolved: 1, created: 1, alike: 0 });
});

it('keeps the server of a tenant about which nothing has changed', async () => {
  const { calls, find, later } = counted(() => true);
  const first = await find(1);
  later(60);
  expect(await find(1)).toBe(first);
  expect(calls).toEqual({ resolved: 2, created: 1, alike: 0 });
});

it('evicts no tenant for names that do not exist, and remembers those, too', async () => {
  const { calls, find } = counted((tenant) => tenant === 't1');
  await find(1);
  for (let index = 2; index < TENANTS; index += 1) await find(index);
  for (let index = TENANTS - REMEMBERED; index < TENANTS; index += 1) expect(find(index)).toBeUndefined();
  expect(find(1)).toMatchObject({ identifier: { value: 'https://t1.example.com/mcp' } });
  expect(calls).toEqual({ resolved: TENANTS - 1, created: 1, alike: 0 });
});

it('asks about 32 unknown tenants at a time, and about a known one nevertheless', async () => {
  const { find, later, calls } = counted(() => true);
  await find(1);
  later(60);
  const pending = Array.from({ length: 40 }, (_one, index) =>
    Promise.resolve(find(index + 2)).then(
      () => 'found',
      (error: { code?: string; retryAfterSeconds?: number }) => `${error.code} ${error.retryAfterSeconds}`,
    ),
  );
  const known = find(1);
  const outcomes = await Promise.all(pending);
  expect(outcomes.filter((outcome) => outcome === 'found')).toHaveLength(32);
  expect(new Set(outcomes)).toEqual(new Set(['found', 'temporarily_unavailable 1']));
  expect(await known).toBeDefined();
  expect(calls.resolved).toBe(34);
});
