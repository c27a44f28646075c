import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateTestKey, TestIssuer, type MintOptions } from 'nestjs-mcp-auth/testing';
import { reviewToken } from '../../lib/cli/doctor/token.checks.js';
import { examine, runCli, type Examination } from '../support/doctor.js';
import { expectNoTrace } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';

let issuer: TestIssuer;
let server: NotesServer;

beforeAll(async () => {
  issuer = await TestIssuer.start({ alg: 'ES256' });
  server = await startNotesServer('express', { sharedIssuer: issuer, options: { scopes: { required: ['a'] } } });
});
afterAll(async () => {
  await server.close();
  await issuer.close();
});

type Claims = Readonly<Record<string, unknown>>;

const mint = (claims: Claims = {}, options: MintOptions = {}): Promise<string> =>
  issuer.mint({ aud: server.resource, scope: 'a', ...claims }, options);

/** Examines the server with a token, and asserts on all output that nothing of the token is in it. */
async function examineWith(token: string, args: readonly string[] = []): Promise<Examination> {
  server.clock.now = Date.now();
  const surroundings = { environment: { MCP_AUTH_TOKEN: token } };
  const examined = await examine(server.resource, args, surroundings);
  const text = await runCli(['doctor', server.resource, '--verbose', ...args], surroundings);
  expectNoTrace(token, { json: examined.out, text: text.out, errors: examined.err + text.err });
  return examined;
}

const now = (): number => Math.floor(Date.now() / 1000);

