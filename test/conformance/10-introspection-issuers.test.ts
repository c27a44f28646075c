import { afterEach, describe, expect, it } from '@jest/globals';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected } from '../support/tokens.js';

const asked = (issuer: TestIssuer): number => issuer.requestCount('introspection');

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
