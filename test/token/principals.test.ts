import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { VerifiedToken } from 'nestjs-mcp-auth';
import { resetRecorded } from '../support/expectations.js';
import { introspecting, startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';

// Two people are never one principal: RFC 9068 §2.2 demands a subject, and §5 makes it the client only where no user is involved.

/** Each shows that a user stands behind the token. */
const SIGNS: readonly Readonly<Record<string, unknown>>[] = [
  { sid: 's-1' },
  { session_state: 's-1' },
  { session_id: 's-1' },
  { auth_time: 1_700_000_000 },
  { auth_time: 0 },
  { acr: '1' },
  { amr: ['pwd'] },
  { username: 'alice' },
  { preferred_username: 'alice' },
  { name: 'Alice' },
  { given_name: 'Alice' },
  { email: 'alice@example.com' },
  { email_verified: false },
  { picture: 'https://a.example/p.png' },
  { locale: 'de' },
  { phone_number: '+1' },
  { address: { country: 'DE' } },
  { oid: '0f1e' },
  { upn: 'alice@example.com' },
  { unique_name: 'alice' },
  { uid: '00u1' },
  { user_id: '7' },
  { user_name: 'alice' },
  { act: { sub: 'service' } },
  { may_act: { sub: 'service' } },
  { idp: 'google' },
  { 'cognito:username': 'alice' },
  { scope: 'openid' },
  { scope: 'notes:read email' },
  { scope: ['profile'] },
  { scope: undefined, scp: ['offline_access'] },
];

/** Those that mark a JWT as an ID token, which is refused for that. */
const SIGNS_OF_ID_TOKENS = [{ nonce: 'n-1' }, { at_hash: 'h' }, { c_hash: 'h' }];

const NO_SUBJECTS = [undefined, null, '', []];

const KEYCLOAK = { sub: undefined, client_id: undefined, azp: 'mcp-public', typ: 'Bearer' };

describe.each(PLATFORMS)('LIB-22: a JWT without a subject, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform);
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const mint = (claims: Readonly<Record<string, unknown>>, typ?: string): Promise<string> =>
    server.mint({ sub: undefined, ...claims }, { header: { typ } });

  it.each(SIGNS)('LIB-22: is refused where %j shows a user, whatever its type', async (sign) => {
    for (const typ of ['at+jwt', 'JWT', undefined]) {
      await expectRejected(server, await mint({ scope: 'a', ...sign }, typ), 'subject_missing');
    }
  });

  it.each(SIGNS_OF_ID_TOKENS)('LIB-22: is refused where %j shows a user', async (sign) => {
    await expectRejected(server, await mint(sign), 'not_an_access_token');
  });

  it('LIB-22: is refused however the subject is left out', async () => {
    for (const sub of NO_SUBJECTS)
      await expectRejected(server, await server.mint({ sub, sid: 's-1' }), 'subject_missing');
  });

  it('LIB-22: is refused as Keycloak issues it without the client scope basic, and with lightweight tokens', async () => {
    const full = {
      ...KEYCLOAK,
      sid: 's-1',
      acr: '1',
      preferred_username: 'bob',
      email: 'bob@example.com',
      scope: 'profile email a',
    };
    const lightweight = { ...KEYCLOAK, sid: 's-1', scope: 'profile a email' };
    const withoutSession = { ...KEYCLOAK, scope: 'a' };
    for (const claims of [full, lightweight, withoutSession])
      await expectRejected(server, await mint(claims, 'JWT'), 'subject_missing');
  });

  it('LIB-22: is refused where azp, a claim of ID tokens, is all that names the client', async () => {
    await expectRejected(
      server,
      await mint({ client_id: undefined, azp: 'web', scope: 'a' }, 'JWT'),
      'subject_missing',
    );
  });

  it.each([
    { client_id: 'worker' },
    { client_id: 'worker', azp: 'worker' },
    { cid: 'worker', client_id: undefined },
    { appid: 'worker', client_id: undefined },
  ])('LIB-22: is that of the client where %j names it, and nothing shows a user', async (claims) => {
    expect(await whoami(server, await mint({ scope: 'a', ...claims }, 'JWT'))).toMatchObject({
      clientId: 'worker',
      kind: 'client',
    });
  });

  it('LIB-22: takes members that say nothing for no sign of a user', async () => {
    const nothing = { username: null, email: '', amr: [], sid: null, preferred_username: '', act: null };
    expect(await whoami(server, await mint({ client_id: 'worker', ...nothing }))).toMatchObject({ kind: 'client' });
  });
});

