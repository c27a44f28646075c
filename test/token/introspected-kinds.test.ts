import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IntrospectionOptions } from 'nestjs-mcp-auth';
import { startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason, expectRejected } from '../support/tokens.js';

// What servers call active besides access tokens, and how their access tokens are told from it: RFC 7662 §2.2, §4.

type Members = Readonly<Record<string, unknown>>;

/** As real servers answer about access tokens, told the resource, or nothing where the answer names no audience. */
const ACCESS_TOKENS: Readonly<Record<string, (aud: Members) => Members>> = {
  Keycloak: (aud) => ({
    sub: 'u',
    azp: 'web',
    client_id: 'web',
    username: 'alice',
    typ: 'Bearer',
    token_type: 'Bearer',
    sid: 's',
    acr: '1',
    scope: 'a',
    ...aud,
  }),
  'Ory Hydra': (aud) => ({
    sub: 'u',
    client_id: 'web',
    scope: 'a',
    token_type: 'Bearer',
    token_use: 'access_token',
    ...aud,
  }),
  'Spring Authorization Server': (aud) => ({
    sub: 'u',
    client_id: 'web',
    scope: 'a',
    token_type: 'Bearer',
    jti: 'j',
    ...aud,
  }),
  'Better Auth': (aud) => ({
    sub: 'u',
    client_id: 'web',
    azp: 'web',
    scope: 'a',
    sid: 's',
    token_type: 'Bearer',
    ...aud,
  }),
  'node-oidc-provider': (aud) => ({ sub: 'u', client_id: 'web', scope: 'a', token_type: 'Bearer', ...aud }),
  'a server that writes it in lower case': (aud) => ({ sub: 'u', client_id: 'web', token_type: 'bearer', ...aud }),
  'a server that names the kind there': (aud) => ({ sub: 'u', client_id: 'web', token_type: 'access_token', ...aud }),
  'a server that has a use alone': (aud) => ({ sub: 'u', client_id: 'web', token_use: 'access_token', ...aud }),
  'a server that has a typ alone': (aud) => ({ sub: 'u', client_id: 'web', typ: 'Bearer', ...aud }),
};

/** Those that never say what kind of token they are about. */
const SILENT: Readonly<Record<string, Members>> = {
  'django-oauth-toolkit, with the user in sub': { sub: 'alice', client_id: 'web', scope: 'a' },
  'zitadel/oidc': { sub: 'id1', client_id: 'web', scope: 'openid offline_access' },
};

const REFRESH_TOKENS: Readonly<Record<string, Members>> = {
  'node-oidc-provider': { sub: 'alice', client_id: 'web', scope: 'openid offline_access a' },
  'Spring Authorization Server': { client_id: 'web' },
  'a server that has null for what it does not say': {
    sub: 'alice',
    client_id: 'web',
    token_type: null,
    token_use: '',
    typ: [],
  },
};

/** Whatever audience they have. */
const OTHERS: Readonly<Record<string, Members>> = {
  'a refresh token of Hydra': { sub: 'u', client_id: 'web', token_type: 'Bearer', token_use: 'refresh_token' },
  'a refresh token of Keycloak': { sub: 'u', client_id: 'web', typ: 'Refresh' },
  'an offline token of Keycloak': { sub: 'u', client_id: 'web', typ: 'Offline', token_type: 'Bearer' },
  'a refresh token by type': { sub: 'u', client_id: 'web', token_type: 'refresh_token' },
  'an ID token of Keycloak': { sub: 'u', client_id: 'web', typ: 'ID' },
  'an ID token by its hash': { sub: 'u', client_id: 'web', at_hash: 'h' },
  'an ID token by its nonce': { sub: 'u', client_id: 'web', nonce: 'n' },
};

