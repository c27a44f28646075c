import { createPublicKey, generateKeyPairSync, hash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify, type JWK } from 'jose';
import {
  basicCredentials,
  certificateAuthentication,
  clientSecretBasic,
  clientSecretPost,
  oauthClient,
  privateKeyJwt,
  readSigningKey,
  rotatingSecret,
  secretsInBasic,
} from '../../lib/issuer/client-authentication.js';
import { ClientCertificate } from '../../lib/issuer/client-certificate.js';
import { DpopKey } from '../../lib/issuer/dpop-key.js';
import { ClientSecretError, RotatingSecret, withPresentSecret } from '../../lib/issuer/rotating-secret.js';
import { isNonce, ServerNonces } from '../../lib/issuer/server-nonces.js';
import { tokenHash } from '../../lib/issuer/token-hash.js';

// How this server shows authorization servers who it is, without one.

const pair = (kind: 'rsa' | 'ec' | 'ed25519', options: object = {}): { pem: string; jwk: JWK } => {
  const { privateKey } = generateKeyPairSync(kind as 'rsa', { modulusLength: 2_048, ...options });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { pem, jwk: privateKey.export({ format: 'jwk' }) as JWK };
};
const EC = pair('ec', { namedCurve: 'P-256' });
const RSA = pair('rsa');

describe('the credentials of Basic', () => {
  it.each([
    ['notes-server', 's3cret', 'notes-server:s3cret'],
    ['a b:c', 'p&q=%+\u00e9', 'a+b%3Ac:p%26q%3D%25%2B%C3%A9'],
    ['', '', ':'],
  ])('RFC6749-2.3.1: of %j and %j are %j', (id, secret, text) => {
    const credentials = basicCredentials(id, secret);
    expect(Buffer.from(credentials, 'base64').toString()).toBe(text);
    const headers = new Headers();
    void clientSecretBasic(secret)({} as never, { client_id: id }, new URLSearchParams(), headers);
    expect(headers.get('authorization')).toBe(`Basic ${credentials}`);
  });

  it('LIB-05: are secret as a whole, and the secret in them as it is and as it is written', () => {
    const credentials = basicCredentials('id', 'a b');
    expect(secretsInBasic(`Basic ${credentials}`)).toEqual([credentials, 'a+b', 'a b']);
    expect(secretsInBasic(`Basic ${basicCredentials('id', '')}`)).toEqual([basicCredentials('id', '')]);
    expect(secretsInBasic(`Basic ${Buffer.from('id').toString('base64')}`)).toEqual(['aWQ=']);
    for (const other of [
      undefined,
      '',
      'Basic',
      'Basic ',
      'Bearer x',
      `xBasic ${credentials}`,
      `Basic ${credentials}\nx`,
    ])
      expect(secretsInBasic(other)).toEqual([]);
  });

  it('RFC6749-2.3.1: stand in the body with the other method', () => {
    const body = new URLSearchParams();
    void clientSecretPost('s3cret')({} as never, { client_id: 'id' }, body, new Headers());
    expect([...body]).toEqual([
      ['client_id', 'id'],
      ['client_secret', 's3cret'],
    ]);
  });
});

