import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { McpAuthConfigError } from 'nestjs-mcp-auth';
import { optionsFromEnvironment } from '../../lib/options/environment-options.js';
import { readOptions } from '../../lib/options/read-options.js';
import { VARIABLES } from '../../lib/options/variables.js';
import { always } from './property.js';

const CLIENT_SECRET = 'MCP_AUTH_INTROSPECTION_CLIENT_SECRET';
const NAMES: ReadonlySet<string> = new Set(VARIABLES.map(({ name }) => name));

/** A value as people write it, or anything. */
const value = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...VARIABLES.map(({ example }) => example),
      '',
      ' ',
      ',',
      'a,,b',
      'TRUE',
      '0',
      '-1',
      '1e9',
      '99999999999999999999',
      'http://localhost',
      'https://a/b?c#d',
      '"x"',
    ),
  },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
);
const good = { MCP_AUTH_RESOURCE: 'https://mcp.example.com/mcp', MCP_AUTH_ISSUER: 'https://login.example.com' };
const oneOfOurs = fc.oneof(
  ...VARIABLES.map(({ name, example }) =>
    fc
      .oneof({ weight: 3, arbitrary: fc.constant(example) }, { weight: 1, arbitrary: value })
      .map((text) => [name, text]),
  ),
);
const others = fc.tuple(
  fc.oneof(
    fc.constantFrom('PATH', 'MCP_AUTH_', 'MCP_AUTH_ISSUERS', '__proto__', 'mcp_auth_issuer'),
    fc.string().map((end) => `MCP_AUTH_${end}`),
  ),
  value,
);
const environment = fc
  .tuple(fc.boolean(), fc.array(oneOfOurs, { maxLength: 4 }), fc.array(others, { maxLength: 1 }))
  .map(([isGood, ours, more]): Record<string, string> => ({
    ...(isGood && good),
    ...(Object.fromEntries([...ours, ...more]) as Record<string, string>),
  }));

describe('any environment', () => {
  it('gives options that can be used, or is refused with every problem by the name of its variable', () => {
    const seen = { accepted: 0, refused: 0 };
    always(3_000, environment, (variables) => {
      try {
        readOptions(optionsFromEnvironment(variables));
        seen.accepted += 1;
      } catch (error) {
        if (!(error instanceof McpAuthConfigError)) throw error;
        expect(error.problems.length).toBeGreaterThan(0);
        for (const { option, why, write } of error.problems) {
          expect([option, NAMES.has(option) || Object.hasOwn(variables, option)]).toEqual([option, true]);
          expect(why).not.toBe('');
          expect(write).not.toBe('');
        }
        seen.refused += 1;
      }
    });
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(100);
  });

  it('is refused without showing the client secret', () => {
    const secret = fc.string({ unit: fc.constantFrom(...'abcdefXYZ0189_-+ '), minLength: 12, maxLength: 40 });
    always(1_000, fc.tuple(environment, secret), ([variables, given]) => {
      const text = `s3:${given.trim()}`;
      try {
        optionsFromEnvironment({ ...variables, [CLIENT_SECRET]: text });
      } catch (error) {
        expect((error as Error).message).not.toContain(text);
      }
    });
  });
});