describe('doctor with a token', () => {
  it('AS-11: is content with a good one, which the server takes too', async () => {
    const { code, of, document } = await examineWith(await mint());
    expect({ code, errors: of('error') }).toEqual({ code: 0, errors: [] });
    const rows = document.sections
      .find(({ subject }) => subject === 'token')
      ?.checks.map(({ level, seen }) => `${level} ${seen}`);
    expect(rows).toEqual([
      'ok typ is "at+jwt"',
      'ok alg is "ES256"',
      `ok iss is "${issuer.issuer}"`,
      `ok kid is "${issuer.key.kid}", and is published`,
      `ok aud is "${server.resource}"`,
      expect.stringMatching(/^ok exp is in \d+ (s|min)$/),
      'ok it has no nbf',
      expect.stringMatching(/^ok iat is \d+ s ago$/),
      'ok it lives 5 min',
      'ok its client is "test-client"',
      'ok its subject is "alice"',
      'ok its scopes are ["a"]',
      'ok it is bound to no key (cnf)',
      'ok a published key verifies the signature',
      'ok the library accepts it with its defaults',
      'ok the server answers 200, as expected',
    ]);
  });

  it.each<[string, string, Claims, MintOptions]>([
    ['another kind of token', 'RFC9068-4-h', { nonce: 'n' }, {}],
    ['another type', 'RFC9068-4-a', {}, { header: { typ: 'id_token' } }],
    ['no signature', 'RFC8725-3.1-a', {}, { header: { alg: 'none' }, signature: 'AAAA' }],
    ['a symmetric algorithm', 'RFC8725-3.1-a', {}, { header: { alg: 'HS256' } }],
    ['a key that is not published', 'RFC7517-5-a', {}, { header: { kid: 'lost' } }],
    ['a signature that is wrong', 'RFC9068-4-d', {}, { signature: 'A'.repeat(86) }],
    ['another issuer', 'RFC9068-4-b', { iss: 'https://other.example' }, {}],
    ['an issuer that is not a string', 'RFC9068-4-b', { iss: 7 }, {}],
    ['another audience', 'RFC9068-4-c', { aud: 'account' }, {}],
    ['no audience', 'RFC9068-4-c', { aud: undefined }, {}],
    ['an end that has come', 'RFC9068-4-e', { exp: 1_700_000_000 }, {}],
    ['no end', 'RFC9068-4-e', { exp: undefined }, {}],
    ['an end that is text', 'RFC9068-4-e', { exp: 'tomorrow' }, {}],
    ['a beginning to come', 'RFC7519-4.1.5-a', { nbf: 4_000_000_000 }, {}],
    ['an issue to come', 'RFC9068-2.2-a', { iat: 4_000_000_000 }, {}],
    ['a subject that is a list', 'RFC9068-2.2-a', { sub: ['alice'] }, {}],
    ['a binding', 'RFC9449-7.2-a', { cnf: { jkt: 'x' } }, {}],
    ['a critical extension', 'RFC7515-4.1.11-a', {}, { header: { crit: ['x'], x: 1 } }],
    ['neither client nor subject', 'AS-11', { sub: undefined, client_id: undefined }, {}],
    ['a user whom no subject names', 'AS-11', { sub: undefined, sid: 's', preferred_username: 'bob' }, {}],
  ])(
    'names the row, the consequence and the remedy for %s, and the server agrees',
    async (_what, id, claims, options) => {
      const { code, rows, of } = await examineWith(await mint(claims, options));
      expect(code).toBe(1);
      expect(rows.filter(({ level }) => level === 'error')).toContainEqual(
        expect.objectContaining({ id, consequence: expect.any(String), remedy: expect.any(String) }),
      );
      expect(of('ok')).toContainEqual(
        'MCP-26-RS-02: the server answers 401 with the error invalid_token, as expected of this token',
      );
    },
  );

  it.each<[string, Claims]>([
    ['a list', { scope: ['a'] }],
    ['the list scp', { scope: undefined, scp: ['a'] }],
    ['the text scp', { scope: undefined, scp: 'a' }],
  ])('OA21-5.2-a: reads scopes in %s, as the server does', async (_what, claims) => {
    const { code, of } = await examineWith(await mint(claims));
    expect(code).toBe(0);
    expect(of('ok')).toEqual(
      expect.arrayContaining(['OA21-5.2-a: its scopes are ["a"]', 'MCP-26-RS-02: the server answers 200, as expected']),
    );
  });

  it('AS-13: names a life that is too long, from one hour and from one day on', async () => {
    const living = async (seconds: number): Promise<Examination> => examineWith(await mint({ exp: now() + seconds }));
    expect((await living(2 * 3600)).of('warning')).toContainEqual('AS-13: it lives 2 h');
    const long = await living(30 * 86_400);
    expect(long.of('error')).toContainEqual('AS-13: it lives 30 days');
    expect(long.of('ok')).toContainEqual(expect.stringMatching(/^MCP-26-RS-02: the server answers 401/));
  });

  it('OA21-5.2-a: names scopes that it lacks, and expects 403', async () => {
    const { code, of } = await examineWith(await mint({ scope: 'b' }));
    expect(code).toBe(1);
    expect(of('error')).toEqual([expect.stringMatching(/^OA21-5\.2-a: .*\["b"\], without \["a"\]/)]);
    expect(of('ok')).toContainEqual(
      'MCP-26-RS-02: the server answers 403 with the error insufficient_scope, as expected',
    );
  });

  it('sees that the server takes what it should not: here, an audience that only the operator knows', async () => {
    const lax = await startNotesServer('express', { sharedIssuer: issuer, options: { audience: 'notes' } as object });
    const environment = { MCP_AUTH_TOKEN: await issuer.mint({ aud: 'notes' }) };
    const unexplained = await examine(lax.resource, [], { environment });
    expect(unexplained.of('error')).toEqual([
      expect.stringMatching(/^RFC9068-4-c: aud is "notes"/),
      expect.stringMatching(/^MCP-26-RS-02: the server answers 200, and 401 is expected/),
    ]);
    expect((await examine(lax.resource, ['--audience', 'notes'], { environment })).code).toBe(0);
    await lax.close();
  });

  it('calls an opaque token that the server refuses an error, as it does a good JWT that is refused', async () => {
    const { of, code } = await examineWith('opaque-token-of-somebody');
    expect(code).toBe(1);
    expect(of('unseen')).toContainEqual(expect.stringMatching(/^AS-11: the token is not a signed JWT/));
    expect(of('error')).toContainEqual(
      expect.stringMatching(/^MCP-26-RS-02: the server answers 401 .*the token is opaque/),
    );
  });

  it('RFC7519-7.2-a: says that a text is not a JWT, even if it looks like one', async () => {
    const [header] = (await mint()).split('.');
    const { of } = await examineWith(`${header}.e30x.sig`);
    expect(of('error')).toEqual([expect.stringMatching(/^RFC7519-7\.2-a/)]);
  });

  it('reads it from a file and from standard input as well', async () => {
    server.clock.now = Date.now();
    const token = await mint();
    const fromFile = await examine(server.resource, ['--token-file', 't'], { files: { t: `${token}\n` } });
    const fromInput = await examine(server.resource, ['--token', '-'], { input: token });
    for (const { of } of [fromFile, fromInput])
      expect(of('ok')).toContainEqual('MCP-26-RS-02: the server answers 200, as expected');
  });

  it('judges it without a server too, but for its audience', async () => {
    const { code, of } = await examine(issuer.issuer, [], {
      environment: { MCP_AUTH_TOKEN: await mint({ aud: 'x' }) },
    });
    expect(code).toBe(0);
    expect(of('unseen')).toContainEqual(expect.stringMatching(/^RFC9068-4-c: aud is "x"/));
  });

  it('RFC9068-4-a: notes a type that only the default profile takes', async () => {
    const { code, of } = await examineWith(await mint({}, { header: { typ: 'JWT' } }));
    expect(code).toBe(0);
    expect(of('note')).toContainEqual('RFC9068-4-a: typ is "JWT"');
  });

  it('asks nobody whom only the token names', async () => {
    await using stranger = await TestIssuer.start({ alg: 'ES256' });
    await examineWith(await stranger.mint({ aud: server.resource, scope: 'a' }));
    expect(stranger.requests).toEqual([]);
  });
});

describe('the review of a token', () => {
  const review = async (
    claims: Claims,
    iss: string,
  ): Promise<readonly { readonly id: string; readonly remedy?: string }[]> => {
    const key = await generateTestKey({ alg: 'ES256' });
    const token = await issuer.mint({ iss, aud: 'account', ...claims }, { key });
    const context = {
      issuers: [iss],
      keys: new Map([[iss, [key.publicJwk]]]),
      resource: 'https://mcp.example.com/mcp',
    };
    return (await reviewToken(token, { ...context, audiences: [], scopes: [], now: Date.now() })).checks;
  };

  it.each([
    ['https://login.example.com/realms/main', /^Keycloak: add an Audience mapper/],
    ['https://acme.eu.auth0.com/', /^Auth0: create an API/],
    [
      'https://login.example.com',
      /^have the server put "https:\/\/mcp.example.com\/mcp" into aud.*, which servers that have no resource indicators ignore$/,
    ],
  ])('AS-10: says for %s what to do about the audience', async (iss, remedy) => {
    const checks = await review({}, iss);
    expect(checks.find(({ id }) => id === 'RFC9068-4-c')?.remedy).toMatch(remedy);
  });
});