describe('a private key of the options', () => {
  const curve = (namedCurve: string): { pem: string } => pair('ec', { namedCurve });

  it.each<[string, string, { pem: string }]>([
    ['RSA', 'RS256', RSA],
    ['P-256', 'ES256', EC],
    ['P-384', 'ES384', curve('P-384')],
    ['P-521', 'ES512', curve('P-521')],
    ['Ed25519', 'EdDSA', pair('ed25519')],
  ])('RFC7523-3: of %s signs with %s', (_kind, algorithm, { pem }) => {
    expect(readSigningKey(pem)).toMatchObject({ algorithm, keyId: undefined, jwk: { kty: expect.any(String) } });
  });

  it('RFC7523-3: has the algorithm and the name of its JWK', () => {
    expect(readSigningKey({ ...RSA.jwk, alg: 'PS512', kid: 'k' })).toMatchObject({ algorithm: 'PS512', keyId: 'k' });
    expect(readSigningKey(EC.jwk)).toMatchObject({ algorithm: 'ES256', keyId: undefined, jwk: EC.jwk });
    expect(readSigningKey({ ...pair('ed25519').jwk, alg: 'Ed25519' }).algorithm).toBe('Ed25519');
  });

  it.each<[string, JWK | string, string]>([
    ['text', 'x', 'must be a private key'],
    ['an empty JWK', {}, 'must be a private key'],
    ['a public JWK', { ...EC.jwk, d: undefined } as never, 'must be a private key'],
    ['the algorithm of another key', { ...EC.jwk, alg: 'RS256' }, 'the key cannot sign with its algorithm'],
    ['the algorithm of another curve', { ...EC.jwk, alg: 'ES384' }, 'the key cannot sign with its algorithm'],
    ['a curve of no algorithm', curve('secp256k1').pem, 'the key cannot sign with its algorithm'],
  ])('LIB-05: is refused with a message that has nothing of it: %s', (_what, source, message) => {
    const read = (): unknown => readSigningKey(source);
    expect(read).toThrow(TypeError);
    expect(read).toThrow(new TypeError(message));
    expect(read).toThrow(expect.not.objectContaining({ cause: expect.anything() }));
  });
});

describe('private_key_jwt', () => {
  const assertionOf = async (source: JWK): Promise<{ header: object; claims: Record<string, unknown> }> => {
    const body = new URLSearchParams();
    const authenticate = privateKeyJwt(readSigningKey(source));
    await authenticate({ issuer: 'https://as.example' }, { client_id: 'id' }, body, new Headers());
    const assertion = body.get('client_assertion') as string;
    const { d: _d, ...publicJwk } = source;
    const { payload } = await jwtVerify(assertion, await importJWK(publicJwk, readSigningKey(source).algorithm));
    return { header: decodeProtectedHeader(assertion), claims: payload };
  };

  it('RFC7523-3: is an assertion for this issuer, valid for a minute, with the algorithm as it was registered', async () => {
    const { header, claims } = await assertionOf({ ...EC.jwk, kid: 'k' });
    expect(header).toEqual({ alg: 'ES256', kid: 'k' });
    expect(claims).toMatchObject({ iss: 'id', sub: 'id', aud: 'https://as.example' });
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(60);
    expect(claims).not.toHaveProperty('nbf');
    expect((await assertionOf(EC.jwk)).header).toEqual({ alg: 'ES256' });
    expect((await assertionOf({ ...pair('ed25519').jwk, alg: 'EdDSA' })).header).toEqual({ alg: 'EdDSA' });
  });

  it('RFC7523-3: follows the clock of the module', async () => {
    const body = new URLSearchParams();
    const client = oauthClient('id', 1_234_567_890_999);
    await privateKeyJwt(readSigningKey(EC.jwk))({ issuer: 'https://as.example' }, client, body, new Headers());
    const { iat, exp } = decodeJwt(body.get('client_assertion') as string);
    // The clock of the machine may move on by some seconds meanwhile.
    expect(Math.abs(Number(iat) - 1_234_567_890)).toBeLessThan(20);
    expect(Number(exp) - Number(iat)).toBe(60);
  });
});

describe('a certificate as authentication', () => {
  it('RFC8705-2: is on the connection, and the id in the body', () => {
    const certificate = new ClientCertificate(() => undefined, undefined);
    const authenticate = certificateAuthentication(certificate);
    expect(authenticate.certificate).toBe(certificate);
    const [body, headers] = [new URLSearchParams(), new Headers()];
    void authenticate({ issuer: 'https://as.example' }, { client_id: 'id' }, body, headers);
    expect([[...body], [...headers]]).toEqual([[['client_id', 'id']], []]);
  });
});

