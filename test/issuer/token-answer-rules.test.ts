import { describe, expect, it } from '@jest/globals';
import { readIssuedToken, readRefusal, type ExpectedToken } from '../../lib/issuer/token-answer.js';

// The answers of token endpoints at their limits, without a server.

const BEARER: ExpectedToken = { tokenType: 'bearer', issuedTokenTypes: undefined };
const EXCHANGED: ExpectedToken = { tokenType: 'bearer', issuedTokenTypes: ['urn:a', 'urn:b'] };
const GOOD = { access_token: 'issued-token', token_type: 'Bearer' };

/** The error that the answer leads to: its kind, and what it says. */
function flawOf(
  body: Record<string, unknown>,
  expected = BEARER,
  secrets: string[] = [],
): [string, string] | undefined {
  try {
    readIssuedToken(body, expected, secrets);
    return undefined;
  } catch (error) {
    const { name, kind, message } = error as { name: string; kind: string; message: string };
    expect(name).toBe('TokenAnswerError');
    return [kind, message];
  }
}

const malformed = (what: string): [string, string] => ['malformed', `in the answer of the token endpoint, ${what}`];

describe('a token that was issued', () => {
  it('RFC6749-5.1: is read with its lifetime and its scopes, if they are named', () => {
    expect(readIssuedToken(GOOD, BEARER, [])).toEqual({
      token: 'issued-token',
      lifetimeSeconds: undefined,
      scopes: undefined,
    });
    const more = { ...GOOD, expires_in: 300, scope: 'a b', issued_token_type: 'x' };
    expect(readIssuedToken(more, BEARER, [])).toEqual({
      token: 'issued-token',
      lifetimeSeconds: 300,
      scopes: ['a', 'b'],
    });
  });

  it.each([
    [{ expires_in: 0 }, 0],
    [{ expires_in: 1.5 }, 1.5],
    [{ expires_in: '0' }, 0],
    [{ expires_in: '3600' }, 3_600],
    [{ expires_in: 315_360_000 }, 315_360_000],
    [{ expires_in: null }, undefined],
    [{ expires_in: undefined }, undefined],
    [Object.create({ expires_in: 5 }) as object, undefined],
  ])('RFC6749-5.1: with %j is valid for %j seconds', (member, expected) => {
    const body = Object.assign(member, GOOD);
    expect(readIssuedToken(body, BEARER, []).lifetimeSeconds).toBe(expected);
  });

  it.each([-1, 315_360_001, '', '-1', '1e3', ' 1', '1 ', '12345678901', '9999999999', true, [1], Number.NaN])(
    'RFC6749-5.1: is not valid for %j seconds',
    (lifetime) => {
      expect(flawOf({ ...GOOD, expires_in: lifetime })).toEqual(malformed('expires_in is no number of seconds'));
    },
  );

  it.each([
    [null, undefined],
    [undefined, undefined],
    ['a', ['a']],
    ['', []],
  ])('RFC6749-5.1: with the scope %j has %j', (scope, expected) => {
    expect(readIssuedToken({ ...GOOD, scope }, BEARER, []).scopes).toEqual(expected);
  });

  it('RFC6749-5.1: has a scope that is text', () => {
    for (const scope of [5, ['a'], {}]) expect(flawOf({ ...GOOD, scope })).toEqual(malformed('scope is no text'));
  });

  it.each([undefined, null, 5, ['x'], '', 'a b', 'a\n', '\u00e9', ' a', 'a\x7f'])('RFC6749-5.1: is not %j', (token) => {
    expect(flawOf({ ...GOOD, access_token: token })).toEqual(malformed('access_token is no text of visible ASCII'));
  });

  it('LIB-01: has at most 16,384 characters', () => {
    expect(flawOf({ ...GOOD, access_token: '!~'.repeat(8_192) })).toBeUndefined();
    expect(flawOf({ ...GOOD, access_token: 'a'.repeat(16_385) })).toEqual(
      malformed('access_token has more than 16384 characters'),
    );
  });

  it.each<[ExpectedToken['tokenType'], string, string]>([
    ['bearer', 'BEARER', 'Bearer'],
    ['dpop', 'DPoP', 'DPoP'],
    ['n_a', 'N_A', 'N_A'],
  ])('RFC6749-7.1: is of the type %s, in any case', (tokenType, written, name) => {
    const expected = { tokenType, issuedTokenTypes: undefined };
    expect(flawOf({ ...GOOD, token_type: written }, expected)).toBeUndefined();
    expect(flawOf({ ...GOOD, token_type: 'mac' }, expected)).toEqual([
      'unsuitable',
      `its token_type is "mac", and must be ${name}`,
    ]);
    expect(flawOf({ ...GOOD, token_type: [written] }, expected)?.[0]).toBe('unsuitable');
    expect(flawOf({ access_token: 'x' }, expected)).toEqual([
      'unsuitable',
      `its token_type is nothing, and must be ${name}`,
    ]);
  });

  it('RFC8693-2.2.1: has an issued_token_type that was asked for', () => {
    for (const issued of ['urn:a', 'urn:b'])
      expect(flawOf({ ...GOOD, issued_token_type: issued }, EXCHANGED)).toBeUndefined();
    for (const [issued, shown] of [
      ['urn:c', '"urn:c"'],
      [undefined, 'nothing'],
      [5, '5'],
    ])
      expect(flawOf({ ...GOOD, issued_token_type: issued }, EXCHANGED)).toEqual([
        'unsuitable',
        `its issued_token_type is ${shown}, and must be urn:a or urn:b`,
      ]);
  });

  it('LIB-05: is not repeated in an error, nor a secret of the request', () => {
    const seen = (type: string): string | undefined =>
      flawOf({ ...GOOD, token_type: type }, BEARER, ['the-secret'])?.[1];
    expect(seen('x issued-token')).toBe('its token_type is "x …", and must be Bearer');
    expect(seen('x the-secret')).toBe('its token_type is "x …", and must be Bearer');
  });
});

