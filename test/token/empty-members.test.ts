import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { McpAuthError, McpAuthService } from 'nestjs-mcp-auth';
import { alwaysAsync } from '../fuzz/property.js';
import { resetRecorded } from '../support/expectations.js';
import { startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';

// LIB-30: absent, null and empty members mean the same, in JWTs as in introspection answers.

type Claims = Readonly<Record<string, unknown>>;

/** Every claim that some rule reads. */
const NAMES = [
  'iss',
  'aud',
  'exp',
  'nbf',
  'iat',
  'sub',
  'client_id',
  'azp',
  'cid',
  'appid',
  'jti',
  'scope',
  'scp',
  'cnf',
  'act',
  'may_act',
  'nonce',
  'at_hash',
  'c_hash',
  's_hash',
  'events',
  'token_introspection',
  'htm',
  'htu',
  'response_type',
  'typ',
  'token_use',
  'token_type',
  'gty',
  'idtyp',
  'sid',
  'session_state',
  'auth_time',
  'acr',
  'amr',
  'username',
  'preferred_username',
  'email',
  'name',
  'clientHost',
  'authorization_details',
] as const;

const EMPTY = fc.constantFrom<unknown>(null, '', []);

/** Good claims of several products, told what depends on the server. */
const GOOD: Readonly<Record<string, Claims>> = {
  'RFC 9068': { sub: 'alice', client_id: 'c', scope: 'a b', jti: 'j' },
  Keycloak: { sub: '0f1e', azp: 'web', typ: 'Bearer', sid: 's', acr: '1', auth_time: 1, scope: 'email a' },
  Hydra: { sub: 'alice', client_id: 'c', scp: ['a'], ext: {}, nbf: 1 },
  Spring: { sub: 'alice', scope: ['a'], nbf: 1 },
  'client credentials': { client_id: 'worker', scope: 'a' },
  'a user without a subject': { client_id: 'web', sid: 's', scope: 'a' },
};

/** What is made of a token: who calls with which scopes, or the reason why it is refused. */
async function outcomeOf(server: NotesServer, token: string): Promise<unknown> {
  try {
    const { subject, clientId, scopes, kind, principalKey, actor, audience } = await server.app
      .get(McpAuthService)
      .verify(token);
    return { subject, clientId, scopes, kind, principalKey, actor, audience };
  } catch (error) {
    if (error instanceof McpAuthError) return error.reason;
    throw error;
  }
}

const changes = fc.tuple(
  fc.constantFrom(...Object.keys(GOOD)),
  fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), EMPTY), {
    minLength: 1,
    maxLength: 6,
    selector: ([name]) => name,
  }),
  fc.constantFrom('at+jwt', 'JWT', undefined),
);

describe('LIB-30: a claim without a value', () => {
  let server: NotesServer;
  let asked: IntrospectingServer;
  beforeAll(async () => {
    [server, asked] = await Promise.all([
      startNotesServer('express', { issuer: { alg: 'ES256' } }),
      startIntrospectingServer('express', { introspection: { cacheSeconds: 0, negativeCacheSeconds: 0 } }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([server.close(), asked.close()]);
  });

  it('LIB-30: means in a JWT what an absent claim means, for any of them, in any number', async () => {
    await alwaysAsync(1_000, changes, async ([product, empties, typ]) => {
      const good = { client_id: undefined, sub: undefined, ...GOOD[product] };
      const absent = Object.fromEntries(empties.map(([name]) => [name, undefined]));
      const [one, other] = [
        await server.mint({ ...good, ...Object.fromEntries(empties) }, { header: { typ } }),
        await server.mint({ ...good, ...absent }, { header: { typ } }),
      ];
      expect([product, empties, await outcomeOf(server, one)]).toEqual([
        product,
        empties,
        await outcomeOf(server, other),
      ]);
    });
  });

  it('LIB-30: means in an introspection answer what an absent member means, for any of them, in any number', async () => {
    await alwaysAsync(500, changes, async ([product, empties]) => {
      const base = {
        active: true,
        aud: asked.resource,
        exp: Math.floor(asked.clock.now / 1000) + 300,
        ...GOOD[product],
      };
      const outcomes: unknown[] = [];
      for (const answer of [
        { ...base, ...Object.fromEntries(empties) },
        { ...base, ...Object.fromEntries(empties.map(([name]) => [name, undefined])) },
      ]) {
        asked.issuer.answerIntrospection = () => answer;
        outcomes.push(await outcomeOf(asked, 'an-opaque-token'));
      }
      expect([product, empties, outcomes[0]]).toEqual([product, empties, outcomes[1]]);
    });
  });
});

describe.each(PLATFORMS)('LIB-30: claims as products write them without a value, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform);
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it.each<Claims>([
    { nonce: null },
    { nonce: '' },
    { cnf: null },
    { client_id: '', sub: 'svc' },
    { client_id: null, azp: 'web' },
    { azp: null },
    { scope: null },
    { nbf: null, iat: null },
    { typ: null, token_use: '' },
    { events: [] },
    { act: null },
  ])('LIB-30: accepts %j beside good ones', async (claims) => {
    for (const typ of ['at+jwt', 'JWT'])
      await expectAccepted(server, await server.mint({ scope: 'a', ...claims }, { header: { typ } }));
  });

  it('LIB-30: finds the client where the first name for it says nothing', async () => {
    for (const client_id of [null, '', []])
      expect(await whoami(server, await server.mint({ client_id, azp: 'web' }))).toMatchObject({ clientId: 'web' });
  });

  it('LIB-30: takes a claim for said that is a list of nothing, an empty object, zero or false', async () => {
    for (const cnf of [{}, [null], [''], 0, false])
      await expectRejected(server, await server.mint({ cnf }), 'sender_constrained');
    for (const nonce of [{}, [null], 0, false, ' '])
      await expectRejected(server, await server.mint({ nonce }), 'not_an_access_token');
  });
});
