import { describe, expect, it } from '@jest/globals';
import { decodeJwt, hasJwtForm, MAX_TOKEN_LENGTH } from '../../lib/token/decoded-jwt.js';
import { checkHeader } from '../../lib/token/jwt-verifier.js';

// The form of a JWT and its header, without a server. test/conformance/3a-token-form.test.ts has it over HTTP.

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const HEADER = encode({ alg: 'ES256' });
const PAYLOAD = encode({ sub: 'alice' });
const SIGNATURE = 'AAAA';
let keys = 0;

/** The reason of the refusal; undefined if there is none. */
function reasonOf(check: () => unknown): unknown {
  try {
    check();
    return undefined;
  } catch (error) {
    return (error as { reason: string }).reason;
  }
}

it.each<[string, boolean]>([
  [`${HEADER}.${PAYLOAD}.${SIGNATURE}`, true],
  [`${encode(' \n{')}.b.c`, true],
  [`${encode('{')}..`, true],
  [`${encode('x{')}.b.c`, false],
  [`${encode('[]')}.b.c`, false],
  [`${HEADER}.${PAYLOAD}`, false],
  [`${HEADER}.${PAYLOAD}.c.d`, false],
  [HEADER, false],
  ['..', false],
  ['', false],
])('%s looks like a signed JWT: %s', (token, isIt) => {
  expect(hasJwtForm(token)).toBe(isIt);
});

describe('a JWT', () => {
  it('is decoded, and nothing of it is verified', () => {
    const { header, claims } = decodeJwt(`${HEADER}.${PAYLOAD}.${SIGNATURE}`);
    expect([header, claims]).toEqual([{ alg: 'ES256' }, { sub: 'alice' }]);
    expect(Object.isFrozen(header)).toBe(true);
  });

  it('shares its header with other tokens of the same key, unless that is long', () => {
    const headerOf = (header: string): unknown => decodeJwt(`${header}.${PAYLOAD}.${SIGNATURE}`).header;
    // Headers that no test has had before.
    keys += 1;
    const [longest = '', longer = ''] = [360, 361].map((length) =>
      encode({ alg: 'ES256', kid: String(keys).padStart(length, 'k') }),
    );
    expect([longest.length, longer.length]).toEqual([512, 514]);
    expect(headerOf(longest)).toBe(headerOf(longest));
    expect(headerOf(longer)).not.toBe(headerOf(longer));
    expect(headerOf(longer)).toEqual(headerOf(longer));
  });

  it('is read up to the longest length', () => {
    const start = `${HEADER}.${PAYLOAD}.`;
    const signed = (length: number): string => start + 'A'.repeat(length - start.length);
    const ofLength = [MAX_TOKEN_LENGTH, MAX_TOKEN_LENGTH + 1].map((length) =>
      reasonOf(() => decodeJwt(signed(length))),
    );
    expect(ofLength).toEqual([undefined, 'token_too_large']);
  });

  it.each<[string, string | undefined]>([
    [`${HEADER}.${encode('{"sub":"é\uFFFD"}')}.${SIGNATURE}`, undefined],
    [`${HEADER}.${encode('{"a":"é","a":"b"}')}.${SIGNATURE}`, undefined],
    [`${HEADER}.${PAYLOAD}.${SIGNATURE}.d.e`, 'token_encrypted'],
    [`${HEADER}.${PAYLOAD}.${SIGNATURE}.d`, 'token_malformed'],
    [`${HEADER}.${PAYLOAD}`, 'token_malformed'],
    [`.${PAYLOAD}.${SIGNATURE}`, 'token_malformed'],
    [`${HEADER}..${SIGNATURE}`, 'token_malformed'],
    [`${HEADER}.${PAYLOAD}.`, 'token_malformed'],
    ['', 'token_malformed'],
    [`${HEADER}.${PAYLOAD}.AA=A`, 'token_malformed'],
    [`${HEADER}.${PAYLOAD}.A+AA`, 'token_malformed'],
    [`${HEADER}.${PAYLOAD}.AAAA\n`, 'token_malformed'],
    [`${HEADER}.${PAYLOAD}.=AAAA`, 'token_malformed'],
    [`${HEADER}=.${PAYLOAD}.${SIGNATURE}`, 'token_malformed'],
    [`${HEADER}.${PAYLOAD}=.${SIGNATURE}`, 'token_malformed'],
    [`${encode('[]')}.${PAYLOAD}.${SIGNATURE}`, 'token_malformed'],
    [`${HEADER}.${encode('null')}.${SIGNATURE}`, 'token_malformed'],
    [`${HEADER}.${encode('{')}.${SIGNATURE}`, 'token_malformed'],
    [`${HEADER}.${Buffer.from('{"sub":"\xFF"}', 'latin1').toString('base64url')}.${SIGNATURE}`, 'token_malformed'],
  ])('%s is refused: %s', (token, reason) => {
    expect(reasonOf(() => decodeJwt(token))).toBe(reason);
  });

  it.each<[string, string | undefined]>([
    ['AAAAA', 'token_malformed'],
    ['AA', undefined],
    ['Aw', undefined],
    ['AB', 'token_malformed'],
    ['Ah', 'token_malformed'],
    ['AAA', undefined],
    ['AA8', undefined],
    ['AAB', 'token_malformed'],
    ['AAAB', undefined],
    ['A-_9', undefined],
  ])('with the signature %s is refused, as its spelling is not the only one: %s', (signature, reason) => {
    expect(reasonOf(() => decodeJwt(`${HEADER}.${PAYLOAD}.${signature}`))).toBe(reason);
  });

  it('does not quote itself in its refusal', () => {
    try {
      decodeJwt(`${HEADER}.${encode('{"secret')}.${SIGNATURE}`);
      throw new Error('not refused');
    } catch (error) {
      expect(error).toMatchObject({ reason: 'token_malformed' });
      expect('cause' in (error as Error)).toBe(false);
    }
  });
});

