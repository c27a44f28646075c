import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import type { McpAuthReason } from '../../lib/core/error.js';
import { resetRecorded } from '../support/expectations.js';
import type { NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { startWithSlashedIssuer } from '../support/token-issuers.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';

// What makes a JWT an access token, rather than a JWT of another kind.

describe.each(PLATFORMS)('the claims of an access token, on %s', (platform) => {
  let started: Awaited<ReturnType<typeof startWithSlashedIssuer>>;
  let server: NotesServer;

  beforeAll(async () => {
    started = await startWithSlashedIssuer(platform);
    ({ server } = started);
  });

  afterAll(() => started.close());

  beforeEach(() => {
    resetRecorded(server);
    // Whole seconds, so that a test can stand exactly on a boundary.
    server.clock.now = Math.ceil(server.clock.now / 1000) * 1000;
  });

  const mintStrict: TestIssuer['mint'] = (claims, options) => started.mintStrict(claims, options);

  describe('claims of the profile', () => {
    it.each(['sub', 'client_id', 'iat', 'jti'])(
      'RFC9068-2.2-a: %s may be missing, but not under rfc9068',
      async (claim) => {
        await expectAccepted(server, await server.mint({ [claim]: undefined }));
        await expectAccepted(server, await mintStrict());
        await expectRejected(server, await mintStrict({ [claim]: undefined }), 'claim_missing');
      },
    );

    it.each(['sub', 'client_id'].flatMap((claim) => [7, true, ['alice'], {}].map((value) => ({ claim, value }))))(
      'RFC9068-2.2-a: refuses $claim of $value under either profile: it would name nobody, or anybody',
      async ({ claim, value }) => {
        await expectRejected(server, await server.mint({ [claim]: value }), 'claim_malformed');
        await expectRejected(server, await mintStrict({ [claim]: value }), 'claim_malformed');
      },
    );

    it.each(['sub', 'client_id', 'iat', 'jti'].flatMap((claim) => [null, '', []].map((value) => ({ claim, value }))))(
      'LIB-30: takes $claim of $value for a claim that is missing, under either profile',
      async ({ claim, value }) => {
        await expectAccepted(server, await server.mint({ [claim]: value }));
        await expectRejected(server, await mintStrict({ [claim]: value }), 'claim_missing');
      },
    );

    it.each([7, true, ['id'], {}])('RFC9068-2.2-a: refuses jti of %j under rfc9068', async (jti) => {
      await expectAccepted(server, await server.mint({ jti }));
      await expectRejected(server, await mintStrict({ jti }), 'claim_malformed');
    });

    it('RFC9068-2.2-a: refuses a token that names neither subject nor client', async () => {
      const token = await server.mint({ sub: undefined, client_id: undefined });
      await expectRejected(server, token, 'no_principal');
    });

    it.each([{ azp: 'from-azp' }, { cid: 'from-cid' }, { appid: 'from-appid' }, { client_id: 'first', azp: 'second' }])(
      'RFC9068-2.2-a: finds the client in %j, where products without the profile put it',
      async (claims) => {
        const [clientId] = Object.values(claims);
        const token = await server.mint({ client_id: undefined, ...claims });
        expect(await whoami(server, token)).toMatchObject({ clientId });
      },
    );
  });

  describe('other kinds of JWT', () => {
    // Each as it would be if it were issued for this resource; the defaults name a subject and a client.
    const noClient = { client_id: undefined };
    const kinds: readonly [
      string,
      { typ?: string | undefined; claims: Record<string, unknown>; reason: McpAuthReason },
    ][] = [
      ['an ID token with a nonce', { typ: 'JWT', claims: { nonce: 'n-1' }, reason: 'not_an_access_token' }],
      ['an ID token with at_hash', { typ: 'JWT', claims: { at_hash: 'aaaa' }, reason: 'not_an_access_token' }],
      ['an ID token with c_hash, without typ', { claims: { c_hash: 'aaaa' }, reason: 'not_an_access_token' }],
      ['an ID token with s_hash', { typ: 'JWT', claims: { s_hash: 'aaaa' }, reason: 'not_an_access_token' }],
      [
        'an ID token with nothing to mark it',
        { typ: 'JWT', claims: { ...noClient, email: 'a@example.com' }, reason: 'not_an_access_token' },
      ],
      [
        'an ID token that says it is an access token',
        { typ: 'at+jwt', claims: { nonce: 'n-1' }, reason: 'not_an_access_token' },
      ],
      ['an ID token of Keycloak', { typ: 'JWT', claims: { typ: 'ID', azp: 'web' }, reason: 'not_an_access_token' }],
      ['an ID token of Cognito', { typ: 'JWT', claims: { token_use: 'id' }, reason: 'not_an_access_token' }],
      [
        'a refresh token of Keycloak',
        { typ: 'JWT', claims: { typ: 'Refresh', scope: 'a' }, reason: 'not_an_access_token' },
      ],
      [
        'an offline token of Keycloak',
        { typ: 'JWT', claims: { typ: 'Offline', scope: 'a' }, reason: 'not_an_access_token' },
      ],
      [
        'a token whose claim typ is no text',
        { typ: 'JWT', claims: { typ: ['Bearer'] }, reason: 'not_an_access_token' },
      ],
      ['a refresh token by type', { typ: 'rt+jwt', claims: { scope: 'a' }, reason: 'type_rejected' }],
      ['a logout token', { typ: 'logout+jwt', claims: { events: {} }, reason: 'type_rejected' }],
      [
        'a logout token without typ',
        {
          claims: { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
          reason: 'not_an_access_token',
        },
      ],
      ['a security event token', { typ: 'secevent+jwt', claims: { events: {} }, reason: 'type_rejected' }],
      ['a client assertion', { typ: 'JWT', claims: { ...noClient, sub: 'the-client' }, reason: 'not_an_access_token' }],
      ['a client assertion by type', { typ: 'client-authentication+jwt', claims: noClient, reason: 'type_rejected' }],
      ['a client attestation', { typ: 'oauth-client-attestation+jwt', claims: {}, reason: 'type_rejected' }],
      ['a DPoP proof', { typ: 'dpop+jwt', claims: { htm: 'POST', htu: 'https://x.example' }, reason: 'type_rejected' }],
      [
        'a DPoP proof without typ',
        { claims: { htm: 'POST', htu: 'https://x.example' }, reason: 'not_an_access_token' },
      ],
      [
        'an introspection response',
        { typ: 'token-introspection+jwt', claims: { token_introspection: { active: true } }, reason: 'type_rejected' },
      ],
      [
        'an introspection response without typ',
        { claims: { token_introspection: { active: true } }, reason: 'not_an_access_token' },
      ],
      ['an identity assertion grant', { typ: 'oauth-id-jag+jwt', claims: { scope: 'a' }, reason: 'type_rejected' }],
      ['an authorization grant', { typ: 'JWT', claims: noClient, reason: 'not_an_access_token' }],
      [
        'a request object',
        { typ: 'oauth-authz-req+jwt', claims: { response_type: 'code', scope: 'a' }, reason: 'type_rejected' },
      ],
      [
        'a request object without typ',
        { claims: { response_type: 'code', scope: 'a' }, reason: 'not_an_access_token' },
      ],
      [
        'an authorization response',
        { typ: 'JWT', claims: { ...noClient, code: 'c', state: 's' }, reason: 'not_an_access_token' },
      ],
      [
        'signed resource metadata',
        { typ: 'JWT', claims: { ...noClient, resource: 'https://x.example' }, reason: 'not_an_access_token' },
      ],
      ['a user info response', { typ: 'JWT', claims: { ...noClient, name: 'Alice' }, reason: 'not_an_access_token' }],
      ['a verifiable credential', { typ: 'vc+jwt', claims: { vc: {} }, reason: 'type_rejected' }],
    ];

    it.each(kinds)(
      'RFC9068-4-h: refuses %s of the same issuer for this resource',
      async (_what, { typ, claims, reason }) => {
        await expectRejected(server, await server.mint(claims, { header: { typ } }), reason);
        const strictReason = typ === 'at+jwt' ? reason : 'type_rejected';
        await expectRejected(server, await mintStrict(claims, { header: { typ } }), strictReason);
      },
    );

    it.each(['client_id', 'azp'])(
      'RFC9068-4-h: refuses a JWT without the type whose audience is its own client, by %s',
      async (claim) => {
        const { resource } = server;
        for (const aud of [resource, [resource]]) {
          const token = await server.mint({ client_id: undefined, [claim]: resource, aud }, { header: { typ: 'JWT' } });
          await expectRejected(server, token, 'not_an_access_token');
        }
      },
    );

    it.each([
      { typ: 'Bearer', azp: 'web', scope: 'a' },
      { token_use: 'access', client_id: 'web', scope: 'a' },
      { client_id: undefined, scp: ['a'] },
      { client_id: undefined, azp: 'web' },
      { client_id: undefined, scope: 'a' },
    ])(
      'RFC9068-4-h: takes an access token without the type that names client or scopes, such as %j',
      async (claims) => {
        await expectAccepted(server, await server.mint(claims, { header: { typ: 'JWT' } }));
      },
    );
  });
});
