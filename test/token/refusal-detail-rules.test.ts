import { describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthReason } from '../../lib/core/error.js';
import { withRefusalDetails, type TokenFacts } from '../../lib/token/refusal-details.js';

// What the operator gets to see of a refused token, by reason. Nothing else of it is shown.

const FACTS: TokenFacts = {
  issuer: 'https://issuer.example',
  isVerified: false,
  header: { alg: 'HS256', kid: 'k', typ: 'JWT', secret: 'canary' },
  claims: { iss: 'https://other.example', aud: 'b', sub: 'canary', azp: 'c' },
  claimNames: { scopes: ['scope'], clientId: ['client_id', 'azp'], subject: ['sub'], audience: ['aud'] },
  audiences: new Set(['a']),
  algorithms: new Set(['ES256', 'RS256']),
};

/** What is seen of a token that is refused for a reason. */
function seenFor(reason: McpAuthReason, facts: Partial<TokenFacts> = {}): unknown {
  const error = new McpAuthError('invalid_token', reason);
  expect(withRefusalDetails(error, { ...FACTS, ...facts })).toBe(error);
  return error.seen;
}

describe('a refusal shows', () => {
  it.each<[McpAuthReason, unknown]>([
    ['audience_rejected', { aud: '"b"', expected: '"a"' }],
    ['audience_missing', { expected: '"a"' }],
    ['issuer_unknown', { iss: '"https://other.example"', expected: '"https://issuer.example"' }],
    ['algorithm_rejected', { alg: '"HS256"', expected: '["ES256", "RS256"]' }],
    ['type_rejected', { typ: '"JWT"' }],
    ['key_unknown', { alg: '"HS256"', kid: '"k"' }],
    ['signature_invalid', { alg: '"HS256"', kid: '"k"' }],
    ['not_an_access_token', { typ: '"JWT"' }],
    ['expired', {}],
  ])('for %s: %j', (reason, seen) => {
    expect(seenFor(reason)).toEqual(seen);
  });

  it.each<[McpAuthReason, unknown]>([
    ['audience_rejected', { expected: '["a", "b"]' }],
    ['issuer_unknown', { expected: '"https://issuer.example"' }],
    ['algorithm_rejected', { alg: 'null' }],
    ['type_rejected', { typ: 'null' }],
    ['key_unknown', { kid: 'null' }],
    ['signature_invalid', { kid: 'null' }],
    ['not_an_access_token', {}],
  ])('for %s of a token that has none of it: %j', (reason, seen) => {
    const nothing = { header: undefined, claims: {}, algorithms: undefined, audiences: new Set(['a', 'b']) };
    expect(seenFor(reason, nothing)).toEqual(seen);
  });

  it('of whom the token is, and whether that is verified', () => {
    const originOf = (facts: Partial<TokenFacts>): unknown => {
      const error = new McpAuthError('invalid_token', 'expired');
      withRefusalDetails(error, { ...FACTS, ...facts });
      return error.origin;
    };
    const origin = { issuer: 'https://issuer.example', clientId: 'c', isVerified: false, isOpaque: undefined };
    expect(originOf({})).toEqual(origin);
    expect(originOf({ claims: { client_id: '', azp: 'c' } })).toEqual(origin);
    expect(originOf({ claims: { client_id: ['x'], azp: 'c' } })).toEqual(origin);
    expect(originOf({ claims: { client_id: 7 }, isVerified: true, isOpaque: true })).toEqual({
      ...origin,
      clientId: undefined,
      isVerified: true,
      isOpaque: true,
    });
  });

  it('nothing if the error is not one of this library', () => {
    const error = new Error('broken');
    expect(withRefusalDetails(error, FACTS)).toBe(error);
    expect({ ...error }).toEqual({});
    expect(withRefusalDetails(undefined, FACTS)).toBeUndefined();
  });
});
