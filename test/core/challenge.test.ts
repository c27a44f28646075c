import { describe, expect, it } from '@jest/globals';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { formatChallenge, type Challenge } from '../../lib/core/challenge.js';

const METADATA = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp';

/** The parameters of the one challenge that was written. */
function written(challenge: Omit<Challenge, 'resourceMetadata'>): Record<string, string> {
  const challenges = parseChallenges(formatChallenge({ resourceMetadata: METADATA, ...challenge }));
  expect(challenges.map(({ scheme }) => scheme)).toEqual(['Bearer']);
  return { ...challenges[0]?.params };
}

describe('formatChallenge', () => {
  it('writes the metadata alone where there is nothing else to say', () => {
    expect(formatChallenge({ resourceMetadata: METADATA })).toBe(`Bearer resource_metadata="${METADATA}"`);
  });

  it('writes every parameter it is given, once and quoted', () => {
    const text = formatChallenge({
      error: 'insufficient_user_authentication',
      errorDescription: 'Sign in again.',
      scopes: ['a', 'b'],
      acrValues: ['gold', 'silver'],
      maxAgeSeconds: 300,
      resourceMetadata: METADATA,
    });
    expect(text).toBe(
      'Bearer error="insufficient_user_authentication", error_description="Sign in again.", scope="a b", ' +
        `acr_values="gold silver", max_age="300", resource_metadata="${METADATA}"`,
    );
  });

  it.each([[undefined], [[]]])('leaves scope out for scopes of %j', (scopes) => {
    expect(written({ scopes })).toEqual({ resource_metadata: METADATA });
    expect(written({ acrValues: scopes })).toEqual({ resource_metadata: METADATA });
  });

  it('writes algorithms, and of all lists only names without spaces', () => {
    expect(written({ algorithms: ['ES256', 'EdDSA'] })['algs']).toBe('ES256 EdDSA');
    expect(written({ algorithms: ['ES256', 'a b', ''] })['algs']).toBe('ES256');
    expect(written({ scopes: ['a', 'b c', '"'] })['scope']).toBe('a');
  });

  it('keeps the order of scopes', () => {
    expect(written({ scopes: ['b', 'a', 'c'] })['scope']).toBe('b a c');
  });

  it('writes an age of zero', () => {
    expect(written({ maxAgeSeconds: 0 })['max_age']).toBe('0');
  });

  it.each([
    ['a "quoted" word', 'a quoted word'],
    ['a \\ backslash', 'a  backslash'],
    ['", error="other', ', error=other'],
    ['\\", error="other', ', error=other'],
    ['line\r\nX-Injected: 1', 'lineX-Injected: 1'],
    ['tab\there', 'tabhere'],
    ['naïve — “text”', 'nave  text'],
    ['nul\0, del\x7F', 'nul, del'],
    ['\uD83D\uDD12', ''],
    ["it's ~fine~ [1], {2}; (3)?", "it's ~fine~ [1], {2}; (3)?"],
  ])('drops what a quoted-string here may not hold: %j', (errorDescription, kept) => {
    const challenge = formatChallenge({ error: 'invalid_token', errorDescription, resourceMetadata: METADATA });
    expect(challenge).toMatch(/^[\x20-\x7E]*$/);
    expect(written({ error: 'invalid_token', errorDescription })).toEqual({
      error: 'invalid_token',
      error_description: kept,
      resource_metadata: METADATA,
    });
  });
});
