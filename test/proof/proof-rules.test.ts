import { hash } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { generateTestKey, TestDpopKey, type TestProofOptions } from 'nestjs-mcp-auth/testing';
import { verifyDpopProof, type ProofRules } from '../../lib/proof/dpop-proof.js';
import { proofKeyOf } from '../../lib/proof/proof-key.js';
import { namesUri, requestUri } from '../../lib/proof/proof-target.js';
import { boundThumbprint, isSame } from '../../lib/proof/thumbprint.js';

// The rules about proofs at their limits, without a server. test/conformance has those of the specifications, over HTTP.

const URI = 'https://mcp.example/mcp';
const TOKEN = 'a.b.c';
const NOW = 1_000_000;
const WINDOW = 60;

let key: TestDpopKey;
beforeAll(async () => {
  key = await TestDpopKey.generate();
});

const verify = (text: string, changes: Partial<ProofRules> = {}): ReturnType<typeof verifyDpopProof> =>
  verifyDpopProof(text, {
    method: 'POST',
    uri: URI,
    token: TOKEN,
    thumbprint: key.thumbprint,
    algorithms: ['ES256'],
    windowSeconds: WINDOW,
    now: NOW,
    ...changes,
  });

const proof = ({ claims, ...changes }: Partial<TestProofOptions> = {}): string =>
  key.proof({ method: 'POST', url: URI, token: TOKEN, claims: { iat: NOW, jti: 'id', ...claims }, ...changes });

/** Why a proof is refused, and what was seen; undefined if it is accepted. */
async function refusalOf(text: string, changes: Partial<ProofRules> = {}): Promise<unknown> {
  try {
    await verify(text, changes);
    return undefined;
  } catch (error) {
    const { code, reason, seen } = error as { code: string; reason: string; seen: object };
    return [code, reason, seen];
  }
}

const bad = (reason: string, seen: object = {}): unknown => ['invalid_dpop_proof', reason, seen];

