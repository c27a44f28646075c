import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readRpcBody } from '../../lib/request/rpc-body.js';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { ROLE_GATED, USER_ONLY } from '../support/policy-tools.js';
import { always, alwaysAsync, jsonValue, memberName } from './property.js';

/** What each tool needs; `forbidden` is for nobody. Their results are in {@link RESULTS}. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  ping: [],
  whoami: [],
  'user-only': [],
  'read-note': ['a'],
  'write-note': ['a', 'b'],
  admin: ['admin'],
  forbidden: ['nobody has this'],
  'role-gated': ['nobody has this'],
};
const RESULTS = {
  'read-note': 'a note',
  'write-note': 'written',
  admin: '"done"',
  forbidden: 'never',
  'role-gated': 'result of role-gated',
};

const METHODS = [
  'tools/call',
  'tools/list',
  'prompts/get',
  'resources/read',
  'resources/subscribe',
  'completion/complete',
  'initialize',
  'ping',
  'server/discover',
  'notifications/initialized',
  'tasks/get',
  'Tools/Call',
  'tools/call ',
  'tools//call',
  'tools/call\0',
  '__proto__',
  'constructor',
  '',
];

/** Mostly what belongs there, and else anything. */
function mostly<T>(arbitrary: fc.Arbitrary<T>, weight = 8): fc.Arbitrary<unknown> {
  return fc.oneof({ weight, arbitrary: arbitrary as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: jsonValue });
}

const toolName = mostly(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<unknown>(...Object.keys(NEEDED)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<unknown>(
        'READ-NOTE',
        ' read-note',
        'read-note ',
        'read-note\0',
        ['read-note'],
        { name: 'read-note' },
        'read\u2010note',
        'notes/read-note',
        '__proto__',
        'toString',
      ),
    },
  ),
);
const params = mostly(
  fc.record(
    {
      name: toolName,
      arguments: mostly(fc.dictionary(memberName, jsonValue, { maxKeys: 3 })),
      uri: jsonValue,
      ref: mostly(
        fc.record({ type: fc.constantFrom('ref/prompt', 'ref/resource', 'ref/tool'), name: toolName, uri: jsonValue }),
      ),
      argument: jsonValue,
      context: jsonValue,
      task: jsonValue,
      _meta: mostly(
        fc.dictionary(
          fc.oneof(memberName, fc.constant('io.modelcontextprotocol/protocolVersion')),
          mostly(fc.constant('2026-07-28')),
          { maxKeys: 2 },
        ),
      ),
    },
    { requiredKeys: ['name'] },
  ),
);
const message = fc
  .tuple(
    fc.record(
      {
        jsonrpc: mostly(fc.constant('2.0'), 20),
        id: mostly(fc.integer()),
        method: mostly(fc.oneof(fc.constant('tools/call'), fc.constantFrom(...METHODS)), 20),
        params,
      },
      { requiredKeys: ['jsonrpc', 'method', 'params'] },
    ),
    fc.dictionary(memberName, jsonValue, { maxKeys: 1 }),
  )
  .map(([base, more]): object => ({ ...base, ...more }));

/** A call that is as it should be, of a tool that may be anybody's. */
const goodCall = fc
  .constantFrom(...Object.keys(NEEDED))
  .map((name): object => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } }));

