import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { generateTestKey, TestIssuer, type SignedAnswerChanges, type TestFault } from 'nestjs-mcp-auth/testing';
import type { McpAuthReason } from '../../lib/core/error.js';
import { expectNoTrace, expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { introspecting, startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason, expectRejected, whoami } from '../support/tokens.js';

// Tokens that the authorization server is asked about: what is asked, what is believed of the answer, and for how long.

/** How long the endpoint is left alone after it has failed. */
const FAILURE_COOL_DOWN_MS = 2_000;

/** Longer than any answer is remembered. */
const FORGOTTEN_MS = 3_600_000;

/** Presents a token, and asserts that it is answered with 503: nobody can tell whether it is good. */
async function expectUndecided(server: NotesServer, token: string): Promise<void> {
  resetRecorded(server);
  const { header } = await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
  expect(Number(header('retry-after'))).toBeGreaterThan(0);
  expectReason(server, 'introspection_failed');
}

const asked = (issuer: TestIssuer): number => issuer.requestCount('introspection');

describe.each(PLATFORMS)('introspection, on %s', (platform) => {
  let server: IntrospectingServer;
  let issuer: TestIssuer;

  beforeAll(async () => {
    server = await startIntrospectingServer(platform);
    ({ issuer } = server);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.clock.now += FORGOTTEN_MS;
    issuer.clearRequests();
    resetRecorded(server);
  });
  afterEach(() => {
    issuer.recover();
    issuer.answerIntrospection = undefined;
    const { clientId, clientSecret } = issuer.introspectionClient;
    const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    for (const secret of [clientSecret, basic]) expectNoTrace(secret, { log: server.log.join('\n') });
  });

  /** Has the endpoint answer this, in place of or besides what it would. */
  function answering(answer: unknown): string {
    issuer.answerIntrospection = () => answer;
    return server.opaque();
  }
  function answeringWith(members: Readonly<Record<string, unknown>>): string {
    issuer.answerIntrospection = (right) => ({ ...right, ...members });
    return server.opaque();
  }
  const seconds = (offset: number): number => Math.floor(server.clock.now / 1000) + offset;

  it('accepts an opaque token that is active, with all that the answer says', async () => {
    const token = server.opaque({ sub: 'bob', client_id: 'cli', scope: 'a b', tenant: 't1' });
    expect(await whoami(server, token)).toMatchObject({
      issuer: issuer.issuer,
      subject: 'bob',
      clientId: 'cli',
      scopes: ['a', 'b'],
      kind: 'unknown',
      claims: { tenant: 't1' },
    });
  });

  it('knows the same user by an opaque token and by a JWT', async () => {
    const [opaque, jwt] = [await whoami(server, server.opaque()), await whoami(server, await server.mint())];
    expect(jwt['principalKey']).toBe(opaque['principalKey']);
  });

  describe('RFC7662-2.1-a', () => {
    it('RFC7662-2.1-a: asks by POST with the token in a form, authenticated, and with nothing in the URL', async () => {
      const token = server.opaque();
      await expectAccepted(server, token);
      const [request, ...others] = issuer.requests.filter(({ endpoint }) => endpoint === 'introspection');
      expect(others).toEqual([]);
      expect(request).toMatchObject({ method: 'POST', url: '/introspect' });
      expect(request?.headers).toMatchObject({
        'content-type': expect.stringMatching(/^application\/x-www-form-urlencoded\b/),
        accept: 'application/json',
        authorization: expect.stringMatching(/^Basic /),
      });
      expect(request?.headers['cookie']).toBeUndefined();
      expect([...new URLSearchParams(request?.body)]).toEqual([
        ['token_type_hint', 'access_token'],
        ['token', token],
      ]);
    });

    it('RFC7662-2.1-a: keeps the token out of every URL and header', async () => {
      const token = server.opaque();
      await expectAccepted(server, token);
      for (const { url, headers } of issuer.requests) expectNoTrace(token, { url, headers: JSON.stringify(headers) });
    });

    it('RFC7662-2.1-a: percent-encodes a token of special characters', async () => {
      const token = 'aa+bb/cc~dd.ee-ff_gg==';
      issuer.answerIntrospection = (_right, sent) =>
        sent === token ? { active: true, aud: server.resource, sub: 'x' } : {};
      await expectAccepted(server, token);
      const { body } = issuer.requests.at(-1)!;
      expect(body).toContain('token=aa%2Bbb%2Fcc');
    });
  });

  describe('RFC7662-2.2-a', () => {
    it('RFC7662-2.2-a: refuses a token that is not active', async () => {
      await expectRejected(server, 'never-issued', 'token_inactive');
      const token = server.opaque();
      issuer.revoke(token);
      await expectRejected(server, token, 'token_inactive');
      await expectRejected(server, server.opaque({ exp: seconds(-60) }), 'token_inactive');
    });

    it('RFC7662-2.2-a: believes nothing that comes with active false', async () => {
      const token = answering({ active: false, sub: 'alice', aud: server.resource, exp: seconds(300), scope: 'admin' });
      await expectRejected(server, token, 'token_inactive');
    });

    it.each<[what: string, answer: unknown]>([
      ['active "true"', { active: 'true' }],
      ['active "false"', { active: 'false' }],
      ['active 1', { active: 1 }],
      ['active null', { active: null }],
      ['active in a list', { active: [true] }],
      ['no active', { sub: 'alice' }],
      ['active in another case', { Active: true }],
      ['an empty object', {}],
      ['an array', [{ active: true }]],
      ['true', true],
      ['null', null],
      ['a string', 'active'],
    ])('RFC7662-2.2-a: cannot tell from %s', async (_what, answer) => {
      await expectUndecided(server, answering(answer));
    });

    it.each<[what: string, response: () => Response]>([
      ['HTML', () => new Response('<p>active', { headers: { 'content-type': 'text/html' } })],
      [
        'JSON that calls itself text',
        () => new Response('{"active":true}', { headers: { 'content-type': 'text/plain' } }),
      ],
      ['JSON without a type', () => new Response(Buffer.from('{"active":true}'))],
      [
        'a signed answer that was not asked for',
        () => new Response('e30.e30.e30', { headers: { 'content-type': 'application/token-introspection+jwt' } }),
      ],
      [
        'JSON that is cut off',
        () => new Response('{"active":true', { headers: { 'content-type': 'application/json' } }),
      ],
      [
        'bytes that are no UTF-8',
        () =>
          new Response(Buffer.from('{"active":true,"sub":"\xff"}', 'latin1'), {
            headers: { 'content-type': 'application/json' },
          }),
      ],
      ['204', () => new Response(null, { status: 204 })],
      ['201', () => Response.json({ active: true }, { status: 201 })],
      ['206', () => Response.json({ active: true }, { status: 206 })],
    ])('RFC7662-2.2-a: cannot tell from %s', async (_what, response) => {
      issuer.answerIntrospection = (right) => {
        const { status, headers, body } = response();
        // What a careless reader would take for the right answer.
        return right['active'] === true ? new Response(body, { status, headers }) : right;
      };
      await expectUndecided(server, server.opaque());
    });

    it.each([400, 401, 403, 404, 405, 429, 500, 502, 503])(
      'RFC7662-2.2-a: takes status %i of the endpoint for a fault of this server or its own, not of the caller',
      async (status) => {
        await expectUndecided(server, answering(Response.json({ active: true, error: 'invalid_client' }, { status })));
      },
    );

    it.each<TestFault>(['down', 'error', 'not-found', 'html', 'invalid-json'])(
      'LIB-08: answers 503 while the endpoint fails (%s), and 200 as soon as it works',
      async (fault) => {
        const token = server.opaque();
        issuer.fail(fault, 'introspection');
        await expectUndecided(server, token);
        issuer.recover();
        server.clock.now += FAILURE_COOL_DOWN_MS;
        await expectAccepted(server, token);
      },
    );

    it('LIB-08: goes on to accept what it has asked about, while the endpoint fails', async () => {
      const token = server.opaque();
      await expectAccepted(server, token);
      issuer.fail('down');
      await expectAccepted(server, token);
    });

    it('LIB-11: follows no redirect', async () => {
      issuer.fail('redirect', 'introspection');
      await expectUndecided(server, server.opaque());
      expect(issuer.requestCount('canary')).toBe(0);
    });

    it('LIB-11: stops reading an answer that is too long', async () => {
      issuer.fail('huge', 'introspection');
      await expectUndecided(server, server.opaque());
    });

    it('tells the operator once that the endpoint fails, and not about every token', async () => {
      await expectAccepted(server, server.opaque());
      issuer.fail('error', 'introspection');
      const tokens = [server.opaque(), server.opaque(), server.opaque()];
      const lines: string[] = [];
      for (const token of tokens) {
        await expectUndecided(server, token);
        lines.push(...server.log.filter((line) => line.includes('introspection endpoint')));
      }
      expect(lines).toEqual([expect.stringMatching(/gives no usable answer.*status 500/)]);
      expect(lines[0]).toContain(issuer.issuer);
    });
  });

  describe('RFC7662-2.2-b', () => {
    it.each<[what: string, members: () => Readonly<Record<string, unknown>>, reason: McpAuthReason]>([
      ['exp in the past', () => ({ exp: seconds(-6) }), 'expired'],
      ['exp of just now, less the tolerance', () => ({ exp: server.clock.now / 1000 - 5 }), 'expired'],
      ['exp too far away', () => ({ exp: seconds(100_000) }), 'lifetime_too_long'],
      ['exp as text', () => ({ exp: `${seconds(300)}` }), 'time_malformed'],
      ['nbf in the future', () => ({ nbf: seconds(60) }), 'not_yet_valid'],
      ['iat in the future', () => ({ iat: seconds(301) }), 'not_yet_valid'],
      ['the issuer of others', () => ({ iss: 'https://other.example' }), 'issuer_unknown'],
      ['the issuer with a slash', () => ({ iss: `${issuer.issuer}/` }), 'issuer_unknown'],
      ['an issuer that is no text', () => ({ iss: [issuer.issuer] }), 'issuer_unknown'],
      [
        'a key binding (DPoP)',
        () => ({ cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }),
        'sender_constrained',
      ],
      [
        'a key binding (mTLS)',
        () => ({ cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' } }),
        'sender_constrained',
      ],
      ['token_type DPoP', () => ({ token_type: 'DPoP' }), 'sender_constrained'],
      ['token_type refresh_token', () => ({ token_type: 'refresh_token' }), 'not_an_access_token'],
      ['token_type N_A', () => ({ token_type: 'N_A' }), 'not_an_access_token'],
      ['token_type of another type', () => ({ token_type: true }), 'not_an_access_token'],
      ['typ Refresh, as Keycloak has it', () => ({ typ: 'Refresh' }), 'not_an_access_token'],
      ['typ ID, as Keycloak has it', () => ({ typ: 'ID' }), 'not_an_access_token'],
      ['token_use refresh_token, as Hydra has it', () => ({ token_use: 'refresh_token' }), 'not_an_access_token'],
      ['neither subject nor client', () => ({ sub: undefined, client_id: undefined }), 'no_principal'],
      ['a subject that is no text', () => ({ sub: 7 }), 'claim_malformed'],
    ])('RFC7662-2.2-b: refuses an active token with %s', async (_what, members, reason) => {
      await expectRejected(server, answeringWith(members()), reason);
    });

    it.each<[what: string, members: () => Readonly<Record<string, unknown>>]>([
      ['exp within the tolerance', () => ({ exp: seconds(-3) })],
      ['no iss', () => ({ iss: undefined })],
      ['no token_type', () => ({ token_type: undefined })],
      ['token_type in lower case', () => ({ token_type: 'bearer' })],
      ['token_type access_token', () => ({ token_type: 'access_token' })],
      ['typ Bearer', () => ({ typ: 'Bearer' })],
      ['token_use access_token', () => ({ token_use: 'access_token' })],
      ['no subject', () => ({ sub: undefined })],
      ['members without a value', () => ({ nbf: null, iss: null, cnf: null, username: null })],
    ])('RFC7662-2.2-b: accepts an active token with %s', async (_what, members) => {
      await expectAccepted(server, answeringWith(members()));
    });

    it('RFC7662-2.2-b: grants the scopes of the answer and no others', async () => {
      const token = server.opaque({ scope: 'a' });
      await expectServed(server, await server.callTool('read-note', token), 'read-note');
      resetRecorded(server);
      const refused = await server.callTool('write-note', token);
      await expectRefusal(server, refused, { status: 403, error: 'insufficient_scope', scope: 'a b', token });
      resetRecorded(server);
      const none = server.opaque({ scope: undefined });
      await expectRefusal(server, await server.callTool('read-note', none), {
        status: 403,
        error: 'insufficient_scope',
        scope: 'a',
        token: none,
      });
    });
  });

  describe('RFC7662-2.2-c', () => {
    it('RFC7662-2.2-c: refuses an active token without an audience', async () => {
      await expectRejected(server, server.opaque({ aud: undefined }), 'audience_missing');
      await expectRejected(server, server.opaque({ aud: [] }), 'audience_missing');
      await expectRejected(server, server.opaque({ aud: null }), 'audience_missing');
    });

    it('RFC7662-2.2-c: refuses an active token for another audience', async () => {
      const { resource } = server;
      for (const aud of [
        'other',
        `${resource}/`,
        `${resource}/sub`,
        resource.toUpperCase(),
        ['other'],
        `x ${resource}`,
      ]) {
        await expectRejected(server, server.opaque({ aud }), 'audience_rejected');
      }
      await expectRejected(server, server.opaque({ aud: { [resource]: true } }), 'claim_malformed');
      await expectRejected(server, server.opaque({ aud: [[resource]] }), 'claim_malformed');
    });

    it('RFC7662-2.2-c: accepts an active token for this resource among others', async () => {
      await expectAccepted(server, server.opaque({ aud: server.resource }));
      await expectAccepted(server, server.opaque({ aud: ['other', server.resource] }));
    });
  });

  describe('RFC7662-4-a', () => {
    it('RFC7662-4-a: asks once about a token for the time of the revocation window, and notices a revocation after it', async () => {
      const token = server.opaque({ exp: seconds(3_000) });
      for (let i = 0; i < 3; i++) await expectAccepted(server, token);
      server.clock.now += 59_000;
      await expectAccepted(server, token);
      expect(asked(issuer)).toBe(1);
      issuer.revoke(token);
      await expectAccepted(server, token);
      server.clock.now += 1_000;
      await expectRejected(server, token, 'token_inactive');
      expect(asked(issuer)).toBe(2);
    });

    it('RFC7662-4-a: uses no answer beyond its exp', async () => {
      const token = server.opaque({ exp: seconds(3) });
      await expectAccepted(server, token);
      server.clock.now += 4_000;
      await expectRejected(server, token, 'token_inactive');
      expect(asked(issuer)).toBe(2);
    });

    it('RFC7662-4-a: remembers briefly that a token is not active', async () => {
      const token = 'to-be-issued-later';
      await expectRejected(server, token, 'token_inactive');
      await expectRejected(server, token, 'token_inactive');
      expect(asked(issuer)).toBe(1);
      issuer.answerIntrospection = () => ({ active: true, sub: 'x', aud: server.resource });
      server.clock.now += 9_999;
      await expectRejected(server, token, 'token_inactive');
      server.clock.now += 1;
      await expectAccepted(server, token);
    });

    it('RFC7662-4-a: asks again about a token that was refused for another reason', async () => {
      const token = answeringWith({ aud: 'other' });
      await expectRejected(server, token, 'audience_rejected');
      issuer.answerIntrospection = undefined;
      await expectAccepted(server, token);
    });

    it('RFC7662-4-a: asks once for all who present a token at the same time', async () => {
      const token = server.opaque();
      const responses = await Promise.all(Array.from({ length: 20 }, () => server.callTool('ping', token)));
      expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
      expect(asked(issuer)).toBe(1);
    });

    it('RFC7662-4-a: lets nobody share a failure with those who come later', async () => {
      const token = server.opaque();
      issuer.fail('error', 'introspection');
      const responses = await Promise.all(Array.from({ length: 5 }, () => server.callTool('ping', token)));
      expect(responses.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
      expect(asked(issuer)).toBeLessThanOrEqual(5);
      issuer.recover();
      await expectAccepted(server, token);
    });

    it('RFC7662-4-a: keeps tokens apart', async () => {
      const [a, b] = [server.opaque({ sub: 'a' }), server.opaque({ sub: 'b' })];
      expect(
        [await whoami(server, a), await whoami(server, b), await whoami(server, a)].map(({ subject }) => subject),
      ).toEqual(['a', 'b', 'a']);
    });
  });

  describe('JWTs of an issuer that is asked', () => {
    it('are asked about too, whatever their signature: so that a revocation counts', async () => {
      const token = await server.mint();
      await expectAccepted(server, token);
      expect(asked(issuer)).toBe(1);
      issuer.revoke(token);
      server.clock.now += 60_000;
      await expectRejected(server, token, 'token_inactive');
    });

    it('have only the claims that the answer has', async () => {
      const token = await server.mint({ scope: 'admin', sub: 'mallory', role: 'x' });
      issuer.answerIntrospection = () => ({ active: true, aud: server.resource, sub: 'alice', scope: 'a' });
      const caller = await whoami(server, token);
      expect(caller).toMatchObject({ subject: 'alice', scopes: ['a'] });
      expect(caller['claims']).not.toHaveProperty('role');
    });

    it('are refused where the signature is not that of the issuer', async () => {
      await expectRejected(
        server,
        await server.mint({}, { key: await generateTestKey({ alg: 'ES256' }) }),
        'token_inactive',
      );
    });

    it('are not asked about where the issuer is another, or none', async () => {
      await expectRejected(server, await server.mint({ iss: 'https://other.example' }), 'issuer_unknown');
      await expectRejected(server, await server.mint({ iss: `${issuer.issuer}/` }), 'issuer_unknown');
      await expectRejected(server, await server.mint({ iss: undefined }), 'issuer_unknown');
      expect(asked(issuer)).toBe(0);
    });

    it('RFC9068-4-h: are not asked about where they are something else than access tokens', async () => {
      // Servers call any token of theirs active.
      issuer.answerIntrospection = () => ({ active: true, sub: 'alice', client_id: 'x', aud: server.resource });
      const typed = ['token-introspection+jwt', 'logout+jwt', 'dpop+jwt', 'oauth-id-jag+jwt', 'oauth-authz-req+jwt'];
      for (const typ of typed)
        await expectRejected(server, await server.mint({}, { header: { typ } }), 'type_rejected');
      const jwt = { header: { typ: 'JWT' } };
      const marks = [
        { nonce: 'n' },
        { at_hash: 'h' },
        { events: {} },
        { token_introspection: { active: true } },
        { typ: 'Refresh' },
        { typ: 'ID' },
        { token_use: 'id' },
      ];
      for (const claims of marks) await expectRejected(server, await server.mint(claims, jwt), 'not_an_access_token');
      expect(asked(issuer)).toBe(0);
    });

    it.each<[what: string, change: (token: string) => string]>([
      ['padding', (token) => `${token}=`],
      [
        'a signature that is spelt in another way',
        (token) => `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`.replace(/.$/, '_'),
      ],
      ['a header that is cut off', (token) => token.replace(/^.{8}/, 'eyJhbGciO')],
    ])('are not taken for opaque where they have %s', async (_what, change) => {
      const token = change(await server.mint());
      resetRecorded(server);
      const response = await server.callTool('ping', token);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
      const sent = issuer.requests.map(({ body }) => new URLSearchParams(body).get('token'));
      expect(sent.every((one) => one === token && one.split('.').length === 3)).toBe(true);
    });
  });

  it('asks about tokens of any other form, such as encrypted ones', async () => {
    const answer = { active: true, sub: 'x', aud: server.resource };
    issuer.answerIntrospection = () => answer;
    for (const token of ['eyJhbGciOiJkaXIifQ..iv.text.tag', 'a.b', 'a.b.c', 'a.b.c.d', 'x'])
      await expectAccepted(server, token);
  });

  it('does not ask about a token that is too long', async () => {
    // Node itself refuses headers of more than 16 KiB, so that this is as far as a request gets.
    const token = 'x'.repeat(15_000);
    await expectRejected(server, token, 'token_inactive');
  });
});

describe.each(PLATFORMS)('authentication at the introspection endpoint, on %s', (platform) => {
  let server: IntrospectingServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const awkward = { clientId: 'notes server:1 ü', clientSecret: 'p+a/s%s w:ö&=rd' };

  it.each(['client_secret_basic', 'client_secret_post'] as const)(
    'RFC7662-2.1-a: encodes id and secret of %s as forms are',
    async (method) => {
      const auth = { method, clientSecret: awkward.clientSecret };
      server = await startIntrospectingServer(platform, {
        issuer: { introspection: awkward },
        introspection: { auth },
      });
      await expectAccepted(server, server.opaque());
      const { headers, body = '' } = server.issuer.requests.at(-1)!;
      expect(headers.authorization === undefined).toBe(method === 'client_secret_post');
      expect(body.includes('client_secret')).toBe(method === 'client_secret_post');
      expectNoTrace(awkward.clientSecret, { log: server.log.join('\n') });
    },
  );

  it('RFC7662-2.1-a: spells an id of unreserved characters as it is, for servers that decode nothing', async () => {
    const client = { clientId: 'notes-server_1.x*', clientSecret: 'a-b_c.d*e' };
    server = await startIntrospectingServer(platform, { issuer: { introspection: client } });
    await expectAccepted(server, server.opaque());
    const credentials = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64');
    expect(server.issuer.requests.at(-1)!.headers.authorization).toBe(`Basic ${credentials}`);
  });

  it.each(['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const)(
    'RFC7662-2.1-a: signs an assertion for private_key_jwt (%s), a new one each time',
    async (alg) => {
      const { privateKey: key, publicJwk, kid } = await generateTestKey({ alg });
      const auth = { method: 'private_key_jwt', privateKey: { ...key.export({ format: 'jwk' }), alg, kid } } as const;
      server = await startIntrospectingServer(platform, {
        issuer: { introspection: { clientKey: publicJwk } },
        introspection: { auth },
      });
      // The clock of the server, which is not that of the machine, is that of the assertion.
      server.clock.now += 86_400_000;
      await expectAccepted(server, server.opaque());
      await expectAccepted(server, server.opaque());
      const forms = server.issuer.requests.flatMap(({ body }) =>
        body === undefined ? [] : [new URLSearchParams(body)],
      );
      expect(new Set(forms.map((form) => form.get('client_assertion'))).size).toBe(2);
      const [header, payload] = forms[0]!
        .get('client_assertion')!
        .split('.', 2)
        .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object);
      expect(header).toMatchObject({ alg, kid });
      expect(payload).toMatchObject({ iss: 'resource-server', sub: 'resource-server', aud: server.issuer.issuer });
    },
  );

  it('RFC7662-2.1-a: takes the private key as PEM text too', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const clientKey = { ...publicKey.export({ format: 'jwk' }), alg: 'ES256' };
    const auth = {
      method: 'private_key_jwt',
      privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    } as const;
    server = await startIntrospectingServer(platform, {
      issuer: { introspection: { clientKey } as never },
      introspection: { auth },
    });
    await expectAccepted(server, server.opaque());
  });

  it('RFC7662-2.2-a: answers 503 where its own credentials are refused, and shows them to nobody', async () => {
    const auth = { method: 'client_secret_basic', clientSecret: 'hunter2-and-then-some' } as const;
    server = await startIntrospectingServer(platform, {
      introspection: { auth },
      options: { exposeErrorDetails: true },
    });
    const token = server.opaque();
    resetRecorded(server);
    const { text } = await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    const log = server.log.join('\n');
    expect(log).toMatch(/introspection endpoint .* status 401/);
    expectNoTrace('hunter2-and-then-some', { text, log });
    expectNoTrace(Buffer.from('resource-server:hunter2-and-then-some').toString('base64'), { text, log });
  });
});

describe.each(PLATFORMS)('the introspection endpoint, on %s', (platform) => {
  let server: IntrospectingServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it('LIB-15: is found in the metadata of the issuer, once', async () => {
    server = await startIntrospectingServer(platform);
    await expectAccepted(server, server.opaque());
    await expectAccepted(server, server.opaque());
    expect(server.issuer.requestCount('metadata')).toBe(1);
    expect(server.issuer.requestCount('jwks')).toBe(0);
  });

  it('is found where the metadata name no keys', async () => {
    server = await startIntrospectingServer(platform, { issuer: { metadata: { jwks_uri: undefined } } });
    await expectAccepted(server, server.opaque());
  });

  it('is the one of the options, if there is one, and then no metadata are asked for', async () => {
    const elsewhere = await TestIssuer.start({ alg: 'ES256', introspection: true });
    try {
      server = await startIntrospectingServer(platform, { introspection: { endpoint: elsewhere.introspectionUri } });
      elsewhere.answerIntrospection = () => ({ active: true, sub: 'x', aud: server!.resource });
      await expectAccepted(server, 'anything');
      expect(server.issuer.requests).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });

  it('is looked for again after it was gone', async () => {
    server = await startIntrospectingServer(platform, { issuer: { path: '/tenant' } });
    await expectAccepted(server, server.opaque());
    server.issuer.fail('not-found', 'introspection');
    await expectUndecided(server, server.opaque());
    server.issuer.recover();
    await expectAccepted(server, server.opaque());
    expect(server.issuer.requestCount('metadata')).toBe(2);
  });

  it('LIB-08: is not looked for by every request while the metadata cannot be had', async () => {
    server = await startIntrospectingServer(platform);
    server.issuer.fail('error', 'metadata');
    for (let i = 0; i < 3; i++) await expectUndecided(server, server.opaque());
    expect(server.issuer.requestCount('metadata')).toBe(1);
    server.issuer.recover();
    server.clock.now += 2_000;
    await expectAccepted(server, server.opaque());
  });

  it.each<[what: string, metadata: Record<string, unknown>]>([
    ['name none', { introspection_endpoint: undefined }],
    ['name one that is no URL', { introspection_endpoint: '/introspect' }],
    ['name one that is plain http', { introspection_endpoint: 'http://as.example/introspect' }],
    ['name one of another scheme', { introspection_endpoint: 'ftp://127.0.0.1/introspect' }],
    ['are those of another issuer', { issuer: 'https://other.example' }],
  ])('OA21-1.5-a: is not used where the metadata %s', async (_what, metadata) => {
    server = await startIntrospectingServer(platform, { issuer: { metadata } });
    await expectUndecided(server, server.opaque());
    expect(asked(server.issuer)).toBe(0);
  });

  it.each([{ jwksUri: 'https://as.example/keys' }, { jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x' }] } }])(
    'is found for an issuer whose keys are told (%j)',
    async (keys) => {
      const issuer = await TestIssuer.start({ alg: 'ES256', introspection: true });
      const notes = await startNotesServer(platform, {
        sharedIssuer: issuer,
        options: { authorizationServers: [{ ...introspecting(issuer), ...keys }] },
      });
      try {
        await expectAccepted(notes, issuer.opaque({ aud: notes.resource }));
      } finally {
        await notes.close();
        await issuer.close();
      }
    },
  );

  it('RFC7662-2.2-c: may name no audience where it is bound to this resource, and then no other; which is warned of', async () => {
    server = await startIntrospectingServer(platform, { introspection: { audienceBound: true } });
    expect(server.log.join('\n')).toMatch(/introspection\.audienceBound is on/);
    await expectAccepted(server, server.opaque({ aud: undefined }));
    for (const aud of [null, '', []]) await expectAccepted(server, server.opaque({ aud }));
    await expectAccepted(server, server.opaque());
    await expectRejected(server, server.opaque({ aud: 'other' }), 'audience_rejected');
  });

  it('RFC7662-4-a: is asked every time where nothing is to be remembered', async () => {
    server = await startIntrospectingServer(platform, { introspection: { cacheSeconds: 0, negativeCacheSeconds: 0 } });
    const token = server.opaque();
    await expectAccepted(server, token);
    issuer(server).revoke(token);
    await expectRejected(server, token, 'token_inactive');
    await expectRejected(server, token, 'token_inactive');
    expect(asked(server.issuer)).toBe(3);
  });

  it('RFC7662-4-a: is asked less often where that is said, also without a cache for JWTs', async () => {
    server = await startIntrospectingServer(platform, {
      introspection: { cacheSeconds: 250 },
      options: { cache: false },
    });
    const token = server.opaque();
    await expectAccepted(server, token);
    server.clock.now += 249_000;
    await expectAccepted(server, token);
    expect(asked(server.issuer)).toBe(1);
  });

  it('RFC7662-2.2-b: is asked again after a short time about a token without exp, however long answers are remembered', async () => {
    server = await startIntrospectingServer(platform, { introspection: { cacheSeconds: 3_600 } });
    const [dated, undated] = [
      server.opaque({ exp: Math.floor(server.clock.now / 1000) + 3_000 }),
      server.opaque({ exp: undefined }),
    ];
    for (const token of [dated, undated]) await expectAccepted(server, token);
    server.clock.now += 59_000;
    await expectAccepted(server, undated);
    expect(asked(server.issuer)).toBe(2);
    server.clock.now += 2_000;
    await expectAccepted(server, dated);
    expect(asked(server.issuer)).toBe(2);
    server.issuer.revoke(undated);
    await expectRejected(server, undated, 'token_inactive');
  });

  it('RFC7662-4-a: is remembered of a bounded number of tokens', async () => {
    server = await startIntrospectingServer(platform, { options: { cache: { maxEntries: 2 } } });
    const [first, ...others] = [server.opaque(), server.opaque(), server.opaque()];
    for (const token of [first!, ...others]) await expectAccepted(server, token);
    expect(asked(server.issuer)).toBe(3);
    await expectAccepted(server, others[1]!);
    expect(asked(server.issuer)).toBe(3);
    await expectAccepted(server, first!);
    expect(asked(server.issuer)).toBe(4);
  });

  it('RFC7662-4-a: tokens that were never issued push out none that were', async () => {
    server = await startIntrospectingServer(platform, { options: { cache: { maxEntries: 2 } } });
    const token = server.opaque();
    await expectAccepted(server, token);
    for (const junk of ['junk-1', 'junk-2', 'junk-3']) await expectRejected(server, junk, 'token_inactive');
    server.issuer.clearRequests();
    await expectAccepted(server, token);
    expect(asked(server.issuer)).toBe(0);
  });

  const issuer = ({ issuer: of }: IntrospectingServer): TestIssuer => of;
});

describe.each(PLATFORMS)('several issuers, on %s', (platform) => {
  let server: NotesServer;
  let opened: TestIssuer[] = [];
  afterEach(async () => {
    await server.close();
    await Promise.all(opened.map((issuer) => issuer.close()));
    opened = [];
  });

  async function issuers(count: number): Promise<TestIssuer[]> {
    opened = await Promise.all(
      Array.from({ length: count }, () => TestIssuer.start({ alg: 'ES256', introspection: true })),
    );
    return opened;
  }
  async function serve(shared: TestIssuer, authorizationServers: object[]): Promise<void> {
    server = await startNotesServer(platform, { sharedIssuer: shared, options: { authorizationServers } as never });
    server.clock.now = Date.now();
  }
  const opaqueOf = (issuer: TestIssuer, prefix?: string): string =>
    issuer.opaque({ aud: server.resource }, prefix === undefined ? {} : { prefix });

  it('LIB-15: sends an opaque token to the only one that is asked, and JWTs of the other to nobody', async () => {
    const [a, b] = (await issuers(2)) as [TestIssuer, TestIssuer];
    await serve(a, [introspecting(a), { issuer: b.issuer }]);
    await expectAccepted(server, opaqueOf(a));
    expect(b.requests).toEqual([]);
    await expectAccepted(server, await b.mint({ aud: server.resource }));
    expect([asked(a), asked(b)]).toEqual([1, 0]);
    await expectRejected(server, opaqueOf(b), 'token_inactive');
    expect(asked(b)).toBe(0);
  });

  it('LIB-15: sends a token to the one whose prefix it has, and to no other', async () => {
    const [a, b] = (await issuers(2)) as [TestIssuer, TestIssuer];
    await serve(a, [introspecting(a, { tokenPrefix: 'a_' }), introspecting(b, { tokenPrefix: 'b_' })]);
    await expectAccepted(server, opaqueOf(a, 'a_'));
    expect([asked(a), asked(b)]).toEqual([1, 0]);
    expect(b.requests).toEqual([]);
    await expectAccepted(server, opaqueOf(b, 'b_'));
    expect([asked(a), asked(b)]).toEqual([1, 1]);
    // Of the wrong one: known to be bad only by whom it is sent to.
    await expectRejected(server, opaqueOf(a, 'b_'), 'token_inactive');
    expect([asked(a), asked(b)]).toEqual([1, 2]);
  });

  it('LIB-15: sends a token without a known prefix to nobody', async () => {
    const [a, b] = (await issuers(2)) as [TestIssuer, TestIssuer];
    await serve(a, [introspecting(a, { tokenPrefix: 'a_' }), introspecting(b)]);
    for (const token of [opaqueOf(a), opaqueOf(b), opaqueOf(b, 'A_'), 'x.y.z', 'a.b.c.d.e']) {
      await expectRejected(server, token, 'token_unroutable');
    }
    expect([...a.requests, ...b.requests]).toEqual([]);
  });

  it('LIB-15: sends a token without the prefix of the only one to nobody', async () => {
    const [a] = (await issuers(1)) as [TestIssuer];
    await serve(a, [introspecting(a, { tokenPrefix: 'a_' })]);
    await expectAccepted(server, opaqueOf(a, 'a_'));
    await expectRejected(server, opaqueOf(a), 'token_unroutable');
    expect(asked(a)).toBe(1);
  });

  it('LIB-15: sends a JWT to the issuer it names, whatever the prefixes, and never to a place it names', async () => {
    const [a, b, stranger] = (await issuers(3)) as [TestIssuer, TestIssuer, TestIssuer];
    await serve(a, [introspecting(a, { tokenPrefix: 'eyJ' }), introspecting(b, { tokenPrefix: 'b_' })]);
    const token = await b.mint({ aud: server.resource, introspection_endpoint: stranger.introspectionUri });
    await expectAccepted(server, token);
    expect([asked(a), asked(b)]).toEqual([0, 1]);
    await expectRejected(server, await stranger.mint({ aud: server.resource }), 'issuer_unknown');
    expect([asked(a), asked(b), stranger.requests.length]).toEqual([0, 1, 0]);
  });

  it('LIB-15: does not believe one issuer about tokens of the other', async () => {
    const [a, b] = (await issuers(2)) as [TestIssuer, TestIssuer];
    await serve(a, [introspecting(a, { tokenPrefix: 'a_' }), introspecting(b, { tokenPrefix: 'b_' })]);
    await expectRejected(server, a.opaque({ aud: server.resource, iss: b.issuer }, { prefix: 'a_' }), 'issuer_unknown');
  });

  it('LIB-15: refuses an opaque token where nobody is asked', async () => {
    const [a] = (await issuers(1)) as [TestIssuer];
    await serve(a, [{ issuer: a.issuer }]);
    await expectRejected(server, opaqueOf(a), 'token_malformed');
    expect(a.requests).toEqual([]);
  });
});

describe.each(PLATFORMS)('signed introspection answers, on %s', (platform) => {
  let server: IntrospectingServer;
  let issuer: TestIssuer;
  beforeAll(async () => {
    server = await startIntrospectingServer(platform, { introspection: { signed: true } });
    ({ issuer } = server);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.clock.now += FORGOTTEN_MS;
    issuer.clearRequests();
    resetRecorded(server);
  });
  afterEach(() => {
    issuer.signedAnswer = {};
    issuer.answerIntrospection = undefined;
    issuer.recover();
  });
  const now = (): number => Math.floor(server.clock.now / 1000);

  it('RFC9701-5-a: asks for them, and believes what is in token_introspection', async () => {
    expect(await whoami(server, server.opaque({ sub: 'bob', scope: 'a' }))).toMatchObject({
      subject: 'bob',
      scopes: ['a'],
    });
    expect(issuer.requests.find(({ endpoint }) => endpoint === 'introspection')?.headers.accept).toBe(
      'application/token-introspection+jwt',
    );
  });

  it('RFC9701-5-a: takes nothing about the token from outside of it', async () => {
    issuer.signedAnswer = {
      claims: { sub: 'mallory', scope: 'admin', exp: now() + 900_000, active: false, client_id: 'x' },
    };
    const caller = await whoami(server, server.opaque({ sub: 'bob' }));
    expect(caller).toMatchObject({ subject: 'bob', scopes: [], clientId: 'test-client' });
    issuer.signedAnswer = { claims: { active: true, sub: 'mallory', aud: ['resource-server', server.resource] } };
    await expectRejected(server, 'never-issued', 'token_inactive');
  });

  it.each<[what: string, changes: () => SignedAnswerChanges]>([
    ['an audience among several', () => ({ claims: { aud: ['x', 'resource-server'] } })],
    ['the resource as its audience', () => ({ claims: { aud: server.resource } })],
    ['its typ in full', () => ({ header: { typ: 'application/token-introspection+jwt' } })],
    ['its typ in upper case', () => ({ header: { typ: 'TOKEN-INTROSPECTION+JWT' } })],
    ['iat five minutes ahead', () => ({ claims: { iat: now() + 300 } })],
    ['exp to come', () => ({ claims: { exp: now() + 1 } })],
    ['exp within the tolerance', () => ({ claims: { exp: now() - 4 } })],
    ['nbf of now', () => ({ claims: { nbf: now() } })],
    ['nbf within the tolerance', () => ({ claims: { nbf: now() + 4 } })],
    ['exp and nbf without a value', () => ({ claims: { exp: null, nbf: null } })],
    ['no kid', () => ({ header: { kid: undefined } })],
  ])('RFC9701-5-a: accepts one with %s', async (_what, changes) => {
    issuer.signedAnswer = changes();
    await expectAccepted(server, server.opaque());
  });

  it.each<[what: string, changes: () => SignedAnswerChanges | Promise<SignedAnswerChanges>]>([
    ['the typ of an access token', () => ({ header: { typ: 'at+jwt' } })],
    ['typ JWT', () => ({ header: { typ: 'JWT' } })],
    ['no typ', () => ({ header: { typ: undefined } })],
    ['another audience', () => ({ claims: { aud: 'other' } })],
    ['an audience that merely begins the same', () => ({ claims: { aud: 'resource-server-2' } })],
    ['no audience', () => ({ claims: { aud: undefined } })],
    ['another issuer', () => ({ claims: { iss: 'https://other.example' } })],
    ['the issuer with a slash', () => ({ claims: { iss: `${issuer.issuer}/` } })],
    ['no issuer', () => ({ claims: { iss: undefined } })],
    ['no iat', () => ({ claims: { iat: undefined } })],
    ['iat more than five minutes ahead', () => ({ claims: { iat: now() + 302 } })],
    ['exp in the past', () => ({ claims: { exp: now() - 6 } })],
    ['exp as text', () => ({ claims: { exp: `${now() + 900}` } })],
    ['exp that is no time', () => ({ claims: { exp: -1 } })],
    ['nbf to come', () => ({ claims: { nbf: now() + 7 } })],
    ['nbf as text', () => ({ claims: { nbf: `${now()}` } })],
    ['iat as text', () => ({ claims: { iat: `${now()}` } })],
    ['a key of somebody else', async () => ({ key: await generateTestKey({ alg: 'ES256' }) })],
    [
      'a key of somebody else under the right kid',
      async () => ({ key: { ...(await generateTestKey({ alg: 'ES256' })), kid: issuer.key.kid } }),
    ],
    ['no signature', () => ({ header: { alg: 'none' }, signature: '' })],
    ['a signature by another name', () => ({ header: { alg: 'RS256' } })],
    ['an extension that is critical', () => ({ header: { crit: ['x'], x: 1 } })],
    ['nothing about a token', () => ({ claims: { token_introspection: undefined } })],
    ['text about a token', () => ({ claims: { token_introspection: '{"active":true}' } })],
    ['a list about a token', () => ({ claims: { token_introspection: [{ active: true }] } })],
    ['active "true"', () => ({ claims: { token_introspection: { active: 'true' } } })],
    ['the answer outside of it', () => ({ claims: { token_introspection: {}, active: true } })],
    ['no JSON in it', () => ({ payload: 'active' })],
  ])('RFC9701-5-a: cannot tell from one with %s', async (_what, changes) => {
    issuer.signedAnswer = await changes();
    await expectUndecided(server, server.opaque());
  });

  it('RFC9701-5-a: cannot tell from plain JSON', async () => {
    issuer.signedAnswer = 'never';
    await expectUndecided(server, server.opaque());
  });

  it('RFC9701-5-a: cannot tell from plain JSON that calls itself signed', async () => {
    issuer.answerIntrospection = (right) =>
      new Response(JSON.stringify(right), { headers: { 'content-type': 'application/token-introspection+jwt' } });
    await expectUndecided(server, server.opaque());
  });

  it('RFC9701-5-a: cannot tell while the keys cannot be had', async () => {
    const fresh = await startIntrospectingServer(platform, { introspection: { signed: true } });
    try {
      fresh.issuer.fail('error', 'jwks');
      await expectUndecided(fresh, fresh.opaque());
    } finally {
      await fresh.close();
    }
  });

  it('RFC9701-5-a: refuses a signed answer as an access token', async () => {
    issuer.signedAnswer = {
      claims: { aud: ['resource-server', server.resource], sub: 'x', client_id: 'x', exp: now() + 300 },
    };
    const { clientId, clientSecret } = issuer.introspectionClient;
    const response = await fetch(issuer.introspectionUri, {
      method: 'POST',
      headers: {
        accept: 'application/token-introspection+jwt',
        authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ token: server.opaque() }).toString(),
    });
    await expectRejected(server, await response.text(), 'type_rejected');
  });
});