describe.each(PLATFORMS)('LIB-22: the subject by configuration, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  async function start(subject: string | string[]): Promise<NotesServer> {
    const started = await startNotesServer(platform);
    const { issuer } = started;
    await started.app.close();
    server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [{ issuer: issuer.issuer, claims: { subject } }] },
    });
    const { close } = server;
    server = {
      ...server,
      close: async () => {
        await close();
        await issuer.close();
      },
    };
    return server;
  }

  it('LIB-22: counts, and tells users apart', async () => {
    const started = await start(['sub', 'email']);
    const claims = { sub: undefined, sid: 's' };
    const [alice, bob] = [
      await whoami(started, await started.mint({ ...claims, email: 'alice@example.com' })),
      await whoami(started, await started.mint({ ...claims, email: 'bob@example.com' })),
    ];
    expect(alice).toMatchObject({ subject: 'alice@example.com', kind: 'user' });
    expect(alice['principalKey']).not.toBe(bob['principalKey']);
    await expectRejected(started, await started.mint(claims), 'subject_missing');
  });

  it('LIB-22: is none where it is read from the client, of which all users would be the same', async () => {
    const started = await start(['sub', 'azp']);
    await expectRejected(
      started,
      await started.mint({ ...KEYCLOAK, sid: 's', scope: 'a' }, { header: { typ: 'JWT' } }),
      'subject_missing',
    );
    const machine = await started.mint(
      { sub: undefined, client_id: undefined, azp: 'worker', scope: 'a' },
      { header: { typ: 'JWT' } },
    );
    expect(await whoami(started, machine)).toMatchObject({ subject: 'worker', kind: 'client' });
  });

  it('LIB-22: leaves no user out who has a sub, and not what is read in its place', async () => {
    const started = await start('uid');
    await expectRejected(started, await started.mint({ sub: 'alice' }), 'subject_missing');
    await expectAccepted(started, await started.mint({ sub: 'alice', uid: '00u1' }));
    expect(await whoami(started, await started.mint({ sub: 'worker', client_id: 'worker' }))).toMatchObject({
      kind: 'client',
    });
  });
});

describe.each(PLATFORMS)('LIB-22: an introspection answer without a subject, on %s', (platform) => {
  let server: IntrospectingServer;
  beforeAll(async () => {
    server = await startIntrospectingServer(platform, { introspection: { cacheSeconds: 0, negativeCacheSeconds: 0 } });
  });
  afterAll(() => server.close());

  it.each([...SIGNS, ...SIGNS_OF_ID_TOKENS, { typ: 'Bearer' }])(
    'LIB-22: is refused where %j shows a user',
    async (sign) => {
      await expectRejected(server, server.opaque({ sub: undefined, scope: 'a', ...sign }), 'subject_missing');
    },
  );

  it('LIB-22: is refused as django-oauth-toolkit answers, and accepted with the claim that names the user', async () => {
    const { issuer } = server;
    issuer.answerIntrospection = (_right, token) => ({
      active: true,
      scope: 'a',
      exp: Math.floor(server.clock.now / 1000) + 300,
      client_id: 'mcp-public',
      aud: [server.resource],
      username: token.split('-')[0],
    });
    await expectRejected(server, 'alice-opaque', 'subject_missing');
    const claims = { subject: ['sub', 'username'] };
    const configured = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [{ ...introspecting(issuer), claims }] },
    });
    issuer.answerIntrospection = (_right, token) => ({
      active: true,
      client_id: 'mcp-public',
      aud: configured.resource,
      username: token.split('-')[0],
    });
    const [alice, bob] = [await whoami(configured, 'alice-opaque'), await whoami(configured, 'bob-opaque')];
    expect([alice, bob]).toMatchObject([
      { subject: 'alice', kind: 'user' },
      { subject: 'bob', kind: 'user' },
    ]);
    expect(alice['principalKey']).not.toBe(bob['principalKey']);
    await configured.close();
    issuer.answerIntrospection = undefined;
  });

  it('LIB-22: is refused where the JWT that was asked about shows the user, or names one', async () => {
    for (const claims of [{ sub: undefined, sid: 's' }, { sub: 'alice' }]) {
      server.issuer.answerIntrospection = () => ({
        active: true,
        client_id: 'web',
        aud: server.resource,
        token_type: 'Bearer',
      });
      await expectRejected(server, await server.mint(claims), 'subject_missing');
      server.issuer.answerIntrospection = undefined;
    }
  });

  it('LIB-22: is that of the client where nothing shows a user', async () => {
    expect(await whoami(server, server.opaque({ sub: undefined, client_id: 'worker' }))).toMatchObject({
      clientId: 'worker',
      kind: 'client',
    });
  });
});

describe.each(PLATFORMS)('LIB-22: what a verifier returns without a subject, on %s', (platform) => {
  let server: NotesServer;
  let result: Partial<VerifiedToken> & Record<string, unknown> = {};
  beforeAll(async () => {
    const verifier = (): VerifiedToken => ({
      issuer: server.issuer.issuer,
      clientId: 'web',
      scopes: [],
      audience: [server.resource],
      claims: {},
      expiresAt: Math.floor(server.clock.now / 1000) + 300,
      ...result,
    });
    server = await startNotesServer(platform, { options: { verifier } });
  });
  afterAll(() => server.close());

  it.each([{ username: 'alice' }, { sid: 's' }, { sub: 'alice' }, { typ: 'Bearer' }])(
    'LIB-22: is refused where the claims %j show a user',
    async (claims) => {
      result = { claims };
      await expectRejected(server, 'any', 'subject_missing');
      result = { claims, subject: 'alice' };
      await expectAccepted(server, 'any');
    },
  );

  it('LIB-22: is that of the client where nothing shows a user, and says of what kind it is', async () => {
    result = { claims: { scope: 'a' } };
    expect(await whoami(server, 'any')).toMatchObject({ clientId: 'web', kind: 'client' });
    for (const kind of ['user', 'client', 'unknown'] as const) {
      result = { subject: 'x', kind };
      expect(await whoami(server, 'any')).toMatchObject({ kind });
    }
    result = { subject: 'x', kind: 'admin' as never };
    await expectRejected(server, 'any', 'claim_malformed');
  });
});
