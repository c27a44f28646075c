import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CompactEncrypt } from 'jose';
import { createPublicKey, randomBytes } from 'node:crypto';
import { McpAuthService } from 'nestjs-mcp-auth';
import { generateTestKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import type { NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { startWithStranger } from '../support/token-issuers.js';
import {
  allowKeySearch,
  expectAccepted,
  expectReason,
  expectRejected,
  signBytes,
  whoami,
  withPart,
} from '../support/tokens.js';

// What a token may look like before its signature is verified and one of its claims means anything.

describe.each(PLATFORMS)('the form of an access token, on %s', (platform) => {
  let started: Awaited<ReturnType<typeof startWithStranger>>;
  let server: NotesServer;

  beforeAll(async () => {
    started = await startWithStranger(platform);
    ({ server } = started);
  });

  afterAll(() => started.close());

  beforeEach(() => resetRecorded(server));
  const mintStrict: TestIssuer['mint'] = (claims, options) => started.mintStrict(claims, options);

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

/** Sets bits at the end of a base64url text that belong to no byte; returns it unchanged where it has none. */
function looseLastBits(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  if (part.length % 4 === 0) return part;
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) as string) + 1];
}

function part64(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}
