import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createPublicKey, randomBytes } from 'node:crypto';
import { McpAuthConfigError, McpAuthService } from 'nestjs-mcp-auth';
import {
  generateTestKey,
  symmetricTestKey,
  TestIssuer,
  type TestAlgorithm,
  type TestKey,
} from 'nestjs-mcp-auth/testing';
import { resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { startWithStranger } from '../support/token-issuers.js';
import { allowKeySearch, expectAccepted, expectRejected, withPart } from '../support/tokens.js';

// Which signatures are accepted: algorithms, keys, and where keys come from.

describe.each(PLATFORMS)('the form of an access token, on %s', (platform) => {
  let started: Awaited<ReturnType<typeof startWithStranger>>;
  let server: NotesServer;

  /** Trusted too, under the profile `rfc9068` and for ES256 only. */
  let strict: TestIssuer;

  /** Not trusted at all; counts the requests it gets. */
  let stranger: TestIssuer;

  beforeAll(async () => {
    started = await startWithStranger(platform);
    ({ server, strict, stranger } = started);
  });

  afterAll(() => started.close());

  beforeEach(() => resetRecorded(server));
  const mintStrict: TestIssuer['mint'] = (claims, options) => started.mintStrict(claims, options);

  /** Publishes a key and lets the time pass until the server may look for it. */
  async function publish(issuer: TestIssuer, key: TestKey): Promise<TestKey> {
    await issuer.addKey(key);
    server.clock.now += 31_000;
    return key;
  }

  /** The server has looked for the key, and the issuer does not publish it. */
  async function expectUnknownKey(token: string): Promise<void> {
    allowKeySearch(server);
    await expectRejected(server, token, 'key_unknown');
  }

  describe('signature', () => {
    const none = ['none', 'None', 'NONE', 'nOnE', ' none', 'none ', '', 'null'];

    it.each(none)('RFC9068-4-d: refuses alg %j, without a signature and with a good one', async (alg) => {
      const good = await server.mint();
      await expectRejected(server, await server.mint({}, { header: { alg }, signature: '' }), 'token_malformed');
      await expectRejected(server, await server.mint({}, { header: { alg } }), 'algorithm_rejected');
      await expectRejected(server, await server.mint({}, { header: { alg }, signature: 'AA' }), 'algorithm_rejected');
      await expectAccepted(server, good);
    });

    it.each([undefined, null, 0, true, ['ES256'], { alg: 'ES256' }])(
      'RFC9068-4-d: refuses an alg of %j',
      async (alg) => {
        await expectRejected(server, await server.mint({}, { header: { alg } }), 'algorithm_rejected');
      },
    );

    it('RFC9068-4-d: refuses a signature with one bit flipped, wherever it is', async () => {
      const token = await server.mint();
      await expectAccepted(server, token);
      for (const at of [0, 17, 31, 32, 63]) {
        const flipped = withPart(token, 2, (part) => {
          const bytes = Buffer.from(part, 'base64url');
          bytes[at] = (bytes[at] as number) ^ 1;
          return bytes.toString('base64url');
        });
        await expectRejected(server, flipped, 'signature_invalid');
      }
    });

    it.each([
      ['one byte short', (bytes: Buffer) => bytes.subarray(1)],
      ['one byte long', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)])],
      ['of one byte', () => Buffer.alloc(1)],
      ['in DER', (bytes: Buffer) => derSignature(bytes)],
      ['of random bytes', () => randomBytes(64)],
    ])('RFC9068-4-d: refuses a signature %s, and is not thrown off its feet', async (_what, change) => {
      const token = await server.mint();
      const changed = withPart(token, 2, (part) => change(Buffer.from(part, 'base64url')).toString('base64url'));
      await expectRejected(server, changed, 'signature_invalid');
    });

    it('RFC9068-4-d: refuses a payload or header that the signature does not cover', async () => {
      const [mine, theirs] = await Promise.all([server.mint({ sub: 'mallory' }), server.mint({ sub: 'alice' })]);
      const [, , signature] = mine.split('.') as [string, string, string];
      await expectRejected(
        server,
        withPart(theirs, 2, () => signature),
        'signature_invalid',
      );
      const otherHeader = await server.mint({}, { header: { x: 1 } });
      await expectRejected(
        server,
        withPart(mine, 0, () => otherHeader.split('.')[0] as string),
        'signature_invalid',
      );
    });

    it('RFC9068-4-d: refuses a missing signature', async () => {
      await expectRejected(server, await server.mint({}, { signature: '' }), 'token_malformed');
    });

    it('RFC9068-4-d: refuses a key that the issuer does not publish, under a kid of its own and under a published one', async () => {
      const forged = await generateTestKey({ alg: 'ES256' });
      await expectUnknownKey(await server.mint({}, { key: forged }));
      const { kid } = server.issuer.key;
      await expectRejected(server, await server.mint({}, { key: { ...forged, kid } }), 'signature_invalid');
    });
  });

  describe('algorithms', () => {
    let rsa: TestKey;
    beforeAll(async () => {
      rsa = await generateTestKey({ alg: 'RS256' });
      await publish(server.issuer, rsa);
      await publish(strict, rsa);
    });

    it('RFC9068-2.1-a: takes RS256 without being told', async () => {
      await expectAccepted(server, await server.mint({}, { key: rsa }));
    });

    it.each<TestAlgorithm>([
      'RS384',
      'RS512',
      'PS256',
      'PS384',
      'PS512',
      'ES256',
      'ES384',
      'ES512',
      'EdDSA',
      'Ed25519',
    ])('RFC9068-2.1-a: takes %s without being told, too', async (alg) => {
      const isRsa = /^[RP]S/.test(alg);
      const key: TestKey = isRsa
        ? { ...rsa, alg, kid: alg, publicJwk: { ...rsa.publicJwk, alg, kid: alg } }
        : await generateTestKey({ alg: alg as 'ES256' });
      await expectAccepted(server, await server.mint({}, { key: await publish(server.issuer, key) }));
    });

    it('RFC8725-3.1-a: refuses an algorithm that is not on the list of this issuer, though the key is published', async () => {
      await expectAccepted(server, await mintStrict());
      await expectRejected(server, await mintStrict({}, { key: rsa }), 'algorithm_rejected');
      await expectRejected(server, await mintStrict({}, { key: rsa, alg: 'PS256' }), 'algorithm_rejected');
    });

    it.each([
      'HS256',
      'HS384',
      'HS512',
      'ES256K',
      'RS1',
      'RSA-OAEP',
      'dir',
      'ECDH-ES',
      'ML-DSA-44',
      'es256',
      'ES256 ',
      'toString',
      'constructor',
      '__proto__',
      'hasOwnProperty',
    ])('RFC8725-3.1-a: refuses alg %j before it looks for a key', async (alg) => {
      await expectAccepted(server, await server.mint());
      server.clock.now += 31_000;
      server.issuer.clearRequests();
      await expectRejected(server, await server.mint({}, { header: { alg, kid: 'unknown' } }), 'algorithm_rejected');
      expect(server.issuer.requests).toEqual([]);
    });

    it('RFC8725-3.1-b: uses a key only for the alg it is published for', async () => {
      await expectAccepted(server, await server.mint({}, { key: rsa }));
      await expectRejected(server, await server.mint({}, { key: rsa, alg: 'PS256' }), 'key_unknown');
      await expectRejected(server, await server.mint({}, { key: rsa, alg: 'RS512' }), 'key_unknown');
    });

    it('RFC8725-3.1-b: uses an EC key only for the alg of its curve, whatever the key itself claims', async () => {
      const honest = await publish(server.issuer, await generateTestKey({ alg: 'ES384', jwk: { alg: undefined } }));
      await expectRejected(server, await server.mint({}, { key: honest, alg: 'ES256' }), 'key_unknown');
      await expectAccepted(server, await server.mint({}, { key: honest }));
      const lying = await publish(server.issuer, await generateTestKey({ alg: 'ES384', jwk: { alg: 'ES256' } }));
      await expectRejected(server, await server.mint({}, { key: lying, alg: 'ES256' }), 'key_unknown');
      await expectRejected(server, await server.mint({}, { key: lying }), 'key_unknown');
    });

    it('RFC8725-3.1-b: uses a key without alg for what its kty allows; the list of the issuer narrows that down', async () => {
      const open = await publish(strict, await generateTestKey({ alg: 'RS256', jwk: { alg: undefined } }));
      await publish(server.issuer, open);
      await expectAccepted(server, await server.mint({}, { key: open }));
      await expectAccepted(server, await server.mint({}, { key: open, alg: 'PS256' }));
      await expectRejected(
        server,
        await server.mint({}, { key: open, alg: 'RS256', header: { alg: 'ES256' } }),
        'key_unknown',
      );
      await expectRejected(server, await mintStrict({}, { key: open }), 'algorithm_rejected');
    });
  });

  describe('key confusion', () => {
    const secrets: readonly [string, (key: TestKey) => string | Buffer][] = [
      ['the PEM text', ({ privateKey }) => createPublicKey(privateKey).export({ type: 'spki', format: 'pem' })],
      ['the PEM text without its last newline', ({ privateKey }) => pem(privateKey).trimEnd()],
      ['the DER bytes', ({ privateKey }) => createPublicKey(privateKey).export({ type: 'spki', format: 'der' })],
      ['the JWK text', ({ publicJwk }) => JSON.stringify(publicJwk)],
      ['the modulus', ({ publicJwk }) => Buffer.from(publicJwk.n as string, 'base64url')],
      ['the kid', ({ kid }) => kid],
      ['nothing', () => Buffer.alloc(32)],
    ];
    let rsa: TestKey;
    beforeAll(async () => {
      rsa = await publish(server.issuer, await generateTestKey({ alg: 'RS256' }));
    });

    it.each(secrets)(
      'RFC8725-3.1-c: refuses HS256 with %s of a published key as its secret',
      async (_what, secretOf) => {
        const forged = symmetricTestKey(secretOf(rsa), { kid: rsa.kid });
        await expectRejected(server, await server.mint({}, { key: forged }), 'algorithm_rejected');
        // Nor does it pass under the alg of the key.
        await expectRejected(
          server,
          await server.mint({}, { key: forged, header: { alg: 'RS256' } }),
          'signature_invalid',
        );
      },
    );

    it('RFC8725-3.1-c: refuses HS256 with a secret the issuer publishes, and goes on to use its other keys', async () => {
      const secret = symmetricTestKey(randomBytes(32), { kid: 'shared' });
      server.issuer.publish(secret.publicJwk, { ...secret.publicJwk, alg: undefined, kid: 'unlabelled' });
      const next = await publish(server.issuer, await generateTestKey({ alg: 'ES256' }));
      await expectRejected(server, await server.mint({}, { key: secret }), 'algorithm_rejected');
      await expectRejected(
        server,
        await server.mint({}, { key: { ...secret, kid: 'unlabelled' } }),
        'algorithm_rejected',
      );
      await expectRejected(server, await server.mint({}, { key: secret, header: { alg: 'ES256' } }), 'key_unknown');
      await expectAccepted(server, await server.mint({}, { key: next }));
    });
  });

  describe('key material in the header', () => {
    const materials: readonly [string, (key: TestKey) => Record<string, unknown>][] = [
      ['jwk', ({ publicJwk }) => ({ jwk: publicJwk })],
      ['jku', () => ({ jku: stranger.jwksUri })],
      ['x5u', () => ({ x5u: `${stranger.issuer}/certificate.pem` })],
      [
        'x5c',
        ({ privateKey }) => ({
          x5c: [createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64')],
        }),
      ],
      ['x5t', ({ kid }) => ({ x5t: kid, 'x5t#S256': kid })],
      [
        'all of them',
        ({ publicJwk }) => ({ jwk: publicJwk, jku: stranger.jwksUri, x5u: stranger.jwksUri, x5c: ['MA=='] }),
      ],
    ];

    it.each(materials)(
      'RFC8725-3.10-a: refuses a token that brings its own key as %s, and fetches nothing',
      async (_what, header) => {
        const forged = stranger.key;
        const kids = [forged.kid, undefined, server.issuer.key.kid];
        for (const kid of kids) {
          const token = await server.mint({}, { key: forged, header: { ...header(forged), kid } });
          if (kid === forged.kid) await expectUnknownKey(token);
          else await expectRejected(server, token, 'signature_invalid');
        }
        expect(stranger.requests).toEqual([]);
      },
    );

    it.each(materials)('RFC8725-3.10-a: ignores %s in a token that a published key signed', async (_what, header) => {
      await expectAccepted(server, await server.mint({}, { header: header(stranger.key) }));
      expect(stranger.requests).toEqual([]);
    });
  });

  describe('kid', () => {
    const attacks = [
      '../../etc/passwd',
      '/dev/null',
      'file:///etc/passwd',
      "' OR 1=1--",
      '__proto__',
      'constructor',
      'toString',
      '0',
      '',
      'http://127.0.0.1:1/jwks',
      '{{7*7}}',
      '$(id)',
      'a\r\nX-Injected: 1',
      '\0',
      '\u202Ekid',
      'é',
      'x'.repeat(1024),
    ];
    const unusable: readonly [string, unknown][] = [
      ...[0, 1, null, true, [], ['a'], {}].map((kid): [string, unknown] => [JSON.stringify(kid), kid]),
      ...[1025, 10_000].map((length): [string, unknown] => [`${length} characters`, 'x'.repeat(length)]),
    ];

    it.each(attacks)('RFC8725-3.10-b: takes kid %j for the name of a key that does not exist', async (kid) => {
      await expectUnknownKey(await server.mint({}, { header: { kid } }));
    });

    it.each(unusable)('RFC8725-3.10-b: refuses a kid of %s without looking for a key', async (_what, kid) => {
      server.clock.now += 31_000;
      server.issuer.clearRequests();
      await expectRejected(server, await server.mint({}, { header: { kid } }), 'header_rejected');
      expect(server.issuer.requests).toEqual([]);
    });

    it('RFC8725-3.10-b: refuses a kid of 100 KiB even where the platform lets it through', async () => {
      const token = await server.mint({}, { header: { kid: 'x'.repeat(102_400) } });
      const refused = server.app.get(McpAuthService).verify(token);
      await expect(refused).rejects.toMatchObject({ code: 'invalid_token', reason: 'token_too_large' });
    });

    it('RFC8725-3.10-b: compares kid as it is', async () => {
      const { kid } = server.issuer.key;
      for (const other of [
        kid.toLowerCase() === kid ? kid.toUpperCase() : kid.toLowerCase(),
        `${kid} `,
        kid.slice(1),
      ]) {
        await expectUnknownKey(await server.mint({}, { header: { kid: other } }));
      }
    });
  });
});

