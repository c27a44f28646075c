import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { alwaysAsync } from '../fuzz/property.js';
import { ACCESS_TOKEN, API_KEY, ASSERTION, OTHER_KEY, testCredentials } from '../support/api-keys.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw, type RawResponse } from '../support/raw-http.js';
import { expectReason } from '../support/tokens.js';

// One credential a request, whatever header fields a client, a proxy or an attacker combines.

const issuer = { alg: 'ES256' } as const;
const JSON_FIELDS = ['Content-Type: application/json', 'Accept: application/json, text/event-stream'];
const bodyFor = (name: string): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name, arguments: {} } });

const callWith = ({ origin }: NotesServer, lines: readonly string[], name = 'ping'): Promise<RawResponse> =>
  sendRaw(origin, { path: '/mcp', headers: [...JSON_FIELDS, ...lines], body: bodyFor(name) });

describe.each(PLATFORMS)('one credential a request, on %s', (platform) => {
  const credentials = testCredentials();
  let server: NotesServer;
  let token: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer, options: { credentials: credentials.options } });
    token = await server.mint({ sub: 'carol', scope: 'a' });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    credentials.asked.length = 0;
  });

  it.each([
    ['an API key beside an access token', () => [`X-Api-Key: ${API_KEY}`, `Authorization: Bearer ${token}`]],
    [
      'the same beside a token of the application',
      () => [`X-Api-Key: ${API_KEY}`, `Authorization: Bearer ${ACCESS_TOKEN}`],
    ],
    ['an API key beside credentials of another scheme', () => [`X-Api-Key: ${API_KEY}`, 'Authorization: Basic eDp5']],
    [
      'an API key beside a token that is bound to a key',
      () => [`X-Api-Key: ${API_KEY}`, `Authorization: DPoP ${token}`],
    ],
    ['an API key beside an empty Authorization', () => [`X-Api-Key: ${API_KEY}`, 'Authorization:']],
    ['an empty API key beside an access token', () => ['X-Api-Key:', `Authorization: Bearer ${token}`]],
    ['two header fields of credentials', () => [`X-Api-Key: ${API_KEY}`, `X-Gateway: ${ASSERTION}`]],
    ['the same field twice', () => [`X-Api-Key: ${API_KEY}`, `X-Api-Key: ${OTHER_KEY}`]],
    ['the same field twice with the same value', () => [`X-Api-Key: ${API_KEY}`, `x-api-KEY: ${API_KEY}`]],
    ['the same field twice, once empty', () => ['X-Api-Key:', `X-Api-Key: ${API_KEY}`]],
    ['two values in one field', () => [`X-Api-Key: ${API_KEY}, ${OTHER_KEY}`]],
    ['two values without white space', () => [`X-Api-Key: ${API_KEY},${API_KEY}`]],
    ['a value with a comma at its end', () => [`X-Api-Key: ${API_KEY},`]],
  ])('RFC6750-3.1-d: answers 400 to %s', async (_what, lines) => {
    const refused = await callWith(server, lines());
    const { body } = await expectRefusal(server, refused, { status: 400, error: 'invalid_request', token: API_KEY });
    expect(JSON.stringify(body)).toContain('The request must carry one credential only.');
    expectReason(server, 'several_credentials');
    expect(credentials.asked).toEqual([]);
  });

  it('RFC6750-3.1-d: answers 400 to two Authorization fields as without other credentials', async () => {
    const lines = [`Authorization: Bearer ${ACCESS_TOKEN}`, `Authorization: Bearer ${token}`];
    await expectRefusal(server, await callWith(server, lines), { status: 400, error: 'invalid_request' });
    expectReason(server, 'repeated_credentials');
    expect(credentials.asked).toEqual([]);
  });

  it.each([
    ['an empty value', ''],
    ['white space', '   '],
    ['a value in quotes with white space', '"a b"'],
    ['a value behind the name of a scheme', `Bearer ${API_KEY}`],
    ['a value that is not ASCII', 'k\u00e9y'],
    ['a tab', 'a\tb'],
    ['more than 4,096 characters', 'k'.repeat(4_097)],
  ])('LIB-01: refuses %s without asking the application', async (_what, value) => {
    await expectRefusal(server, await callWith(server, [`X-Api-Key: ${value}`]), { status: 401 });
    expectReason(server, 'credential_malformed');
    expect(credentials.asked).toEqual([]);
  });

  it('LIB-01: asks about 4,096 characters', async () => {
    await expectRefusal(server, await callWith(server, [`X-Api-Key: ${'k'.repeat(4_096)}`]), { status: 401 });
    expectReason(server, 'credential_unknown');
  });

  it.each(['pat_', `pat_${'k'.repeat(4_093)}`])('LIB-01: refuses a Bearer credential of %p likewise', async (text) => {
    const refused = await callWith(server, [`Authorization: Bearer ${text}`]);
    await expectRefusal(server, refused, { status: 401, error: 'invalid_token' });
    expectReason(server, 'credential_malformed');
    expect(credentials.asked).toEqual([]);
  });

  it.each([
    ['in another case', 'PAT_T0ken-of-alice.0123456789'],
    ['not at the beginning', 'xpat_T0ken-of-alice.0123456789'],
  ])('takes a prefix %s for an access token', async (_where, text) => {
    const refused = await callWith(server, [`Authorization: Bearer ${text}`]);
    await expectRefusal(server, refused, { status: 401, error: 'invalid_token' });
    expectReason(server, 'token_malformed');
    expect(credentials.asked).toEqual([]);
  });

  it.each([
    ['the query', `/mcp?x-api-key=${encodeURIComponent(API_KEY)}`, []],
    ['a cookie', '/mcp', [`Cookie: x-api-key=${encodeURIComponent(API_KEY)}`]],
    ['a field with an underscore', '/mcp', [`X_Api_Key: ${API_KEY}`]],
    ['a field of a longer name', '/mcp', [`X-Api-Key-2: ${API_KEY}`]],
    ['the Bearer scheme', '/mcp', [`Authorization: Bearer ${ASSERTION}`]],
  ])('OA21-5.1.1-a: finds no such credential in %s', async (_where, path, lines) => {
    const headers = [...JSON_FIELDS, ...lines];
    const answer = await sendRaw(server.origin, { path, headers, body: bodyFor('ping') });
    expect(answer.status).toBe(401);
    expect(server.ran).toEqual([]);
    expect(credentials.asked).toEqual([]);
  });

  it('serves a request with a single credential, in any spelling of the field name', async () => {
    for (const lines of [
      [`x-API-key: \t${API_KEY} `],
      [`X-Gateway: ${ASSERTION}`],
      [`Authorization: bearer ${ACCESS_TOKEN}`],
    ]) {
      resetRecorded(server);
      await expectServed(server, await callWith(server, lines), 'ping');
    }
  });

  it('LIB-22: no mix of credentials makes a caller of two, or another caller than the one of the only credential', async () => {
    const subjects = new Map([
      [`X-Api-Key: ${API_KEY}`, 'credential:api-key alice'],
      [`X-Api-Key: ${OTHER_KEY}`, 'credential:api-key bob'],
      [`X-Gateway: ${ASSERTION}`, 'credential:gateway alice'],
      [`Authorization: Bearer ${ACCESS_TOKEN}`, 'credential:pat alice'],
      [`Authorization: Bearer ${token}`, `${server.issuer.issuer} carol`],
    ]);
    const others = [
      'X-Api-Key:',
      'X-Gateway:',
      'X-Api-Key: x',
      'X-Gateway: y',
      'Authorization:',
      'Authorization: Bearer pat_x',
      `X-Gateway: ${API_KEY}`,
      `X-Api-Key: ${ASSERTION}`,
      `Authorization: Bearer ${API_KEY}`,
      'Authorization: Basic eDp5',
      `X-Api-Key: ${API_KEY}, ${OTHER_KEY}`,
    ];
    const line = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...subjects.keys()) },
      { weight: 1, arbitrary: fc.constantFrom(...others) },
    );
    const spelled = fc.tuple(line, fc.boolean()).map(([text, isUpper]) => ({
      text,
      sent: isUpper ? text.replace(/^[^:]+/, (name) => name.toUpperCase()) : text,
    }));
    await alwaysAsync(250, fc.array(spelled, { maxLength: 3 }), async (lines) => {
      resetRecorded(server);
      const answer = await callWith(
        server,
        lines.map(({ sent }) => sent),
        'whoami',
      );
      const [only, ...more] = lines.map(({ text }) => text);
      const expected = only !== undefined && more.length === 0 ? subjects.get(only) : undefined;
      if (expected === undefined) {
        expect([400, 401]).toContain(answer.status);
        expect(server.ran).toEqual([]);
        return;
      }
      expect(answer.status).toBe(200);
      const caller = JSON.parse(
        JSON.parse(/\{"result".*\}|\{"jsonrpc".*\}/.exec(answer.body)![0]).result.content[0].text,
      ) as Record<string, string>;
      expect(`${caller['issuer']} ${caller['subject']}`).toBe(expected);
    });
  });
});