describe.each(PLATFORMS)('what introspection calls active, on %s', (platform) => {
  const open: IntrospectingServer[] = [];
  let plain: IntrospectingServer;
  let bound: IntrospectingServer;
  let known: IntrospectingServer;

  async function start(
    introspection: Partial<IntrospectionOptions>,
    audience?: string[],
  ): Promise<IntrospectingServer> {
    const server = await startIntrospectingServer(platform, {
      introspection: { cacheSeconds: 0, negativeCacheSeconds: 0, ...introspection },
      ...(audience && { options: { audience } }),
    });
    open.push(server);
    return server;
  }
  beforeAll(async () => {
    plain = await start({});
    bound = await start({ audienceBound: true });
    known = await start({ audienceBound: true, accessTokensOnly: true });
  });
  afterAll(() => Promise.all(open.map((server) => server.close())));

  function answered(server: IntrospectingServer, members: Members): string {
    server.issuer.answerIntrospection = () => ({
      active: true,
      exp: Math.floor(server.clock.now / 1000) + 300,
      ...members,
    });
    return 'an-opaque-token';
  }

  it.each(Object.entries(ACCESS_TOKENS))(
    'RFC7662-2.2-b: an access token of %s is accepted, with an audience and, where it may be missing, without',
    async (_what, answer) => {
      await expectAccepted(plain, answered(plain, answer({ aud: [plain.resource] })));
      await expectAccepted(bound, answered(bound, answer({ aud: bound.resource })));
      await expectAccepted(bound, answered(bound, answer({})));
    },
  );

  it.each(Object.entries(SILENT))(
    'RFC7662-2.2-b: an access token of %s is accepted by its audience, or by the option for such servers',
    async (_what, members) => {
      await expectAccepted(plain, answered(plain, { ...members, aud: plain.resource }));
      await expectAccepted(known, answered(known, members));
      await expectRejected(bound, answered(bound, members), 'not_an_access_token');
    },
  );

  it.each(Object.entries(REFRESH_TOKENS))(
    'RFC7662-2.2-c: a refresh token of %s is refused, whether or not an audience may be missing',
    async (_what, members) => {
      await expectRejected(plain, answered(plain, members), 'audience_missing');
      for (const aud of [undefined, null, '', []])
        await expectRejected(bound, answered(bound, { ...members, aud }), 'not_an_access_token');
      expect(bound.log.join('\n')).toMatch(
        /names no audience, and is not called an access token by token_type.*introspection\.accessTokensOnly/,
      );
    },
  );

  it.each(Object.entries(OTHERS))('RFC7662-2.2-b: %s is refused, whatever audience it has', async (_what, members) => {
    for (const server of [plain, bound]) {
      await expectRejected(server, answered(server, { ...members, aud: server.resource }), 'not_an_access_token');
    }
    await expectRejected(bound, answered(bound, members), 'not_an_access_token');
  });

  it('RFC7662-2.2-b: an option that takes the word for it changes nothing for what says that it is something else', async () => {
    const marked = Object.entries(OTHERS).filter(([what]) => !what.includes('by its'));
    for (const [, members] of marked) await expectRejected(known, answered(known, members), 'not_an_access_token');
  });

  it('RFC9068-2.1-a: a JWT that says in its header that it is an access token needs no such word of the answer', async () => {
    answered(bound, { sub: 'u', client_id: 'web' });
    await expectAccepted(bound, await bound.mint({}, { header: { typ: 'at+jwt' } }));
    for (const typ of ['JWT', undefined])
      await expectRejected(bound, await bound.mint({}, { header: { typ } }), 'not_an_access_token');
    answered(bound, { sub: 'u', client_id: 'web', token_use: 'refresh_token' });
    await expectRejected(bound, await bound.mint({}, { header: { typ: 'at+jwt' } }), 'not_an_access_token');
  });

  it('RFC7662-2.2-b: an ID token of Spring is refused where the ID of its client is an accepted audience', async () => {
    const server = await start({}, ['web']);
    const idToken = {
      sub: 'alice',
      azp: 'web',
      client_id: 'web',
      aud: ['web'],
      sid: 's',
      auth_time: '2026-11-30T00:06:25.652Z',
    };
    await expectRejected(server, answered(server, idToken), 'not_an_access_token');
    expect(server.log.join('\n')).toContain('its only audience is its own client');
    await expectAccepted(server, answered(server, { ...idToken, token_type: 'Bearer' }));
    await expectAccepted(server, answered(server, { ...idToken, aud: ['web', 'other'] }));
  });

  it('RFC7662-2.2-b: a token that is bound to a key by DPoP is called that, wherever the server says so', async () => {
    for (const members of [
      { typ: 'DPoP' },
      { token_type: 'DPoP' },
      { token_type: 'dpop' },
      { token_type: 'Bearer', cnf: { jkt: 'x' } },
    ]) {
      await expectRejected(
        plain,
        answered(plain, { sub: 'u', client_id: 'web', aud: plain.resource, ...members }),
        'sender_constrained',
      );
    }
  });

  it('never calls an opaque token a JWT, nor says that it says something', async () => {
    for (const members of [...Object.values(OTHERS), { token_type: 'N_A' }, { sub: 7 }, { active: false }]) {
      await plain.callTool('ping', answered(plain, { aud: plain.resource, ...members }));
    }
    const lines = plain.log.filter((line) => line.startsWith('Refused')).join('\n');
    expect(lines).not.toMatch(/JWT|as the token says/);
    expect(lines).toContain(`issuer ${plain.issuer.issuer}, which is asked about such tokens`);
  });

  it('marks another kind by what tells it alone', async () => {
    await expectRejected(
      plain,
      answered(plain, { ...OTHERS['a refresh token of Hydra'], aud: plain.resource }),
      'not_an_access_token',
    );
    expectReason(plain, 'not_an_access_token');
    expect(plain.log.join('\n')).toContain('(marked by ["token_use refresh_token"])');
  });

  it('warns at the start where the word of the server is taken', async () => {
    const server = await start({ accessTokensOnly: true });
    expect(server.log.join('\n')).toMatch(/introspection\.accessTokensOnly is on/);
  });
});