describe('a DPoP proof', () => {
  it('RFC9449-4.3-3: is read with its id, its time and its nonce', async () => {
    expect(await verify(proof())).toEqual({ jti: 'id', nonce: undefined, issuedAt: NOW });
    expect(await verify(proof({ nonce: 'n' }))).toEqual({ jti: 'id', nonce: 'n', issuedAt: NOW });
  });

  it.each(['dpop+jwt', 'application/dpop+jwt', 'DPoP+JWT', 'Application/DPOP+jwt'])(
    'RFC9449-4.3-4: has %s as typ',
    async (typ) => {
      expect(await refusalOf(proof({ header: { typ } }))).toBeUndefined();
    },
  );

  it.each<[unknown, string]>([
    ['JWT', '"JWT"'],
    ['xdpop+jwt', '"xdpop+jwt"'],
    ['dpop+jwtx', '"dpop+jwtx"'],
    ['x/application/dpop+jwt', '"x/application/dpop+jwt"'],
    ['text/dpop+jwt', '"text/dpop+jwt"'],
    ['dpop jwt', '"dpop jwt"'],
    [['dpop+jwt'], '["dpop+jwt"]'],
    [undefined, 'null'],
  ])('RFC9449-4.3-4: does not have %j as typ, and the log says so', async (typ, shown) => {
    expect(await refusalOf(proof({ header: { typ } }))).toEqual(bad('proof_malformed', { typ: shown }));
  });

  it('RFC9449-4.3-5: has an algorithm of the list, and the log says which it has', async () => {
    const accepted = '["ES256"]';
    expect(await refusalOf(proof({ header: { alg: 'ES384' } }))).toEqual(
      bad('proof_algorithm_rejected', { alg: '"ES384"', accepted }),
    );
    expect(await refusalOf(proof({ header: { alg: ['ES256'] } }))).toEqual(
      bad('proof_algorithm_rejected', { alg: '["ES256"]', accepted }),
    );
    expect(await refusalOf(proof({ header: { alg: undefined } }))).toEqual(
      bad('proof_algorithm_rejected', { alg: 'null', accepted }),
    );
  });

  it.each([{ crit: ['b64'] }, { crit: undefined, b64: true }, { crit: null }])(
    'RFC9449-4.3-2: has no extension of JWS: %j',
    async (header) => {
      expect(await refusalOf(proof({ header }))).toEqual(bad('proof_malformed'));
    },
  );

  it('RFC9449-4.3-2: is a JWT', async () => {
    expect(await refusalOf('x')).toEqual(bad('proof_malformed'));
  });

  it('RFC9449-4.3-6: has a public key, and is signed with it', async () => {
    expect(await refusalOf(proof({ header: { jwk: undefined } }))).toEqual(bad('proof_key_rejected'));
    const signedByOther = proof({ key: await generateTestKey({ alg: 'ES256' }) });
    expect(await refusalOf(signedByOther)).toEqual(bad('proof_signature_invalid'));
    await expect(verify(signedByOther)).rejects.toMatchObject({
      cause: { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' },
    });
  });

  it('RFC9449-4.3-12b: has the key of the token, which is looked at before the signature', async () => {
    const signedByOther = proof({ key: await generateTestKey({ alg: 'ES256' }) });
    for (const text of [proof(), signedByOther])
      expect(await refusalOf(text, { thumbprint: 'a'.repeat(43) })).toEqual([
        'invalid_token',
        'proof_of_another_key',
        {},
      ]);
  });

  it.each(['jti', 'htm', 'htu', 'ath'])('RFC9449-4.3-3: has %s, and the log names it', async (name) => {
    for (const value of [undefined, null, '', 5, ['x']])
      expect(await refusalOf(proof({ claims: { [name]: value } }))).toEqual(
        bad('proof_malformed', { member: `"${name}"` }),
      );
  });

  it('RFC9449-4.3-3: has a time that is a number, and a nonce that is text, if any', async () => {
    for (const iat of [undefined, null, '5', [NOW]])
      expect(await refusalOf(proof({ claims: { iat } }))).toEqual(bad('proof_malformed', { member: '"iat"' }));
    const infinite = `{"jti":"id","htm":"POST","htu":"${URI}","iat":1e999}`;
    expect(await refusalOf(proof({ payload: infinite }))).toEqual(bad('proof_malformed', { member: '"iat"' }));
    for (const nonce of [null, '', 5])
      expect(await refusalOf(proof({ claims: { nonce } }))).toEqual(bad('proof_malformed', { member: '"nonce"' }));
  });

  it.each(['jti', 'nonce'])('LIB-01: has a %s of at most 1,024 characters', async (name) => {
    expect(await refusalOf(proof({ claims: { [name]: 'x'.repeat(1_024) } }))).toBeUndefined();
    expect(await refusalOf(proof({ claims: { [name]: 'x'.repeat(1_025) } }))).toEqual(
      bad('proof_malformed', { member: `"${name}"` }),
    );
  });

  it('RFC9449-4.3-9: may have a longer htu, as requests do', async () => {
    const uri = `${URI}/${'x'.repeat(2_000)}`;
    expect(await refusalOf(proof({ url: uri }), { uri })).toBeUndefined();
  });

  it('RFC9449-4.3-8: is for this method and this URI, and the log says for which it is', async () => {
    const request = `"POST ${URI}"`;
    expect(await refusalOf(proof({ method: 'GET' }))).toEqual(
      bad('proof_of_another_request', { htm: '"GET"', htu: `"${URI}"`, request }),
    );
    expect(await refusalOf(proof({ url: `${URI}/x` }))).toEqual(
      bad('proof_of_another_request', { htm: '"POST"', htu: `"${URI}/x"`, request }),
    );
  });

  it.each([0, WINDOW, -WINDOW])('RFC9449-4.3-11: may be made %d seconds from now', async (seconds) => {
    expect(await refusalOf(proof({ claims: { iat: NOW + seconds } }))).toBeUndefined();
  });

  it.each([
    [WINDOW + 0.6, '61'],
    [-WINDOW - 0.6, '-61'],
  ])('RFC9449-4.3-11: is out of time %d seconds from now, and the log says so', async (seconds, shown) => {
    const seen = { 'seconds from now': shown, accepted: '60' };
    expect(await refusalOf(proof({ claims: { iat: NOW + seconds } }))).toEqual(bad('proof_out_of_time', seen));
  });

  it('RFC9449-4.3-12a: is for this token', async () => {
    const claims = { ath: hash('sha256', 'x.y.z', 'base64url') };
    expect(await refusalOf(proof({ claims }))).toEqual(bad('proof_of_another_token'));
  });
});

describe('the key of a proof', () => {
  const EC = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };
  const RSA = { kty: 'RSA', e: 'AQAB', n: 'n'.repeat(342) };
  const OKP = { kty: 'OKP', crv: 'Ed25519', x: 'x' };
  const thumbprintOf = (jwk: unknown): string | undefined => proofKeyOf(jwk, 'ES256')?.thumbprint;

  it.each([
    [EC, '{"crv":"P-256","kty":"EC","x":"x","y":"y"}'],
    [OKP, '{"crv":"Ed25519","kty":"OKP","x":"x"}'],
    [RSA, `{"e":"AQAB","kty":"RSA","n":"${RSA.n}"}`],
  ])('RFC9449-4.3-12b: has the thumbprint of its required members: %j', (jwk, text) => {
    expect(thumbprintOf({ use: 'sig', ...jwk, kid: 'k' })).toBe(hash('sha256', text, 'base64url'));
  });

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])('RFC9449-4.3-7: has no %s', (name) => {
    for (const jwk of [EC, RSA, OKP]) expect(thumbprintOf({ ...jwk, [name]: null })).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', 'x'],
    ['a list', [EC]],
    ['no kty', { ...EC, kty: undefined }],
    ['a kty in a list', { ...EC, kty: ['EC'] }],
    ['a kty that objects have', { ...EC, kty: 'toString' }],
    ['no y', { ...EC, y: undefined }],
    ['an empty member', { ...EC, x: '' }],
    ['a member that is no text', { ...EC, x: 5 }],
    ['base64 with padding', { ...EC, x: 'x=' }],
    ['a character that is not of base64url before', { ...EC, x: '+x' }],
    ['an inherited member', Object.assign(Object.create({ y: 'y' }), { kty: 'EC', crv: 'P-256', x: 'x' })],
  ])('RFC9449-4.3-6: is not %s', (_what, jwk) => {
    expect(thumbprintOf(jwk)).toBeUndefined();
  });

  it('LIB-01: is no larger than keys in use: 4,096 bits, and an exponent of 32', () => {
    expect(thumbprintOf({ ...RSA, n: 'n'.repeat(683) })).toBeDefined();
    expect(thumbprintOf({ ...RSA, n: 'n'.repeat(684) })).toBeUndefined();
    expect(thumbprintOf({ ...RSA, e: 'A'.repeat(6) })).toBeDefined();
    expect(thumbprintOf({ ...RSA, e: 'A'.repeat(7) })).toBeUndefined();
    expect(thumbprintOf({ ...EC, x: 'x'.repeat(43) })).toBeDefined();
  });

  it('LIB-11: is imported once for an algorithm, and not remembered where that fails', async () => {
    const { publicJwk } = await TestDpopKey.generate();
    const first = await proofKeyOf(publicJwk, 'ES256')?.import();
    const again = proofKeyOf({ ...publicJwk, kid: 'another' }, 'ES256');
    expect(await again?.import()).toBe(first);
    expect(again?.thumbprint).toBe(proofKeyOf(publicJwk, 'ES256')?.thumbprint);
    expect(first).toMatchObject({ type: 'public', usages: ['verify'], algorithm: { namedCurve: 'P-256' } });
    const broken = { ...EC, x: 'A'.repeat(43), y: 'A'.repeat(43) };
    const [one, two] = [proofKeyOf(broken, 'ES256'), proofKeyOf(broken, 'ES256')];
    const failed = one?.import();
    await expect(failed).rejects.toThrow();
    const second = two?.import();
    await expect(second).rejects.toThrow();
    expect(second).not.toBe(failed);
  });

  it('LIB-11: is apart for another algorithm', async () => {
    const { publicJwk } = await generateTestKey({ alg: 'RS256' });
    const names = await Promise.all(
      ['RS256', 'PS384'].map(async (alg) => (await proofKeyOf(publicJwk, alg)?.import())?.algorithm),
    );
    expect(names).toMatchObject([
      { name: 'RSASSA-PKCS1-v1_5', hash: { name: 'SHA-256' } },
      { name: 'RSA-PSS', hash: { name: 'SHA-384' } },
    ]);
  });
});