describe('a secret that changes', () => {
  let asked: number;
  let answers: unknown[];
  beforeEach(() => {
    asked = 0;
    answers = [];
  });
  afterEach(() => void jest.useRealTimers());
  const secretOf = (): RotatingSecret =>
    new RotatingSecret(() => {
      asked += 1;
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer;
    });

  it('is asked for once, for all who need it', async () => {
    answers = ['a'];
    const secret = secretOf();
    const all = await Promise.all([secret.current(), secret.current()]);
    expect([all.map(({ text }) => text), (await secret.current()).text, asked]).toEqual([['a', 'a'], 'a', 1]);
  });

  it('is asked for again after a refusal, once, and is another only if its text is', async () => {
    answers = ['a', 'a', 'b'];
    const secret = secretOf();
    const first = await secret.current();
    expect([await secret.isOtherThan(first), asked]).toEqual([false, 2]);
    expect(await Promise.all([secret.isOtherThan(first), secret.isOtherThan(first)])).toEqual([true, true]);
    expect([(await secret.current()).text, asked]).toEqual(['b', 3]);
    expect([await secret.isOtherThan(first), asked]).toEqual([true, 3]);
    answers = ['a'];
    expect(await secret.isOtherThan(await secret.current())).toBe(true);
    expect(await secret.isOtherThan(first)).toBe(true);
  });

  it.each<[string, unknown, string]>([
    ['an error', new Error('s3cret'), 'failed'],
    ['a rejection', Promise.reject(new Error('s3cret')), 'failed'],
    ['nothing', undefined, 'unsuitable'],
    ['an empty text', '', 'unsuitable'],
    ['a number', 5, 'unsuitable'],
    ['a list', ['a'], 'unsuitable'],
    ['4,097 characters', 'a'.repeat(4_097), 'unsuitable'],
  ])('LIB-05: is not %s, and the error has nothing of it', async (_what, answer, kind) => {
    answers = [answer];
    const error = await secretOf()
      .current()
      .catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ClientSecretError);
    const message =
      kind === 'failed'
        ? 'the function clientSecret threw, or took 5000 ms'
        : 'the function clientSecret must return a text of 1 to 4096 characters, and returned another value';
    expect(error).toMatchObject({ name: 'ClientSecretError', kind, message });
    expect(error).not.toHaveProperty('cause');
  });

  it('may have 4,096 characters, and come later, or after a failure', async () => {
    answers = [new Error('x'), Promise.resolve('a'.repeat(4_096))];
    const secret = secretOf();
    await expect(secret.current()).rejects.toThrow(ClientSecretError);
    expect((await secret.current()).text).toHaveLength(4_096);
  });

  it('LIB-11: is waited for five seconds', async () => {
    jest.useFakeTimers();
    const never = new RotatingSecret(() => new Promise(() => undefined));
    const waiting = never.current().catch(({ kind }: ClientSecretError) => kind);
    await jest.advanceTimersByTimeAsync(5_000);
    expect(await waiting).toBe('failed');
  });

  it('is sent once more if it was refused and there is another', async () => {
    const send = async (secret: RotatingSecret | undefined, refusals: number): Promise<unknown> => {
      let sent = 0;
      const result = withPresentSecret(
        secret,
        () => ((sent += 1) <= refusals ? Promise.reject(new Error('refused')) : Promise.resolve('good')),
        (error) => (error as Error).message === 'refused',
      );
      return [await result.catch((error: Error) => error.message), sent];
    };
    answers = ['a', 'b', 'c'];
    expect(await send(undefined, 1)).toEqual(['refused', 1]);
    expect(await send(secretOf(), 0)).toEqual(['good', 1]);
    answers = ['a', 'b', 'c'];
    expect(await send(secretOf(), 1)).toEqual(['good', 2]);
    answers = ['a', 'b', 'c'];
    expect(await send(secretOf(), 2)).toEqual(['refused', 2]);
    answers = ['a'];
    expect(await send(secretOf(), 1)).toEqual(['refused', 1]);
    answers = ['a', 'b'];
    const broken = withPresentSecret(
      secretOf(),
      () => Promise.reject(new Error('broken')),
      () => false,
    );
    await expect(broken).rejects.toThrow('broken');
  });

  it('is in each request as it is then', async () => {
    answers = ['a', 'b'];
    const authenticate = rotatingSecret(clientSecretBasic, () => answers[0]);
    const credentials = async (): Promise<string | null> => {
      const headers = new Headers();
      await authenticate({} as never, { client_id: 'id' }, new URLSearchParams(), headers);
      return headers.get('authorization');
    };
    expect(await credentials()).toBe(`Basic ${basicCredentials('id', 'a')}`);
    answers.shift();
    expect(await authenticate.secret?.isOtherThan(await authenticate.secret.current())).toBe(true);
    expect(await credentials()).toBe(`Basic ${basicCredentials('id', 'b')}`);
  });
});