describe('the header of a JWT', () => {
  const algorithms = new Set(['ES256', 'RS256']);
  it.each<[Record<string, unknown>, string | undefined]>([
    [{ alg: 'ES256' }, undefined],
    [{ alg: 'RS256', kid: 'k'.repeat(1024) }, undefined],
    [{ alg: 'ES256', kid: '' }, undefined],
    [{ alg: 'ES256', cty: 'text/jwt' }, undefined],
    [{ alg: 'ES256', cty: 'jwt-other' }, undefined],
    [{ alg: 'ES256', cty: ['JWT'] }, undefined],
    [{ alg: 'none' }, 'algorithm_rejected'],
    [{ alg: 'es256' }, 'algorithm_rejected'],
    [{ alg: ['ES256'] }, 'algorithm_rejected'],
    [{}, 'algorithm_rejected'],
    [Object.create({ alg: 'ES256' }) as Record<string, unknown>, 'algorithm_rejected'],
    [{ alg: 'ES256', kid: 'k'.repeat(1025) }, 'header_rejected'],
    [{ alg: 'ES256', kid: 1 }, 'header_rejected'],
    [{ alg: 'ES256', kid: null }, 'header_rejected'],
    [{ alg: 'ES256', kid: ['k'] }, 'header_rejected'],
    [{ alg: 'ES256', crit: [] }, 'header_rejected'],
    [{ alg: 'ES256', crit: undefined }, 'header_rejected'],
    [{ alg: 'ES256', b64: true }, 'header_rejected'],
    [{ alg: 'ES256', cty: 'JWT' }, 'header_rejected'],
    [{ alg: 'ES256', cty: 'application/jwt' }, 'header_rejected'],
  ])('%j is refused: %s', (header, reason) => {
    expect(reasonOf(() => checkHeader(header, algorithms))).toBe(reason);
    if (reason === undefined)
      expect(checkHeader(header, algorithms)).toEqual({ alg: header['alg'], kid: header['kid'] });
  });
});
