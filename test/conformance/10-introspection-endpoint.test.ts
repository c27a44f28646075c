import { afterEach, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { generateTestKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectNoTrace, expectRefusal, resetRecorded } from '../support/expectations.js';
import { introspecting, startIntrospectingServer, type IntrospectingServer } from '../support/introspection.js';
import { startNotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected } from '../support/tokens.js';
import { expectUndecided } from '../support/introspection-answers.js';

const asked = (issuer: TestIssuer): number => issuer.requestCount('introspection');

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
    ['name one that is not a URL', { introspection_endpoint: '/introspect' }],
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