describe.each(PLATFORMS)('callers without a token beside credentials, on %s', (platform) => {
  it('are let in where that is allowed, unless they send a credential that is refused', async () => {
    const credentials = testCredentials();
    const server = await startNotesServer(platform, {
      issuer,
      options: { credentials: credentials.options, allowAnonymous: true },
    });
    try {
      const list = (headers: Record<string, string>): Promise<Response> => server.rpc('tools/list', {}, headers);
      expect((await list({})).status).toBe(200);
      expect((await list({ 'x-api-key': API_KEY })).status).toBe(200);
      for (const bad of ['', 'unknown', 'a b']) expect((await list({ 'x-api-key': bad })).status).toBe(401);
    } finally {
      await server.close();
    }
  });
});

describe.each(PLATFORMS)('credentials beside tokens that are bound to a key, on %s', (platform) => {
  it('are accepted with dpop required, but not with the scheme DPoP', async () => {
    const credentials = testCredentials();
    const options = { credentials: credentials.options, dpop: 'required' } as never;
    const server = await startNotesServer(platform, { issuer, options });
    try {
      await expectServed(server, await callWith(server, [`X-Api-Key: ${API_KEY}`]), 'ping');
      resetRecorded(server);
      await expectServed(server, await callWith(server, [`Authorization: Bearer ${ACCESS_TOKEN}`]), 'ping');
      resetRecorded(server);
      credentials.asked.length = 0;
      expect((await callWith(server, [`Authorization: DPoP ${ACCESS_TOKEN}`])).status).toBe(401);
      expect((await callWith(server, [`Authorization: Bearer ${await server.mint()}`])).status).toBe(401);
      expect(server.ran).toEqual([]);
      expect(credentials.asked).toEqual([]);
    } finally {
      await server.close();
    }
  });
});
