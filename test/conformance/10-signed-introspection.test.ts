import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateTestKey, TestIssuer, type SignedAnswerChanges } from 'nestjs-mcp-auth/testing';
import { resetRecorded } from '../support/expectations.js';
import { startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';
import { FORGOTTEN_MS, expectUndecided } from '../support/introspection-answers.js';

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
    ['exp that is not a time', () => ({ claims: { exp: -1 } })],
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
