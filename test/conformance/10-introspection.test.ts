import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateTestKey, TestIssuer, type TestFault } from 'nestjs-mcp-auth/testing';
import type { McpAuthReason } from '../../lib/core/error.js';
import { expectNoTrace, expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';
import { FORGOTTEN_MS, expectUndecided } from '../support/introspection-answers.js';

// Tokens that the authorization server is asked about: what is asked, what is believed of the answer, and for how long.

/** How long the endpoint is left alone after it has failed. */
const FAILURE_COOL_DOWN_MS = 2_000;

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
      ['an issuer that is not a string', () => ({ iss: [issuer.issuer] }), 'issuer_unknown'],
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
      ['a subject that is not a string', () => ({ sub: 7 }), 'claim_malformed'],
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
