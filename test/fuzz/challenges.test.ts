import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { formatChallenge, type Challenge } from '../../lib/core/challenge.js';
import { McpAuthError, type McpAuthErrorCode } from '../../lib/core/error.js';
import { toRefusal } from '../../lib/response/refusal.js';
import { always, jsonValue } from './property.js';

const CODES = ['invalid_request', 'invalid_token', 'insufficient_scope', 'insufficient_user_authentication'] as const;

/** What a parameter must look like: RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1. */
const FORMS: Readonly<Record<string, RegExp>> = {
  error: /^(?:invalid_request|invalid_token|insufficient_scope|insufficient_user_authentication)$/,
  error_description: /^[\x20-\x21\x23-\x5B\x5D-\x7E]*$/,
  scope: /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/,
  acr_values: /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/,
  max_age: /^\d+$/,
  resource_metadata: /^[\x21\x23-\x5B\x5D-\x7E]*$/,
};

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom(
    '"',
    '\\',
    '\\"',
    '", error="x',
    'a b',
    '',
    ' ',
    '\r\nSet-Cookie: a=b',
    '\0',
    ',',
    'Bearer x="y"',
    '\u{1f511}',
  ),
);
const listOf = fc.array(text, { maxLength: 4 });

function expectWellFormed(header: string): Readonly<Record<string, string>> {
  const [challenge, ...others] = parseChallenges(header);
  expect(others).toEqual([]);
  expect(challenge?.scheme).toBe('Bearer');
  const params = challenge?.params ?? {};
  for (const [name, value] of Object.entries(params)) {
    expect([name, value]).toEqual([name, expect.stringMatching(FORMS[name] ?? /^no such parameter$/)]);
  }
  return params;
}

describe('any challenge', () => {
  it('parses strictly, whatever its parts are, and has no parameter but theirs', () => {
    const challenges = fc.record<Challenge>(
      {
        error: fc.constantFrom(...CODES),
        errorDescription: text,
        scopes: listOf,
        acrValues: listOf,
        maxAgeSeconds: fc.nat(),
        resourceMetadata: fc.oneof(
          fc.webUrl({ withFragments: true, withQueryParameters: true }),
          fc.string({ unit: 'grapheme' }).map(encodeURI),
        ),
      },
      { requiredKeys: ['resourceMetadata'] },
    );
    always(1_000, challenges, (challenge) => {
      const header = formatChallenge(challenge);
      const params = expectWellFormed(header);
      expect(params['error']).toBe(challenge.error);
      expect(params['max_age']).toBe(challenge.maxAgeSeconds?.toString());
      expect(header).toMatch(/^[\x20-\x7E]+$/);
    });
  });

  it('says what it was given, where that can be said', () => {
    const word = fc.stringMatching(/^[\x21\x23-\x5B\x5D-\x7E]{1,12}$/);
    const challenges = fc.record({
      scopes: fc.array(word, { minLength: 1 }),
      errorDescription: fc.stringMatching(/^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/),
    });
    always(500, challenges, ({ scopes, errorDescription }) => {
      const params = expectWellFormed(
        formatChallenge({ scopes, errorDescription, error: 'invalid_token', resourceMetadata: 'https://x.example' }),
      );
      expect(params['scope']).toBe(scopes.join(' '));
      expect(params['error_description']).toBe(errorDescription);
    });
  });

  it('stands in a refusal whose body is JSON, whatever the id of the request and the scopes are', () => {
    const codes = fc.constantFrom<McpAuthErrorCode>(
      'authorization_required',
      'access_denied',
      'temporarily_unavailable',
      ...CODES,
    );
    const refusals = fc.record({ code: codes, scopes: listOf, id: jsonValue, exposeErrorDetails: fc.boolean() });
    always(1_000, refusals, ({ code, scopes, id, exposeErrorDetails }) => {
      const requestId = typeof id === 'string' || typeof id === 'number' ? id : null;
      const error = new McpAuthError(code, 'scope_missing', { scopes });
      const context = {
        resourceMetadata: 'https://x.example',
        scopes: () => scopes,
        scheme: 'Bearer' as const,
        dpop: undefined,
        acceptsCertificates: false,
        nonce: undefined,
        requestId,
        exposeErrorDetails,
      };
      const refusal = toRefusal(error, context);
      expect([400, 401, 403, 503]).toContain(refusal.status);
      const header = refusal.headers['WWW-Authenticate'];
      if (header !== undefined) expectWellFormed(header);
      expect(JSON.parse(JSON.stringify(refusal.body))).toMatchObject({});
    });
  });
});