/** The text of a body: a message, several, one in which a member stands twice, or anything. */
const body: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: message.map((one) => JSON.stringify(one)) },
  { weight: 3, arbitrary: goodCall.map((one) => JSON.stringify(one)) },
  {
    weight: 3,
    arbitrary: fc.array(fc.oneof(goodCall, message, jsonValue), { maxLength: 4 }).map((all) => JSON.stringify(all)),
  },
  { weight: 1, arbitrary: fc.array(message, { maxLength: 2 }).map((all) => JSON.stringify([all, [[all]]])) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(message, message)
      .map(([one, other]) => JSON.stringify(one).replace(/\}$/, `,${JSON.stringify(other).slice(1)}`)),
  },
  {
    weight: 1,
    arbitrary: message.map(
      (one) => `{"__proto__":${JSON.stringify(one)},"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
    ),
  },
  { weight: 1, arbitrary: message.map((one) => JSON.stringify(JSON.stringify(one))) },
  { weight: 1, arbitrary: jsonValue.map((value) => JSON.stringify(value)) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '{', '[', ' ', nested(2_000), `{"a":${'{"a":'.repeat(5_000)}`),
    ),
  },
);

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

/** Deeper than the transport can follow, which answers 500 then; who has no token must not get so far. */
const deepBody = fc.constantFrom(
  nested(20_000),
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping","arguments":{"x":${nested(20_000)}}}}`,
);

const oddHeaders = fc.record(
  {
    'content-type': fc.oneof(
      { weight: 12, arbitrary: fc.constant('application/json') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'application/json; charset=utf-8',
          'application/json;charset=utf-16',
          'text/plain',
          'application/x-www-form-urlencoded',
          'application/vnd.api+json',
          'multipart/form-data',
          'x',
        ),
      },
    ),
    accept: fc.oneof(
      { weight: 12, arbitrary: fc.constant('application/json, text/event-stream') },
      { weight: 1, arbitrary: fc.constantFrom('application/json', '*/*', 'text/html') },
    ),
    'mcp-protocol-version': fc.constantFrom('2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28', 'x'),
    'mcp-method': fc.constantFrom('tools/call', 'tools/list', 'ping', 'x'),
    'mcp-name': fc.constantFrom('ping', 'read-note', '=?base64?cGluZw==?=', '=?base64?x?=', 'x'),
    'mcp-session-id': fc.constantFrom('x', '__proto__'),
  },
  { requiredKeys: ['content-type', 'accept'] },
);
const usual = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const headers = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<Readonly<Record<string, string | undefined>>>(usual, {
      ...usual,
      'mcp-protocol-version': '2025-11-25',
    }),
  },
  { weight: 2, arbitrary: oddHeaders as fc.Arbitrary<Readonly<Record<string, string | undefined>>> },
);
const held = fc.subarray(['a', 'b', 'admin']);

describe('any parsed body', () => {
  it('is read without harm, and for a single request with its id or null', () => {
    const parsed = fc.oneof(
      body.map(parse),
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withNullPrototype: true,
        withSparseArray: true,
        withTypedArray: true,
      }),
    );
    always(1_500, parsed, (value) => {
      const { messages, isBatch, requestId } = readRpcBody(value);
      expect(isBatch).toBe(Array.isArray(value) && messages.length > 0);
      for (const { operations } of messages) for (const { name } of operations) expect(typeof name).toBe('string');
      expect(
        requestId === undefined || requestId === null || typeof requestId === 'string' || typeof requestId === 'number',
      ).toBe(true);
    });
  });
});

describe.each(PLATFORMS)('any body, on %s', (platform) => {
  let server: NotesServer;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, tools: [USER_ONLY, ROLE_GATED] });
    for (const scopes of [
      [],
      ['a'],
      ['b'],
      ['admin'],
      ['a', 'b'],
      ['a', 'admin'],
      ['b', 'admin'],
      ['a', 'b', 'admin'],
    ]) {
      tokens.set(scopes.join(' '), await server.mint({ scope: scopes.join(' ') }));
    }
  });
  afterAll(() => server.close());

  function post(text: string, fields: Readonly<Record<string, string | undefined>>): Promise<Response> {
    resetRecorded(server);
    const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
    return fetch(server.resource, { method: 'POST', headers: given, body: text });
  }

  it('runs no tool without its scopes, tells nothing of it, and is never an error of the server', async () => {
    let ran = 0;
    await alwaysAsync(400, fc.tuple(body, headers, held), async ([text, fields, scopes]) => {
      const token = tokens.get(scopes.join(' ')) as string;
      const response = await post(text, { ...fields, authorization: `Bearer ${token}` });
      const answer = await response.text();
      expect({ status: response.status, isFault: response.status >= 500, answer }).toMatchObject({ isFault: false });
      const without = server.ran.filter(
        (tool) => !(NEEDED[tool] ?? ['unknown tool']).every((scope) => scopes.includes(scope)),
      );
      expect(without).toEqual([]);
      const told = Object.entries(RESULTS).filter(
        ([tool, result]) => answer.includes(result) && !server.ran.includes(tool),
      );
      expect(told).toEqual([]);
      const challenge = response.headers.get('www-authenticate');
      if (challenge !== null) expect(parseChallenges(challenge)).toHaveLength(1);
      ran += server.ran.length;
    });
    // Tools did run where they might.
    expect(ran).toBeGreaterThan(5);
  });

  it('runs nothing without a token', async () => {
    await alwaysAsync(
      100,
      fc.tuple(fc.oneof({ weight: 12, arbitrary: body }, { weight: 1, arbitrary: deepBody }), headers),
      async ([text, fields]) => {
        const response = await post(text, fields);
        await response.text();
        // 400, 413 and 415 are said by body parsers, before there is a request to authorize.
        expect([400, 401, 403, 413, 415]).toContain(response.status);
        expect(server.ran).toEqual([]);
        if (response.status === 401)
          expect(parseChallenges(response.headers.get('www-authenticate') ?? '')).toHaveLength(1);
      },
    );
  });
});

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