describe('a DPoP key of this server', () => {
  const url = new URL('https://u@api.example/x/y?q=1#f');
  const proofOf = async (key: DpopKey, changes: object = {}): Promise<{ header: JWK; claims: object }> => {
    const proof = await key.prove({ method: 'POST', url, nonce: undefined, ...changes }, 1_234_999);
    const header = decodeProtectedHeader(proof) as JWK & { jwk: JWK };
    const { payload } = await jwtVerify(proof, await importJWK(header.jwk, header.alg));
    return { header, claims: payload };
  };

  it('RFC9449-4.2: proves a request, with the token and the nonce, if any', async () => {
    const key = DpopKey.generate();
    const first = await proofOf(key);
    expect(first.claims).toEqual({
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
      htm: 'POST',
      htu: 'https://api.example/x/y',
      iat: 1_234,
    });
    expect(first.header).toEqual({
      alg: 'ES256',
      typ: 'dpop+jwt',
      jwk: { kty: 'EC', crv: 'P-256', x: expect.any(String), y: expect.any(String) },
    });
    const second = await proofOf(key, { token: 'a', nonce: 'n' });
    expect(second.claims).toMatchObject({ ath: hash('sha256', 'a', 'base64url'), nonce: 'n' });
    expect(second.claims).not.toMatchObject({ jti: (first.claims as { jti: string }).jti });
  });

  it('RFC9449-4.2: is that of the options, and shows nothing of its private part', async () => {
    const key = DpopKey.of(readSigningKey({ ...RSA.jwk, alg: 'PS256' }));
    const { header } = await proofOf(key);
    const publicJwk = createPublicKey(RSA.pem).export({ format: 'jwk' });
    expect(header).toEqual({ alg: 'PS256', typ: 'dpop+jwt', jwk: publicJwk });
    expect(JSON.parse(JSON.stringify(key))).toEqual({ thumbprint: await calculateJwkThumbprint(publicJwk as JWK) });
  });

  it('RFC7518-3.3: of RSA has at least 2,048 bits', () => {
    const short = pair('rsa', { modulusLength: 2_040 });
    expect(() => DpopKey.of(readSigningKey(short.pem))).toThrow(
      new TypeError('an RSA key must have at least 2048 bits'),
    );
  });
});

describe('the nonces of servers', () => {
  it.each(['!', '#[]~', 'x'.repeat(1_024)])('RFC9449-8.1: can be %j', (nonce) => {
    expect(isNonce(nonce)).toBe(true);
  });

  it.each([undefined, null, 5, ['x'], '', 'a b', 'a"', 'a\\', '\u00e9', '\x7f', 'a\n', ' a', 'x'.repeat(1_025)])(
    'RFC9449-8.1: cannot be %j',
    (nonce) => {
      expect(isNonce(nonce)).toBe(false);
    },
  );

  it('RFC9449-8.2: are remembered by origin, the last of each', () => {
    const nonces = new ServerNonces();
    const [one, other] = [new URL('https://a.example/x'), new URL('https://b.example/x')];
    nonces.remember(one, 'first');
    nonces.remember(new URL('https://a.example/y'), 'second');
    nonces.remember(one, null);
    expect([nonces.of(one), nonces.of(other)]).toEqual(['second', undefined]);
  });
});

it('LIB-05: remembers tokens by their SHA-256', () => {
  expect(tokenHash('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0');
});
