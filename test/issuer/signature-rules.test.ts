import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CompactSign, importJWK, type CryptoKey } from 'jose';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import { KeyUndecidedError } from '../../lib/issuer/key-set.js';
import { verifySignature } from '../../lib/issuer/signature.js';

// Which of the keys of an issuer are tried for a signature, with a key set that says what it is asked.

type Answer = CryptoKey[] | Promise<CryptoKey[]>;

let signer: TestKey;
let other: TestKey;
const imported = new Map<TestKey, CryptoKey>();
beforeAll(async () => {
  [signer, other] = await Promise.all([generateTestKey({ alg: 'ES256' }), generateTestKey({ alg: 'ES256' })]);
  for (const one of [signer, other]) imported.set(one, (await importJWK(one.publicJwk, 'ES256')) as CryptoKey);
});

const publicOf = (key: TestKey): CryptoKey => imported.get(key) as CryptoKey;

async function sign(key: TestKey, header: object = {}): Promise<string> {
  const privateKey = await importJWK(key.privateKey.export({ format: 'jwk' }) as never, 'ES256');
  return new CompactSign(Buffer.from('{}')).setProtectedHeader({ alg: 'ES256', ...header }).sign(privateKey);
}

/** What the key set was asked. */
let asked: unknown[];
beforeEach(() => {
  asked = [];
});

const rulesWith = (
  candidates: Answer,
  replacements: CryptoKey[] | (() => Answer) = [],
  algorithms = ['ES256'],
): never =>
  ({
    algorithms,
    keys: {
      candidates: (hint: unknown) => (asked.push(hint), candidates),
      replacements: async (...tried: unknown[]) => {
        asked.push(tried);
        return typeof replacements === 'function' ? replacements() : replacements;
      },
    },
  }) as never;

/** Code and reason of a refusal, and the message of its cause. */
async function refusalOf(jws: string, rules: never): Promise<unknown> {
  try {
    return await verifySignature(jws, rules);
  } catch (error) {
    const { code, reason, cause } = error as { code: string; reason: string; cause?: Error };
    return [code, reason, cause?.message];
  }
}

describe('a signature', () => {
  it('RFC7515-5.2: is verified with the first key, with another, or with one that was published since', async () => {
    const jws = await sign(signer, { kid: 'k' });
    const [right, wrong] = [publicOf(signer), publicOf(other)];
    const hint = { alg: 'ES256', kid: 'k' };
    expect(await verifySignature(jws, rulesWith([right, wrong]))).toBe(right);
    expect(await verifySignature(jws, rulesWith(Promise.resolve([wrong, wrong, right])))).toBe(right);
    expect(asked).toEqual([hint, hint]);
    expect(await verifySignature(jws, rulesWith([wrong], [wrong, right]))).toBe(right);
    expect(asked.slice(2)).toEqual([hint, [[wrong], hint]]);
  });

  it('RFC7515-5.2: is looked up by the header that was read before, if one was', async () => {
    const hint = { alg: 'x', kid: 'y' };
    await verifySignature(await sign(signer), rulesWith([publicOf(signer)]), hint);
    expect(asked).toEqual([hint]);
  });

  it('RFC7515-5.2: is refused where no key verifies it, or none is known', async () => {
    const jws = await sign(signer);
    const wrong = publicOf(other);
    const failed = 'signature verification failed';
    expect(await refusalOf(jws, rulesWith([wrong, wrong], [wrong]))).toEqual([
      'invalid_token',
      'signature_invalid',
      failed,
    ]);
    expect(await refusalOf(jws, rulesWith([]))).toEqual(['invalid_token', 'key_unknown', undefined]);
    expect(asked).toHaveLength(3);
  });

  it('RFC8725-3.1: has an algorithm of the list', async () => {
    const outcome = await refusalOf(await sign(signer), rulesWith([publicOf(signer)], [publicOf(signer)], ['RS256']));
    expect(outcome).toMatchObject(['invalid_token', 'signature_invalid', expect.stringContaining('not allowed')]);
  });

  it.each(['x', 'a.b.c', '..'])('RFC7515-5.2: is not there in %j', async (jws) => {
    expect(await refusalOf(jws, rulesWith([publicOf(signer)]))).toEqual([
      'invalid_token',
      'signature_invalid',
      expect.any(String),
    ]);
    expect(asked).toEqual([]);
  });

  it('RFC7515-5.2: has a header without algorithm looked up as such', async () => {
    expect(await refusalOf('e30.e30.e30', rulesWith([]))).toEqual(['invalid_token', 'key_unknown', undefined]);
    expect(asked).toEqual([{ alg: '', kid: undefined }]);
  });

  it('LIB-10: is undecided while the keys cannot be fetched, now or again', async () => {
    const jws = await sign(signer);
    const down = (): Promise<never> => Promise.reject(new Error('down'));
    const unreachable = ['temporarily_unavailable', 'issuer_unreachable', 'down'];
    expect(await refusalOf(jws, rulesWith(down()))).toEqual(unreachable);
    expect(await refusalOf(jws, rulesWith([publicOf(other)], down))).toEqual(unreachable);
    expect(await refusalOf(jws, rulesWith(Promise.reject(new KeyUndecidedError(1))))).toEqual([
      'temporarily_unavailable',
      'key_undecided',
      'The issuer was asked for its keys a moment ago, and is asked again only after a pause',
    ]);
  });

  it('RFC8017-8.1.2: of RSA is as long as the modulus of its key', async () => {
    const rsa = await generateTestKey({ alg: 'PS256' });
    const publicKey = (await importJWK(rsa.publicJwk, 'PS256')) as CryptoKey;
    const privateKey = await importJWK(rsa.privateKey.export({ format: 'jwk' }) as never, 'PS256');
    const signed = (): Promise<string> =>
      new CompactSign(Buffer.from('{}')).setProtectedHeader({ alg: 'PS256' }).sign(privateKey);
    let jws = await signed();
    // A signature is random: one in 256 begins with a zero.
    while (Buffer.from(jws.split('.')[2] as string, 'base64url')[0] !== 0) jws = await signed();
    const rules = rulesWith([publicKey], [], ['PS256']);
    expect(await verifySignature(jws, rules)).toBe(publicKey);
    const [header, payload, signature] = jws.split('.') as [string, string, string];
    const cut = Buffer.from(signature, 'base64url').subarray(1).toString('base64url');
    expect(await refusalOf(`${header}.${payload}.${cut}`, rules)).toEqual([
      'invalid_token',
      'signature_invalid',
      'signature verification failed',
    ]);
  });
});