describe('a refusal of a token endpoint', () => {
  const read = (body: Record<string, unknown>, secrets: string[] = []): object | undefined => {
    const refusal = readRefusal(body, 400, secrets);
    if (!refusal) return undefined;
    const { code, suberror, description } = refusal;
    return { code, suberror, description };
  };

  it('RFC6749-5.2: is read with its codes and its description, if it has them', () => {
    expect(read({ error: 'invalid_grant' })).toEqual({ code: 'invalid_grant' });
    const more = { error: 'invalid_grant', suberror: 'bad_token', error_description: 'It is over.' };
    expect(read(more)).toEqual({ code: 'invalid_grant', suberror: 'bad_token', description: 'It is over.' });
    expect(readRefusal(more, 401, [])).toMatchObject({
      name: 'TokenRefusedError',
      status: 401,
      message: 'the token endpoint answered 401 invalid_grant',
    });
    expect(read({ error: 'x', suberror: 5, error_description: ['x'] })).toEqual({ code: 'x' });
  });

  it.each(['a b', '!', '[]~', 'x'.repeat(100)])('RFC6749-5.2: has %j as a code', (code) => {
    expect(read({ error: code, suberror: code })).toEqual({ code, suberror: code });
  });

  it.each([undefined, null, 5, ['x'], '', 'x'.repeat(101), 'a"b', 'a\\b', 'a\nb', '\u00e9', 'a\n', '\u007f'])(
    'RFC6749-5.2: has no code %j',
    (code) => {
      expect(read({ error: code })).toBeUndefined();
      expect(read({ error: 'x', suberror: code })).toEqual({ code: 'x' });
    },
  );

  it('LIB-05: is read without the secrets of the request: in codes those of eight characters', () => {
    const body = { error: 'a 12345678 b', suberror: '1234567 12345678', error_description: '1234567 abcdefgh' };
    expect(read(body, ['1234567', 'abcdefgh'])).toEqual({
      code: 'a 12345678 b',
      suberror: '1234567 12345678',
      description: '… …',
    });
    expect(read(body, ['12345678'])).toMatchObject({ code: 'a … b', suberror: '1234567 …' });
    expect(read({ error: 'a eyJhbGciOiJub25lIn0.e30.x b' })).toEqual({ code: 'a eyJ… b' });
  });

  it('LIB-01: keeps 500 characters of its description', () => {
    const body = { error: 'x', error_description: 'y'.repeat(501) };
    expect(read(body)).toEqual({ code: 'x', description: 'y'.repeat(500) });
  });
});
