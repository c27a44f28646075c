import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readCredentials, type Credentials } from '../../lib/request/credentials.js';
import { withWatchdog } from '../support/watchdog.js';
import { resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { always, alwaysAsync } from './property.js';

const TCHAR = new Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
const TOKEN68 = new Set('-._~+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');

/** What the fields of a request hold: RFC 9110 §11.4 and RFC 6750 §3.1, character by character. */
function expected(values: readonly string[]): Credentials {
  if (values.length === 0) return { kind: 'none' };
  if (values.length > 1) return { kind: 'repeated' };
  const value = values[0] as string;
  let at = 0;
  while (TCHAR.has(value.charAt(at))) at++;
  const scheme = value.slice(0, at).toLowerCase();
  if (scheme !== 'bearer' && scheme !== 'dpop') return { kind: 'unsupported' };
  const spaces = at;
  while (value.charAt(at) === ' ') at++;
  const start = at;
  while (TOKEN68.has(value.charAt(at))) at++;
  const end = at;
  while (value.charAt(at) === '=') at++;
  const isOne = start > spaces && end > start && at === value.length;
  const token = isOne ? value.slice(start) : undefined;
  if (scheme === 'dpop') return { kind: 'dpop', token };
  return token === undefined ? { kind: 'malformed' } : { kind: 'bearer', token };
}

const name = fc
  .tuple(
    fc.constantFrom('Authorization', 'Proxy-Authorization', 'Authorization2', 'Cookie', 'X', ''),
    fc.infiniteStream(fc.boolean()),
  )
  .map(([text, upper]) =>
    [...text].map((one) => (upper.next().value === true ? one.toUpperCase() : one.toLowerCase())).join(''),
  );

/** Values near the grammar, with all that may stand at its joints. */
function valueWith(token: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const scheme = fc.constantFrom(
    'Bearer',
    'bearer',
    'BEARER',
    'bEARER',
    'Basic',
    'DPoP',
    'Bearerx',
    'xBearer',
    'Beare',
    '',
    'Bearer:',
    'B\u00e9arer',
  );
  const gap = fc.constantFrom(' ', '  ', '', '\t', ' \t', ',', '\u00a0', ' , ', '=');
  const tail = fc.constantFrom('', '', '', '=', '==', ' ', ' x', ',', ', Bearer x', '"', '=x', '\t', '\u00a0');
  return fc.oneof(
    fc.tuple(scheme, gap, token, tail).map((parts) => parts.join('')),
    fc.string(),
    fc.string({ unit: 'binary' }),
  );
}

const anyToken = fc.oneof(fc.stringMatching(/^[A-Za-z0-9._~+/-]{0,20}$/), fc.stringMatching(/^[\x21-\x7e]{0,20}$/));

describe('any credentials', () => {
  it('are taken for what the grammar says, as Node hands them out', () => {
    const fields = fc.array(fc.tuple(name, valueWith(anyToken)), { maxLength: 4 });
    always(4_000, fields, (lines) => {
      const own = lines.filter(([field]) => field.toLowerCase() === 'authorization').map(([, value]) => value);
      expect(readCredentials({ rawHeaders: lines.flat(), headers: { authorization: own[0] } })).toEqual(expected(own));
    });
  });

  it('are taken for the same where only the parsed headers are there', () => {
    const headers = fc.oneof(
      fc.constant(undefined),
      valueWith(anyToken),
      fc.array(valueWith(anyToken), { maxLength: 3 }),
    );
    always(2_000, headers, (authorization) => {
      const values = authorization === undefined ? [] : [authorization].flat();
      expect(readCredentials({ headers: { authorization } })).toEqual(expected(values));
    });
  });

  it('are those that the application left, unless the client sent several', () => {
    const lines = fc.array(fc.tuple(name, valueWith(anyToken)), { maxLength: 4 });
    const sent = fc.oneof(lines, fc.constant([]), fc.constant(undefined));
    const left = fc.oneof(fc.constant(undefined), valueWith(anyToken), fc.array(valueWith(anyToken), { maxLength: 3 }));
    always(4_000, fc.tuple(sent, left, fc.boolean()), ([fields, authorization, isWrapped]) => {
      const headers = { authorization };
      const rawHeaders = fields?.flat();
      const own = (fields ?? []).filter(([field]) => field.toLowerCase() === 'authorization').map(([, value]) => value);
      const isChosen = authorization === undefined || Array.isArray(authorization) || own.length < 2;
      const values = isChosen ? [authorization ?? []].flat() : own;
      const request = isWrapped ? { headers, raw: { rawHeaders } } : { headers, rawHeaders };
      expect(readCredentials(request)).toEqual(expected(values));
    });
  });

  it('are read in a time that grows no faster than their length', () => {
    const pieces = fc.constantFrom(' ', '=', 'a', 'Bearer', 'Bearer ', ',', '\t');
    always(60, fc.tuple(fc.array(pieces, { maxLength: 4 }), pieces), ([start, again]) => {
      const value = start.join('') + again.repeat(500_000);
      expect(
        withWatchdog(() =>
          readCredentials({ rawHeaders: ['Authorization', value], headers: { authorization: value } }),
        ),
      ).toEqual(expected([value]));
    });
  });
});

describe.each(PLATFORMS)('any credentials over HTTP, on %s', (platform) => {
  let server: NotesServer;
  let good: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' } });
    good = await server.mint();
  });
  afterAll(() => server.close());

  it('let nobody in but with the good token in the good form, and break nothing', async () => {
    const lines = fc.array(
      fc.tuple(
        fc.constantFrom('Authorization', 'authorization', 'X-Other'),
        fc.oneof(
          { weight: 3, arbitrary: valueWith(fc.oneof(anyToken, fc.constant('GOOD'))) },
          // Of those above, hardly one is good.
          { weight: 1, arbitrary: fc.constantFrom('Bearer GOOD', 'bearer  GOOD', '\tBEARER GOOD ', 'Bearer GOOD\x7f') },
        ),
      ),
      {
        minLength: 1,
        maxLength: 2,
      },
    );
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'ping', arguments: {} },
    });
    const seen = { unparsed: 0, accepted: 0, refused: 0 };
    await alwaysAsync(150, lines, async (fields) => {
      resetRecorded(server);
      // A line break would begin another field, which is another case.
      const written = fields.map(([field, value]): [string, string] => [
        field,
        value.replaceAll(/[\r\n]/g, '').replaceAll('GOOD', good),
      ]);
      const headers = [
        'Content-Type: application/json',
        'Accept: application/json, text/event-stream',
        ...written.map((one) => one.join(': ')),
      ];
      const { status, headers: answered } = await sendRaw(server.origin, { path: '/mcp', headers, body });
      const own = written
        .filter(([field]) => field.toLowerCase() === 'authorization')
        .map(([, value]) => trimmed(value));
      const isGood = own.length === 1 && isEqual(expected(own), { kind: 'bearer', token: good });
      // Node refuses control characters itself, before anybody could challenge.
      const isParsed = !written.some(([, value]) => hasControl(value));
      const challenged = answered.has('www-authenticate');
      if (!isParsed) expect([status, challenged, server.ran]).toEqual([400, false, []]);
      else if (isGood) expect([status, challenged, server.ran]).toEqual([200, false, ['ping']]);
      else expect([status, challenged, server.ran]).toEqual([own.length > 1 ? 400 : 401, true, []]);
      seen[!isParsed ? 'unparsed' : isGood ? 'accepted' : 'refused']++;
    });
    // No case goes untested.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(4);
  });
});

/** Of ASCII, and but for the tab. */
function hasControl(value: string): boolean {
  return [...value].some((one) => (one < ' ' && one !== '\t') || one === '\x7f');
}

/** White space around a field value is no part of it (RFC 9110 §5.5). */
function trimmed(value: string): string {
  return value.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '');
}

function isEqual(one: Credentials, other: Credentials): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
