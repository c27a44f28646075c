import { format, inspect, type InspectOptions } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { authInfoOf } from '../lib/caller/caller.js';

const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl';

const caller = authInfoOf(
  TOKEN,
  {
    issuer: 'https://as.example.com',
    subject: 'alice',
    clientId: 'client',
    audience: ['https://mcp.example.com/mcp'],
    scopes: ['a'],
    expiresAt: 2_000_000_000,
    claims: { sub: 'alice' },
  },
  { identifier: { value: 'https://mcp.example.com/mcp' } } as Parameters<typeof authInfoOf>[2],
);

/** Every combination of what makes Node print more. */
const OPTIONS: InspectOptions[] = [true, false].flatMap((showHidden) =>
  ([true, false, 'get'] as const).flatMap((getters) =>
    [0, 2, Infinity].map((depth) => ({ showHidden, getters, depth, showProxy: true, maxStringLength: Infinity })),
  ),
);

describe('a caller that is printed', () => {
  it.each(OPTIONS)('shows no token with %j', (options) => {
    const values = [
      caller,
      { auth: caller },
      [caller],
      new Map([['auth', caller]]),
      new Error('x', { cause: caller }),
      { a: { b: { c: caller } } },
    ];
    for (const value of values) expect(inspect(value, options)).not.toContain(TOKEN);
  });

  it('shows who it is, and hands the token to whoever asks for it', () => {
    expect(inspect(caller)).toMatch(/^McpAuthInfo \{[^]*clientId: 'client'[^]*subject: 'alice'/);
    expect(format('%o %O %j %s', caller, caller, caller, caller)).not.toContain(TOKEN);
    expect(caller.token).toBe(TOKEN);
    expect(inspect({ ...caller }, { showHidden: true, getters: true })).not.toContain(TOKEN);
  });
});
