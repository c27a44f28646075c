import { describe, expect, it } from '@jest/globals';
import { readCredentials } from '../../lib/request/credentials.js';
import type { HeaderSource } from '../../lib/request/header-fields.js';
import { withWatchdog } from '../support/watchdog.js';

/** A request as Node hands it out, with these `Authorization` fields between others. */
function request(...values: string[]): HeaderSource {
  const rawHeaders = [
    'Host',
    'x',
    ...values.flatMap((value) => ['Authorization', value]),
    'X-Authorization',
    'Bearer other',
  ];
  const [first] = values;
  return { rawHeaders, headers: first === undefined ? {} : { authorization: first } };
}

describe('readCredentials', () => {
  it('finds none where there is no Authorization field', () => {
    expect(readCredentials(request())).toEqual({ kind: 'none' });
    expect(readCredentials({ headers: {} })).toEqual({ kind: 'none' });
  });

  it.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('takes the scheme as %s', (scheme) => {
    expect(readCredentials(request(`${scheme} abc`))).toEqual({ kind: 'bearer', token: 'abc' });
  });

  it.each([
    ['Bearer  abc', 'abc'],
    ['Bearer      abc', 'abc'],
    ['Bearer a', 'a'],
    ['Bearer a.b.c', 'a.b.c'],
    ['Bearer A-Z_az~09+/.', 'A-Z_az~09+/.'],
    ['Bearer abc==', 'abc=='],
    ['Bearer Bearer', 'Bearer'],
  ])('takes the token out of %j', (value, token) => {
    expect(readCredentials(request(value))).toEqual({ kind: 'bearer', token });
  });

  it.each([
    'Bearer',
    'Bearer ',
    'bearer  ',
    'Bearer a b',
    'Bearer a,b',
    'Bearer a, Bearer b',
    'Bearer "a"',
    'Bearer =',
    'Bearer =a',
    'Bearer a=b',
    'Bearer a\t',
    'Bearer \ta',
    'Bearer a ',
    'Bearer é',
    'Bearer a\n',
    'Bearer a;b',
    'Bearer realm="x"',
    'Bearer \0',
    'Bearer a%20b',
    'Bearer a@b',
    'Bearer {}',
    'Bearer\tabc',
    'Bearer: abc',
    'Bearer,abc',
    'Bearer=abc',
    'Bearer"abc"',
  ])('finds %j malformed', (value) => {
    expect(readCredentials(request(value))).toEqual({ kind: 'malformed' });
  });

  it.each(['Basic eDp5', 'DPoPabc', 'Bearerabc', 'Bearer-2 abc', 'XBearer abc', ' Bearer abc', '', 'abc'])(
    'takes %j for a scheme it does not know',
    (value) => {
      expect(readCredentials(request(value))).toEqual({ kind: 'unsupported' });
    },
  );

  it.each([
    ['DPoP abc', 'abc'],
    ['dpop   a.b.c', 'a.b.c'],
    ['DPoP', undefined],
    ['DPoP a b', undefined],
    ['DPoP a,b', undefined],
  ])('takes %j for a token of which the client holds the key', (value, token) => {
    expect(readCredentials(request(value))).toEqual({ kind: 'dpop', token });
  });

  it.each([
    [['Bearer a', 'Bearer b']],
    [['Bearer a', 'Bearer a']],
    [['Bearer a', 'Basic eDp5']],
    [['Basic eDp5', 'Bearer a']],
    [['Bearer a', '']],
    [['', '']],
  ])('chooses none of several fields: %j', (values) => {
    expect(readCredentials(request(...values))).toEqual({ kind: 'repeated' });
  });

  it('counts fields whose names differ only in case', () => {
    const rawHeaders = ['authorization', 'Bearer a', 'AUTHORIZATION', 'Bearer b'];
    expect(readCredentials({ rawHeaders, headers: { authorization: 'Bearer a' } })).toEqual({ kind: 'repeated' });
  });

  it('reads names and values, not values for names', () => {
    const rawHeaders = ['X-First', 'Authorization', 'Bearer', 'x', 'Authorization', 'Bearer a'];
    expect(readCredentials({ rawHeaders, headers: { authorization: 'Bearer a' } })).toEqual({
      kind: 'bearer',
      token: 'a',
    });
  });

  it.each([
    ['as an empty list', []],
    ['not at all', undefined],
  ])('makes do with `headers` where an adapter keeps the fields as sent %s', (_how, rawHeaders) => {
    expect(readCredentials({ rawHeaders, headers: { authorization: 'Bearer a' } })).toEqual({
      kind: 'bearer',
      token: 'a',
    });
  });

  it('obeys an application that has written or deleted the field', () => {
    const rawHeaders = ['Authorization', 'Bearer sent'];
    expect(readCredentials({ rawHeaders, headers: { authorization: 'Bearer written' } })).toEqual({
      kind: 'bearer',
      token: 'written',
    });
    expect(readCredentials({ rawHeaders, headers: {} })).toEqual({ kind: 'none' });
    const doubled = [...rawHeaders, 'authorization', 'Bearer other'];
    expect(readCredentials({ rawHeaders: doubled, headers: { authorization: 'Bearer written' } })).toEqual({
      kind: 'repeated',
    });
  });

  it('chooses none of several values that an adapter or middleware has put into one field', () => {
    expect(readCredentials({ headers: { authorization: ['Bearer a', 'Bearer b'] } })).toEqual({ kind: 'repeated' });
  });

  it('reads other header fields only if they are named, and chooses none of several credentials', () => {
    const headers = { 'x-api-key': 'k', 'x-other': 'o' };
    expect(readCredentials({ headers })).toEqual({ kind: 'none' });
    expect(readCredentials({ headers }, ['x-api-key'])).toEqual({ kind: 'header', header: 'x-api-key', value: 'k' });
    expect(readCredentials({ headers }, ['x-third'])).toEqual({ kind: 'none' });
    for (const more of [{ authorization: 'Bearer a' }, { 'x-api-key': 'k,l' }, { 'x-third': '' }])
      expect(readCredentials({ headers: { ...headers, ...more } }, ['x-api-key', 'x-third'])).toEqual({
        kind: 'several',
      });
  });

  it.each<[string, (connection: object) => object]>([
    ['Express', (socket) => ({ socket })],
    ['Fastify', (socket) => ({ raw: { socket } })],
  ])('has one object for a token that a connection of %s repeats', (_adapter, on) => {
    const [connection, other] = [{}, {}];
    const read = (value: string, socket: object): unknown => readCredentials({ ...request(value), ...on(socket) });
    const first = read('Bearer a', connection);
    expect(read('Bearer a', connection)).toBe(first);
    expect(read('Bearer a', other)).not.toBe(first);
    expect(read('Bearer b', connection)).toEqual({ kind: 'bearer', token: 'b' });
    expect(read('Bearer a', connection)).toEqual(first);
    expect(read('Bearer', connection)).toEqual({ kind: 'malformed' });
  });

  it('takes no time to refuse a long value that is nearly right', () => {
    const values = [
      `Bearer ${'='.repeat(1_000_000)}a`,
      `Bearer${' '.repeat(1_000_000)}"`,
      `Bearer ${'a'.repeat(1_000_000)}=a`,
    ];
    for (const value of values)
      expect(withWatchdog(() => readCredentials(request(value)))).toEqual({ kind: 'malformed' });
  });
});
