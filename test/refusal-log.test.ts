import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthService } from 'nestjs-mcp-auth';
import { LogLimit } from '../lib/observability/log-limit.js';
import { DEFAULT_REFUSAL_LOG_LIMITS, REFUSAL_LOG_LIMITS } from '../lib/observability/refusal-log.js';
import { expectNoTrace, resetRecorded } from './support/expectations.js';
import { RECORDER, startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';

describe.each(PLATFORMS)('the line about a refusal, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { path: '/realms/main' } });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  /** The one line that a call of this tool with such a token causes. */
  async function lineFor(
    claims: Record<string, unknown>,
    tool = 'ping',
    header: Record<string, unknown> = {},
  ): Promise<string> {
    const token = await server.mint({ client_id: 'app', ...claims }, { header });
    await (await server.callTool(tool, token)).text();
    const lines = server.log.filter((line) => line.startsWith('Refused'));
    expect(lines).toHaveLength(1);
    expectNoTrace(token, { log: server.log.join('\n') });
    return lines[0]!;
  }

  it('says what was refused and why, what was seen, whose token it says it is, and what to do in the product', async () => {
    expect(await lineFor({ aud: 'account' }, 'read-note')).toBe(
      `Refused 401 invalid_token for tools/call read-note at ${server.resource}: the token was issued for another audience ` +
        `(aud is "account", expected "${server.resource}"); issuer ${server.issuer.issuer}, client "app", as the token says, ` +
        `which was not verified. Keycloak: add an Audience mapper with the Included Custom Audience ${server.resource} to a ` +
        'client scope that the client has.',
    );
  });

  it('says who a verified caller is, what they have and what they need', async () => {
    const { principalKey } = await server.app.get(McpAuthService).verify(await server.mint({ sub: 'alice' }));
    expect(await lineFor({ sub: 'alice', scope: 'a' }, 'write-note')).toBe(
      `Refused 403 insufficient_scope for tools/call write-note at ${server.resource}: the token lacks a scope the operation needs ` +
        `(needs "a b", scope is "a"); issuer ${server.issuer.issuer}, client "app", principal ${principalKey}.`,
    );
  });

  it.each<[what: string, claims: Record<string, unknown>, header: Record<string, unknown>, said: RegExp]>([
    [
      'an issuer that is not trusted, in quotes',
      { iss: 'https://evil.example' },
      {},
      /\(iss is "https:\/\/evil\.example"\)\. If its tokens are meant to be accepted, list it in authorizationServers/,
    ],
    [
      'several audiences, and how many more',
      { aud: ['a', 'b', 'c', 'd', 'e'] },
      {},
      /aud is \["a", "b", "c" and 2 more\]/,
    ],
    ['no audience', { aud: undefined }, {}, /names no audience \(expected "http.*Keycloak: add/],
    ['the type', {}, { typ: 'dpop+jwt' }, /\(typ is "dpop\+jwt"\)/],
    ['the algorithm, and those on the list', {}, { alg: 'HS256' }, /\(alg is "HS256", expected \["RS256", /],
    ['the key', {}, { kid: 'nobody' }, /\(alg is "RS256", kid is "nobody"\)/],
    [
      'how long ago the token expired',
      { exp: Math.floor(Date.now() / 1000) - 100 },
      {},
      /\(exp is -1\d\d s from now\)/,
    ],
    [
      'which claims make it another kind of token',
      { nonce: 'n-0S6', at_hash: 'x' },
      {},
      /\(typ is "at\+jwt", marked by \["nonce", "at_hash"\]\)/,
    ],
    [
      'an audience that is not a string, as such',
      { aud: 5 },
      {},
      /a claim has the wrong type \(aud is a number\); issuer/,
    ],
  ])('shows %s', async (_what, claims, header, said) => {
    expect(await lineFor(claims, 'ping', header)).toMatch(said);
  });

  it('shows no claim that is not needed', async () => {
    const line = await lineFor({ aud: 'account', email: 'alice@example.com', sub: 'alice-1', name: 'Alice' });
    for (const other of ['alice@example.com', 'alice-1', 'Alice']) expect(line).not.toContain(other);
  });

  it.each<[what: string, text: string]>([
    ['a line break', 'x\nRefused 200 ok for tools/call admin'],
    ['a carriage return', 'x\r\nERROR forged'],
    ['a line separator', 'x\u2028ERROR forged'],
    ['a paragraph separator', 'x\u2029ERROR forged'],
    ['a next line', 'x\u0085ERROR forged'],
    ['an escape sequence', '\u001b[2J\u001b[31mERROR forged'],
    ['a change of direction', '\u202edegrof RORRE'],
    ['a quote that would end the value', 'x", expected "x"); principal forged'],
    ['three thousand characters', 'y'.repeat(3_000)],
    ['a thousand that have to be escaped', '\u202e'.repeat(1_000)],
  ])('lets %s in audience, issuer, client and tool forge nothing', async (_what, text) => {
    for (const claims of [
      { aud: text },
      { aud: [text, text] },
      { iss: text },
      { aud: 'x', client_id: text },
      { scope: 'x' },
    ]) {
      resetRecorded(server);
      const line = await lineFor(claims, 'scope' in claims ? 'admin' : text);
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(line.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')).not.toMatch(/forged|RORRE|yyy|202e/);
      expect(line.length).toBeLessThan(1_500);
    }
  });

  it("shows nothing of somebody else's token that stands in a claim", async () => {
    const stolen = await server.mint({ sub: 'victim' });
    for (const claims of [
      { aud: stolen },
      { iss: stolen },
      { aud: 'x', client_id: stolen },
      { aud: ['x', `Bearer ${stolen}`] },
    ]) {
      resetRecorded(server);
      const line = await lineFor(claims);
      expectNoTrace(stolen, { line });
      expect(line).toContain('eyJ…');
      expect(line).not.toMatch(/eyJ\w/);
    }
  });

  it('names the option audience where that is what leaves the resource out', async () => {
    const other = await startNotesServer(platform, { options: { audience: 'https://api.example.com' } });
    try {
      await other.callTool('ping', await other.mint({ aud: other.resource }));
      expect(other.log.join('\n')).toContain(
        `(aud is "${other.resource}", expected "https://api.example.com"); issuer ${other.issuer.issuer}, client "test-client", as the token ` +
          `says, which was not verified. The option audience accepts other names than ${other.resource}: leave it out, or set it`,
      );
    } finally {
      await other.close();
    }
  });

  it('says what is no JWT only by what to do', async () => {
    await server.callTool('ping', 'opaque-token-of-a-product');
    expect(server.log[0]).toMatch(
      /the token is not a signed JWT in compact form\. If it is opaque to resource servers by intent, set the option introspection; or have a JWT issued\. Keycloak: add/,
    );
    expect(server.log.join('\n')).not.toContain('opaque-token');
  });

  it('tells clients nothing of it, nor whoever prints the error', async () => {
    const token = await server.mint({ aud: 'account-of-nobody' });
    const response = await server.callTool('ping', token);
    expect(`${await response.text()} ${JSON.stringify([...response.headers])}`).not.toContain('account-of-nobody');
    const error: unknown = await server.app
      .get(McpAuthService)
      .verify(token)
      .catch((reason: unknown) => reason);
    expect(JSON.stringify(error)).not.toContain('account-of-nobody');
    expect({ ...(error as object) }).not.toHaveProperty('seen');
    expect((error as { seen: unknown }).seen).toEqual({
      aud: '"account-of-nobody"',
      expected: JSON.stringify(server.resource),
    });
  });
});

describe.each(PLATFORMS)('a logger of the application that throws, on %s', (platform) => {
  let server: NotesServer;
  const broken = (): never => {
    throw new Error('the disk is full');
  };
  beforeEach(async () => {
    server = await startNotesServer(platform);
    await (await server.callTool('ping', await server.mint())).text();
    server.app.useLogger({ log: broken, error: broken, warn: broken, debug: broken, verbose: broken, fatal: broken });
  });
  afterEach(async () => {
    server.app.useLogger(RECORDER);
    await server.close();
  });

  it('changes no answer to a request that is refused', async () => {
    for (const claims of [{ aud: 'account' }, { exp: 1 }, { scope: 'x' }]) {
      const response = await server.callTool('write-note', await server.mint(claims));
      expect([response.status, response.headers.has('www-authenticate')]).toEqual([
        'scope' in claims ? 403 : 401,
        true,
      ]);
    }
  });

  it('keeps no subscriber that throws as well from being told, nor a request from being answered', async () => {
    const subscription = server.app.get(McpAuthService).events$.subscribe(broken);
    expect((await server.callTool('ping', await server.mint())).status).toBe(200);
    await turn();
    subscription.unsubscribe();
  });

  it('keeps no issuer unreachable that can be reached again', async () => {
    server.issuer.fail('error');
    server.clock.now += 11 * 60_000;
    expect((await server.callTool('ping', await server.mint())).status).toBe(200);
    server.clock.now += 3_000;
    expect((await server.callTool('ping', await server.mint({}, { header: { kid: 'new' } }))).status).toBe(503);
    server.issuer.recover();
    server.clock.now += 60_000;
    expect((await server.callTool('ping', await server.mint({}, { header: { kid: 'new' } }))).status).toBe(401);
  });
});

describe('the limits of the log', () => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer('express', {
      configure: (builder) => builder.overrideProvider(REFUSAL_LOG_LIMITS).useValue(DEFAULT_REFUSAL_LOG_LIMITS),
    });
  });
  afterAll(() => server.close());

  const refusals = (): string[] => server.log.filter((line) => line.startsWith('Refused'));
  async function present(count: number, claims: (index: number) => Record<string, unknown>): Promise<void> {
    for (let i = 0; i < count; i++) await server.callTool('ping', await server.mint(claims(i)));
  }

  it('let the same be said once in 30 s, with a count of what was left out', async () => {
    resetRecorded(server);
    await present(42, () => ({ aud: 'account' }));
    expect(refusals()).toHaveLength(1);
    server.clock.now += 30_000;
    await present(1, () => ({ aud: 'account' }));
    expect(refusals()).toHaveLength(2);
    expect(refusals()[1]).toContain(' And 41 more like it since the last such line.');
    await present(1, () => ({ aud: 'account', client_id: 'another' }));
    expect(refusals()).toHaveLength(3);
  });

  it('hold against hostile variety, which leaves room for other kinds of lines', async () => {
    server.clock.now += 60_000;
    resetRecorded(server);
    await present(100, (index) => ({ iss: `https://evil${index}.example` }));
    expect(refusals()).toHaveLength(10);
    await server.callTool('ping');
    expect(refusals()).toHaveLength(11);
    server.clock.now += 1_000;
    await present(1, () => ({ iss: 'https://late.example' }));
    expect(refusals()[11]).toContain('Left out 90 other refusals: too many in one second.');
  });

  it('are bounded in memory', () => {
    let now = 0;
    const limit = new LogLimit({ quietMs: 30_000, linesPerSecond: Infinity, maxKeys: 2 }, () => now);
    const said = ['a', 'b', 'c', 'a', 'a'].map((key) => limit.admit(key) !== undefined);
    expect(said).toEqual([true, true, true, true, false]);
    now -= 3_600_000;
    expect(limit.admit('a')).toEqual({ same: 1, others: 0 });
  });
});