describe('the htu of a proof', () => {
  it.each([
    ['https://mcp.example/mcp', true],
    ['HTTPS://MCP.example/mcp', true],
    ['https://mcp.example:443/mcp', true],
    ['https://mcp.example:444/mcp', false],
    ['https://mcp.example/mcp/', true],
    ['https://mcp.example/mcp//', false],
    ['https://mcp.example/%6dcp', true],
    ['https://mcp.example/%6Dcp', true],
    ['https://mcp.example/%4dcp', false],
    ['https://mcp.example/MCP', false],
    ['https://mcp.example/./mcp', true],
    ['https://mcp.example/a/../mcp', true],
    ['https://mcp.example/mcp?', false],
    ['https://mcp.example/mcp#', false],
    ['https://a@mcp.example/mcp', false],
    ['xhttps://mcp.example/mcp', false],
    ['http://mcp.example/mcp', false],
    ['ftp://mcp.example/mcp', false],
    ['https://mcp.example\\mcp', false],
    ['https:mcp.example/mcp', false],
    [' https://mcp.example/mcp', false],
    ['https://mcp.example/mcp\n', false],
    ['https://mcp.example/mcp%', false],
    ['https://mcp.example/mcp%g0', false],
    ['https://mcp.example/mcp%0g', false],
    ['https://[mcp.example/mcp', false],
    ['', false],
  ])('RFC9449-4.3-10: %j names the URI: %j', (htu, expected) => {
    expect(namesUri(htu, URI)).toBe(expected);
  });

  it.each([
    ['https://a.example', 'https://a.example/', true],
    ['https://a.example/%2f', 'https://a.example/%2F', true],
    ['https://a.example/%2f', 'https://a.example//', false],
    ['https://a.example/%7ex/%2D_.', 'https://a.example/~x/-_.', true],
    ['https://a.example/%30%39%41%5A%7A', 'https://a.example/09AZz', true],
    ['https://a.example/%40', 'https://a.example/@', false],
    ['https://a.example/%5b', 'https://a.example/%5B', true],
    ["https://a.example/:@!$&'()*+,;=", "https://a.example/%3A@!$&'()*+,;=", false],
    ['https://[::1]:8080/x', 'https://[::1]:8080/x/', true],
    // The same text names the same URI, whatever it is.
    ['https://a.example/%', 'https://a.example/%', true],
    ['https://a.example/"', 'https://a.example/"/', false],
    ['https://a.example/%0g', 'https://a.example/%0g/', false],
    ['HTTP://a.example/x', 'http://a.example/x', true],
  ])('RFC9449-4.3-10: %j names %j: %j', (htu, uri, expected) => {
    expect([namesUri(htu, uri), namesUri(uri, htu)]).toEqual([expected, expected]);
  });

  it('LIB-01: is compared up to 2,048 characters', () => {
    const long = `${URI}/`.padEnd(2_048, 'x');
    expect(namesUri(long, long.replace('https:', 'HTTPS:'))).toBe(true);
    expect(namesUri(`${long}x`, `${long}x`.replace('https:', 'HTTPS:'))).toBe(false);
  });

  it.each([
    ['/mcp', '/notes/mcp', '/notes/mcp'],
    ['/notes/mcp', '/notes/mcp', '/notes/mcp'],
    ['/mcp?x=1', '/notes/mcp', '/notes/mcp'],
    ['/other', '/notes/mcp', '/other'],
    ['/', '/notes/mcp', '/'],
    ['/', '/notes/', '/'],
    ['/mcp/x', '/notes/mcp', '/mcp/x'],
  ])('RFC9449-4.3-9: of a request to %s, where the resource is %s, has the path %s', (url, path, sent) => {
    const origin = 'https://mcp.example';
    const identifier = { value: origin + path, origin, path };
    const expected = origin + sent;
    expect(requestUri({ url, headers: {}, rawHeaders: [], method: 'POST' }, identifier)).toBe(expected);
  });
});

describe('what a token is bound to', () => {
  it.each<[unknown, string | undefined]>([
    [{ jkt: 'a' }, 'a'],
    [{ jkt: '' }, ''],
    [{ jkt: 5 }, undefined],
    [{ jkt: ['a'] }, undefined],
    [{ 'x5t#S256': 'a' }, undefined],
    [['a'], undefined],
    ['jkt', undefined],
    [null, undefined],
    [Object.create({ jkt: 'a' }), undefined],
  ])('RFC9449-6-a: of cnf %j is the key %j', (cnf, expected) => {
    expect(boundThumbprint({ cnf }, 'jkt')).toBe(expected);
    expect(boundThumbprint({}, 'jkt')).toBeUndefined();
  });

  it('RFC9449-4.3-12b: is compared whole', () => {
    expect([isSame('ab', 'ab'), isSame('ab', 'ac'), isSame('ab', 'abc'), isSame('', '')]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});
