import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { VerifiedToken } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { whoami } from '../support/tokens.js';

// Products write scopes as text or as a list, in `scope` or in `scp`: RFC 9068 §2.2.3, RFC 7662 §2.2, RFC 8693 §4.2.

type Claims = Readonly<Record<string, unknown>>;

const GRANTED: readonly [claims: Claims, scopes: readonly string[]][] = [
  [{ scope: 'a b' }, ['a', 'b']],
  [{ scope: ['a', 'b'] }, ['a', 'b']],
  [{ scp: 'a b' }, ['a', 'b']],
  [{ scp: ['a', 'b'] }, ['a', 'b']],
  [{ scope: ['a', 'a', 7, null, '', 'not one', ['b'], {}] }, ['a']],
  [{ scope: 'a b', scp: ['a', 'b'] }, ['a', 'b']],
  [{ scope: 'a', scp: ['b'] }, ['a']],
  [{ scope: null, scp: 'a' }, ['a']],
  [{ scope: '', scp: 'a' }, ['a']],
  [{ scope: [], scp: ['a'] }, ['a']],
  [{ scope: ' ', scp: 'a' }, []],
  [{ scope: {}, scp: 'a' }, []],
  [{ scope: 7, scp: 'a' }, []],
  [{ scope: ['a b'], scp: 'a' }, []],
  [{ scope: ['a b', 'c'] }, ['c']],
  [{ scope: 'a,b' }, ['a,b']],
  [{ scope: { a: true } }, []],
  [{ scope: [['a']] }, []],
  [{ scopes: ['a'], roles: ['a'] }, []],
  [{}, []],
];

describe.each(PLATFORMS)('RFC9068-2.2.3: the scopes of a token, with nothing configured, on %s', (platform) => {
  let issuer: TestIssuer;
  let byJwt: NotesServer;
  let byAnswer: NotesServer;
  let bySignedAnswer: NotesServer;
  let byVerifier: NotesServer;
  let members: Claims = {};

  beforeAll(async () => {
    // It stands still, as the clocks of the servers do: signed answers must not come from their future.
    const startedAt = Date.now();
    issuer = await TestIssuer.start({ alg: 'ES256', introspection: true, now: () => startedAt });
    const start = (options: object): Promise<NotesServer> =>
      startNotesServer(platform, { sharedIssuer: issuer, options });
    const uncached = { cacheSeconds: 0, negativeCacheSeconds: 0 };
    byJwt = await start({});
    byAnswer = await start({ authorizationServers: [introspecting(issuer, uncached)] });
    bySignedAnswer = await start({ authorizationServers: [introspecting(issuer, { ...uncached, signed: true })] });
    const verifier = (): VerifiedToken => ({
      issuer: issuer.issuer,
      subject: 'alice',
      clientId: 'c',
      audience: [byVerifier.resource],
      claims: {},
      expiresAt: Math.floor(byVerifier.clock.now / 1000) + 300,
      scopes: members['scope'] as string[],
    });
    byVerifier = await start({ verifier });
  });
  afterAll(async () => {
    await Promise.all([byJwt, byAnswer, bySignedAnswer, byVerifier].map((server) => server.close()));
    await issuer.close();
  });
  beforeEach(() => [byJwt, byAnswer, bySignedAnswer, byVerifier].forEach(resetRecorded));

  it.each(GRANTED)(
    'RFC9068-2.2.3: %j grants %j, in a JWT of any type and in an introspection answer',
    async (claims, scopes) => {
      for (const typ of ['at+jwt', 'JWT', undefined])
        expect(await whoami(byJwt, await byJwt.mint(claims, { header: { typ } }))).toMatchObject({ scopes });
      for (const server of [byAnswer, bySignedAnswer]) {
        expect(await whoami(server, issuer.opaque({ aud: server.resource, ...claims }))).toMatchObject({ scopes });
      }
    },
  );

  it.each([['a b'], [['a', 'b']]])('RFC9068-2.2.3: what a verifier returns may be %j', async (scope) => {
    members = { scope };
    expect(await whoami(byVerifier, 'any')).toMatchObject({ scopes: ['a', 'b'] });
  });

  it('RFC9068-2.2.3: let the tool run that needs them, as Spring and Hydra write them, and no other', async () => {
    for (const claims of [
      { client_id: undefined, scope: ['a', 'b'] },
      { scp: ['a', 'b'], ext: {} },
    ]) {
      resetRecorded(byJwt);
      const token = await byJwt.mint(claims, { header: { typ: undefined } });
      await expectServed(byJwt, await byJwt.callTool('write-note', token), 'write-note');
      resetRecorded(byJwt);
      await expectRefusal(byJwt, await byJwt.callTool('admin', token), {
        status: 403,
        error: 'insufficient_scope',
        scope: 'admin',
        token,
      });
    }
  });

  it.each(['scope', '/scope', ['scope'], ['permissions', 'scope']])(
    'RFC9068-2.2.3: are read as a list by the name %j, too',
    async (scopes) => {
      const server = await startNotesServer(platform, {
        sharedIssuer: issuer,
        options: { authorizationServers: [{ issuer: issuer.issuer, claims: { scopes } }] },
      });
      expect(await whoami(server, await server.mint({ scope: ['a', 'b'] }))).toMatchObject({ scopes: ['a', 'b'] });
      expect(await whoami(server, await server.mint({ scope: 'a b' }))).toMatchObject({ scopes: ['a', 'b'] });
      expect(await whoami(server, await server.mint({ scp: 'a b' }))).toMatchObject({ scopes: [] });
      await server.close();
    },
  );
});