// Apart from the others: a start that fails takes the log of the process with it.
describe.each(PLATFORMS)('a server that does not start, on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
  });
  afterAll(() => issuer.close());

  const start = (server: object, options: object = {}): Promise<NotesServer> =>
    startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [{ issuer: issuer.issuer, ...server }], ...options },
    });

  it.each([
    { list: ['none'] },
    { list: ['HS256'] },
    { list: ['ES256', 'HS512'] },
    { list: ['RSA1_5'] },
    { list: ['toString'] },
    { list: [] },
  ])('RFC8725-3.1-a: refuses algorithms $list in its configuration', async ({ list }) => {
    const started = start({ algorithms: list });
    await expect(started).rejects.toThrow(McpAuthConfigError);
    await expect(started).rejects.toThrow('authorizationServers[0].algorithms');
  });

  it('RFC8725-3.1-c: refuses a secret among the keys in its configuration', async () => {
    const started = start({ jwks: { keys: [symmetricTestKey(randomBytes(32)).publicJwk] } });
    await expect(started).rejects.toThrow(McpAuthConfigError);
    await expect(started).rejects.toThrow('authorizationServers[0].jwks');
  });

  it('RFC9068-4-f: knows no way to agree on encryption, so that there is none to fall back from', async () => {
    const started = start({}, { encryption: 'required' });
    await expect(started).rejects.toThrow(McpAuthConfigError);
    await expect(started).rejects.toThrow('there is no such option');
  });
});

function pem(key: TestKey['privateKey']): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

/** The signature of JOSE, two numbers side by side, as the sequence that X.509 and most libraries use. */
function derSignature(joined: Buffer): Buffer {
  const integers = [joined.subarray(0, 32), joined.subarray(32)].map((number) => {
    const bytes = Buffer.concat([Buffer.alloc(1), number]);
    return Buffer.concat([Buffer.from([0x02, bytes.length]), bytes]);
  });
  const body = Buffer.concat(integers);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}
