import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CompactEncrypt } from 'jose';
import { createPublicKey, randomBytes } from 'node:crypto';
import { McpAuthConfigError, McpAuthService } from 'nestjs-mcp-auth';
import {
  generateTestKey,
  symmetricTestKey,
  TestIssuer,
  type TestAlgorithm,
  type TestKey,
} from 'nestjs-mcp-auth/testing';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import {
  allowKeySearch,
  expectAccepted,
  expectReason,
  expectRejected,
  signBytes,
  whoami,
  withPart,
} from '../support/tokens.js';

// What a token may look like before one of its claims means anything: form, header, signature, algorithms.

describe.each(PLATFORMS)('the form of an access token, on %s', (platform) => {
  let server: NotesServer;
  /** Trusted too, under the profile `rfc9068` and for ES256 only. */
  let strict: TestIssuer;
  /** Not trusted at all; counts the requests it gets. */
  let stranger: TestIssuer;
  const now = (): number => server.clock.now;

  beforeAll(async () => {
    strict = await TestIssuer.start({ alg: 'ES256', now });
    stranger = await TestIssuer.start({ alg: 'ES256', now });
    const issuer = await TestIssuer.start({ alg: 'ES256', now });
    const pinned = { issuer: strict.issuer, profile: 'rfc9068' as const, algorithms: ['ES256'] };
    server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [issuer.issuer, pinned] },
    });
  });
  afterAll(async () => {
    await server.close();
    await Promise.all([server.issuer, strict, stranger].map((issuer) => issuer.close()));
  });
  beforeEach(() => resetRecorded(server));

  const mintStrict: TestIssuer['mint'] = (claims, options) => strict.mint({ aud: server.resource, ...claims }, options);

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

  describe('typ', () => {
    const declared = ['at+jwt', 'application/at+jwt', 'AT+JWT', 'Application/At+Jwt'];
    const undeclared = ['JWT', 'jwt', undefined];
    const others = [
      'id_token',
      'logout+jwt',
      'dpop+jwt',
      'secevent+jwt',
      'JWE',
      'application/jwt',
      'at+jws',
      'xat+jwt',
      'at+jwt+x',
      'application/application/at+jwt',
      'text/at+jwt',
      'at+jwt;v=1',
      'at+jwt ',
      ' at+jwt',
      'at jwt',
      '',
      null,
      7,
      true,
      ['at+jwt'],
      { typ: 'at+jwt' },
    ];

    it.each(declared)('RFC9068-4-a: takes typ %j from every issuer, in any case of letters', async (typ) => {
      await expectAccepted(server, await server.mint({}, { header: { typ } }));
      await expectAccepted(server, await mintStrict({}, { header: { typ } }));
    });

    it.each(undeclared)(
      'RFC9068-4-a: takes typ %j by default, as most products send it, and not under rfc9068',
      async (typ) => {
        await expectAccepted(server, await server.mint({}, { header: { typ } }));
        await expectRejected(server, await mintStrict({}, { header: { typ } }), 'type_rejected');
      },
    );

    it.each(others)('RFC9068-4-a: refuses typ %j, under either profile', async (typ) => {
      await expectRejected(server, await server.mint({}, { header: { typ } }), 'type_rejected');
      await expectRejected(server, await mintStrict({}, { header: { typ } }), 'type_rejected');
    });
  });

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

  describe('crit', () => {
    it.each([
      { crit: ['exp'], exp: 1 },
      { crit: [] },
      { crit: ['x'] },
      { crit: ['x'], x: 1 },
      { crit: 'x', x: 1 },
      { crit: null },
      { crit: {} },
      { crit: [7] },
      { crit: ['alg'] },
      { crit: ['kid', 'kid'] },
      { crit: ['b64'], b64: false },
      { crit: ['b64'], b64: true },
      { crit: ['b64'] },
      { b64: false },
      { b64: true },
      { b64: 'false' },
    ])('RFC7515-4.1.11-a: refuses a header with %j, since no extension is understood', async (header) => {
      await expectRejected(server, await server.mint({}, { header }), 'header_rejected');
    });
  });

  describe('repeated members', () => {
    const header = (text: string): string => text.replaceAll('KID', server.issuer.key.kid);
    const payload = (text: string): string => {
      const seconds = Math.floor(server.clock.now / 1000);
      const rest = `"sub":"alice","client_id":"c","aud":"${server.resource}","exp":${seconds + 60},`;
      return text
        .replace('{', `{${rest}`)
        .replaceAll('ISS', server.issuer.issuer)
        .replaceAll('PAST', `${seconds - 60}`);
    };

    it.each([
      '{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"KID"}',
      '{"alg":"ES256","typ":"logout+jwt","typ":"at+jwt","kid":"KID"}',
      '{"alg":"ES256","typ":"at+jwt","kid":"other","kid":"KID"}',
    ])('RFC7519-4-a: of a repeated header member only the last value counts: takes %s', async (text) => {
      await expectAccepted(server, await server.mint({}, { rawHeader: header(text) }));
    });

    it.each([
      ['{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"KID"}', 'algorithm_rejected'],
      ['{"alg":"ES256","\\u0061lg":"none","typ":"at+jwt","kid":"KID"}', 'algorithm_rejected'],
      ['{"alg":"ES256","typ":"at+jwt","typ":"logout+jwt","kid":"KID"}', 'type_rejected'],
      ['{"alg":"ES256","typ":"at+jwt","kid":"KID","kid":"other"}', 'key_unknown'],
      ['{"alg":"ES256","typ":"at+jwt","kid":"KID","kid":7}', 'header_rejected'],
    ] as const)(
      'RFC7519-4-a: of a repeated header member only the last value counts: refuses %s',
      async (text, reason) => {
        allowKeySearch(server);
        await expectRejected(server, await server.mint({}, { rawHeader: header(text) }), reason);
      },
    );

    it('RFC7519-4-a: of a repeated claim only the last value counts, in every decision and for the handler', async () => {
      const text = payload(
        '{"iss":"https://evil.example","iss":"ISS","sub":"mallory","sub":"bob","scope":"a","scope":"b"}',
      );
      const token = await server.mint({}, { payload: text });
      expect(await whoami(server, token)).toMatchObject({
        issuer: server.issuer.issuer,
        subject: 'bob',
        scopes: ['b'],
        claims: { iss: server.issuer.issuer, sub: 'bob', scope: 'b' },
      });
      resetRecorded(server);
      const response = await server.callTool('read-note', token);
      await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a', token });
    });

    it.each([
      ['{"iss":"ISS","iss":"https://evil.example"}', 'issuer_unknown'],
      ['{"iss":"ISS","\\u0069ss":"https://evil.example"}', 'issuer_unknown'],
      ['{"iss":"ISS","exp":PAST}', 'expired'],
      ['{"iss":"ISS","aud":"https://other.example"}', 'audience_rejected'],
      ['{"iss":"ISS","nonce":"n"}', 'not_an_access_token'],
    ] as const)('RFC7519-4-a: of a repeated claim only the last value counts: refuses %s', async (text, reason) => {
      await expectRejected(server, await server.mint({}, { payload: payload(text) }), reason);
    });
  });

  describe('compact serialization', () => {
    const good = (): Promise<string> => server.mint();
    const parts = async (): Promise<string[]> => (await good()).split('.');

    it.each<[string, (parts: string[]) => string[], 'token_malformed' | 'token_encrypted']>([
      ['one part', ([header = '']) => [header], 'token_malformed'],
      ['two parts', ([header = '', payload = '']) => [header, payload], 'token_malformed'],
      ['four parts', (all) => [...all, 'AAAA'], 'token_malformed'],
      ['five parts', (all) => [...all, 'AAAA', 'AAAA'], 'token_encrypted'],
      ['a dot at the end', (all) => [...all, ''], 'token_malformed'],
      ['a dot at the beginning', (all) => ['', ...all], 'token_malformed'],
      ['an empty header', ([, payload = '', signature = '']) => ['', payload, signature], 'token_malformed'],
      ['an empty payload', ([header = '', , signature = '']) => [header, '', signature], 'token_malformed'],
      ['dots only', () => ['', '', ''], 'token_malformed'],
    ])('RFC7519-7.2-a: refuses a token with %s', async (_what, change, reason) => {
      await expectRejected(server, change(await parts()).join('.'), reason);
    });

    it.each([0, 1, 2] as const)('RFC7519-7.2-a: refuses padding behind part %i', async (index) => {
      const token = withPart(await good(), index, (part) => `${part}=`);
      await expectRejected(server, token, index === 2 ? 'token_malformed' : 'malformed_credentials');
    });

    it.each([0, 1, 2] as const)(
      'RFC7519-7.2-a: refuses another spelling of the same bytes in part %i',
      async (index) => {
        // The same bytes under `Buffer.from(…, 'base64url')`, which takes all of these for the same token.
        const spellings: ((part: string) => string)[] = [
          (part) => Buffer.from(part, 'base64url').toString('base64').replaceAll('=', ''),
          (part) => `${part}~`,
          (part) => `${part.slice(0, 4)}~${part.slice(4)}`,
          looseLastBits,
        ];
        for (const respell of spellings) {
          let token = await server.mint({ filler: '>>>???' }, { header: { filler: '>>>???' } });
          // A random signature has characters that the two alphabets spell alike only once in a while.
          for (let tries = 0; withPart(token, index, respell) === token && tries < 200; tries++)
            token = await respellable(index);
          const respelt = withPart(token, index, respell);
          expect(respelt).not.toBe(token);
          expect(Buffer.from(respelt.split('.')[index] as string, 'base64url')).toEqual(
            Buffer.from(token.split('.')[index] as string, 'base64url'),
          );
          await expectRejected(server, respelt, 'token_malformed');
        }
      },
    );

    /** A token of which this part has a length with spare bits at its end, sooner or later. */
    async function respellable(index: number): Promise<string> {
      const filler = '>?'.repeat(1 + Math.floor(Math.random() * 6)) + 'x'.repeat(Math.floor(Math.random() * 3));
      return index === 0 ? server.mint({}, { header: { filler } }) : server.mint({ filler });
    }

    it.each(['\n', '\r\n', ' ', '\t', '\0', '\u00A0', '='])(
      'RFC7519-7.2-a: refuses a token followed by %j, however it is handed over',
      async (tail) => {
        const token = await good();
        const service = server.app.get(McpAuthService);
        await expect(service.verify(token)).resolves.toMatchObject({ subject: 'alice' });
        const refused = { code: 'invalid_token', reason: 'token_malformed' };
        await expect(service.verify(token + tail)).rejects.toMatchObject(refused);
        await expect(service.verify(tail + token)).rejects.toMatchObject(refused);
        await expect(service.verify(token.replace('.', `${tail}.`))).rejects.toMatchObject(refused);
      },
    );

    it.each([
      ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
      ['an overlong encoding', Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])],
      ['a lone surrogate', Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
      ['a byte order mark', Buffer.from('\uFEFF{}')],
      ['UTF-16', Buffer.from('{"iss":"x"}', 'utf16le')],
      ...[
        '[]',
        'null',
        '"x"',
        '7',
        'true',
        ' ',
        '{',
        '{} {}',
        "{'iss':1}",
        '{"iss":"x",}',
        '{"exp":NaN}',
        '{"exp":0x10}',
        'undefined',
      ].map((text): [string, Buffer] => [text, Buffer.from(text)]),
    ])('RFC7519-7.2-a: refuses a signed header or payload of %s', async (_what, bytes) => {
      const { key } = server.issuer;
      const header = JSON.stringify({ alg: key.alg, typ: 'at+jwt', kid: key.kid });
      const [, payload] = await parts();
      await expectRejected(server, signBytes(key, header, bytes), 'token_malformed');
      await expectRejected(
        server,
        signBytes(key, bytes, Buffer.from(payload as string, 'base64url')),
        'token_malformed',
      );
    });

    it('RFC7519-7.2-a: takes white space inside the JSON, which says the same', async () => {
      const claims = JSON.parse(Buffer.from((await parts())[1] as string, 'base64url').toString()) as object;
      await expectAccepted(server, await server.mint({}, { payload: JSON.stringify(claims, undefined, 2) }));
    });
  });

  describe('encrypted and nested tokens', () => {
    it.each<[string, () => Promise<string>]>([
      [
        'to the key of the issuer',
        async () => encrypt({ alg: 'ECDH-ES' }, createPublicKey(server.issuer.key.privateKey)),
      ],
      ['with a shared secret', async () => encrypt({ alg: 'dir' }, randomBytes(16))],
      ['as an access token', async () => encrypt({ alg: 'dir', typ: 'at+jwt', cty: 'JWT' }, randomBytes(16))],
      ['with RSA1_5', async () => [{ alg: 'RSA1_5', enc: 'A128GCM' }, 'k', 'i', 'c', 't'].map(part64).join('.')],
      ['with alg none', async () => [{ alg: 'none', enc: 'A128GCM' }, 'k', 'i', 'c', 't'].map(part64).join('.')],
      [
        'with an empty key',
        async () => [part64({ alg: 'dir', enc: 'A128GCM' }), '', ...['i', 'c', 't'].map(part64)].join('.'),
      ],
      ['badly', async () => 'a.b.c.d.e'],
    ])('RFC9068-4-f: refuses a token that is encrypted %s: encryption is not supported', async (_what, make) => {
      await expectRejected(server, await make(), 'token_encrypted');
    });

    it.each(['JWT', 'jwt', 'Jwt'])('RFC9068-4-f: refuses a nested token, cty %j', async (cty) => {
      const inner = await server.mint();
      await expectRejected(server, await server.mint({}, { header: { cty } }), 'header_rejected');
      await expectRejected(server, await server.mint({}, { header: { cty }, payload: inner }), 'token_malformed');
    });

    /** A real JWE around a good token. */
    async function encrypt(header: object, key: Parameters<CompactEncrypt['encrypt']>[0]): Promise<string> {
      const inner = Buffer.from(await server.mint());
      return new CompactEncrypt(inner).setProtectedHeader({ alg: 'dir', enc: 'A128GCM', ...header }).encrypt(key);
    }
  });

  it('RFC9068-4-g: answers every one of these in the same words, which say that the token is invalid and no more', async () => {
    allowKeySearch(server);
    const { key } = server.issuer;
    const forged = await generateTestKey({ alg: 'ES256' });
    const tokens = [
      'garbage',
      'a.b.c',
      'a.b.c.d.e',
      await server.mint({}, { header: { typ: 'logout+jwt' } }),
      await server.mint({}, { header: { alg: 'none' }, signature: '' }),
      await server.mint({}, { header: { alg: 'HS256' } }),
      await server.mint({}, { header: { crit: ['x'] } }),
      await server.mint({}, { header: { kid: 'unknown' } }),
      await server.mint({}, { key: { ...forged, kid: key.kid } }),
      await server.mint({ iss: 'https://evil.example' }),
      await server.mint({ aud: 'https://other.example' }),
      await server.mint({ exp: 1 }),
      await server.mint({ exp: undefined }),
      await server.mint({ nbf: 9_999_999_999 }),
      await server.mint({ nonce: 'n' }),
      await server.mint({ sub: undefined, client_id: undefined }),
      await server.mint({ cnf: { jkt: 'x' } }),
    ];
    const answers = [];
    for (const token of tokens) {
      resetRecorded(server);
      const response = await server.callTool('ping', token);
      const { challenge, body } = await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
      answers.push({ challenge, body: { ...body, id: 0 } });
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expectReason(server, 'sender_constrained');
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

/** Sets bits at the end of a base64url text that belong to no byte; returns it unchanged where it has none. */
function looseLastBits(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  if (part.length % 4 === 0) return part;
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) as string) + 1];
}

function part64(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}
