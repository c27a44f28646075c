import { afterEach, describe, expect, it } from '@jest/globals';
import { compactVerify, createLocalJWKSet, SignJWT, type JSONWebKeySet } from 'jose';
import { generateTestKey, TestIssuer, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';

let issuer: TestIssuer;
let now = Date.now();
afterEach(() => issuer?.close());

async function start(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  now = Date.now();
  issuer = await TestIssuer.start({ alg: 'ES256', introspection: true, audience: 'r', now: () => now, ...options });
  return issuer;
}

const BASIC = `Basic ${Buffer.from('resource-server:resource-server-secret').toString('base64')}`;

function introspect(
  form: Record<string, string> | string,
  headers: Record<string, string> = { authorization: BASIC },
): Promise<Response> {
  const body = new URLSearchParams(form).toString();
  return fetch(issuer.introspectionUri, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  });
}
const answerFor = async (token: string): Promise<unknown> => (await introspect({ token })).json();

describe('the introspection endpoint of TestIssuer', () => {
  it('is in the metadata, if there is one', async () => {
    await start();
    const metadata = (): Promise<unknown> => fetch(issuer.wellKnownUris.oauth).then((response) => response.json());
    expect(await metadata()).toMatchObject({ introspection_endpoint: issuer.introspectionUri });
    await issuer.close();
    await start({ introspection: undefined as never });
    expect(await metadata()).not.toHaveProperty('introspection_endpoint');
    expect((await introspect({ token: 'x' })).status).toBe(405);
    expect(() => issuer.opaque()).toThrow(/introspection: true/);
    expect(() => issuer.revoke('x')).toThrow(/introspection: true/);
  });

  it('says what an opaque token stands for, and nothing of one that it did not issue', async () => {
    await start();
    const token = issuer.opaque({ scope: 'a', sub: 'bob', jti: undefined });
    expect(token).toMatch(/^[\w-]{32}$/);
    const iat = Math.floor(now / 1000);
    expect(await answerFor(token)).toEqual({
      active: true,
      token_type: 'Bearer',
      iss: issuer.issuer,
      sub: 'bob',
      client_id: 'test-client',
      aud: 'r',
      scope: 'a',
      iat,
      exp: iat + 300,
    });
    expect(await answerFor(`${token}x`)).toEqual({ active: false });
    expect(issuer.opaque({}, { prefix: 'at_' })).toMatch(/^at_/);
  });

  it('knows its JWTs, but not those that others signed', async () => {
    await start();
    expect(await answerFor(await issuer.mint({ scope: 'b' }))).toMatchObject({ active: true, scope: 'b', aud: 'r' });
    expect(await answerFor(await issuer.mint({}, { key: await generateTestKey({ alg: 'ES256' }) }))).toEqual({
      active: false,
    });
  });

  it('calls a token inactive that is revoked or expired', async () => {
    await start();
    const [first, second, jwt] = [issuer.opaque(), issuer.opaque(), await issuer.mint()];
    issuer.revoke(first);
    issuer.revoke(jwt);
    expect([await answerFor(first), await answerFor(jwt)]).toEqual([{ active: false }, { active: false }]);
    now += 299_000;
    expect(await answerFor(second)).toMatchObject({ active: true });
    now += 2_000;
    expect(await answerFor(second)).toEqual({ active: false });
  });

  it('answers its client only, authenticated in one way', async () => {
    const key = await generateTestKey({ alg: 'ES256' });
    await start({ introspection: { clientId: 'a b', clientSecret: 'c:d', clientKey: key.publicJwk } });
    expect(issuer.introspectionClient).toEqual({ clientId: 'a b', clientSecret: 'c:d' });
    const basic = (text: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(text).toString('base64')}`,
    });
    const assertion = (claims: object): Promise<string> =>
      new SignJWT({ iss: 'a b', sub: 'a b', aud: issuer.issuer, jti: 'x', exp: Math.floor(now / 1000) + 60, ...claims })
        .setProtectedHeader({ alg: 'ES256' })
        .sign(key.privateKey);
    const post = { token: 'x', client_id: 'a b', client_secret: 'c:d' };
    const signed = async (claims: object = {}): Promise<Record<string, string>> => ({
      token: 'x',
      client_id: 'a b',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(claims),
    });
    const statuses = async (...answers: Promise<Response>[]): Promise<number[]> =>
      (await Promise.all(answers)).map(({ status }) => status);
    expect(
      await statuses(
        introspect({ token: 'x' }, basic('a+b:c%3Ad')),
        introspect(post, {}),
        introspect(await signed(), {}),
      ),
    ).toEqual([200, 200, 200]);
    expect(
      await statuses(
        introspect({ token: 'x' }, {}),
        introspect({ token: 'x' }, basic('a b:c:d')),
        introspect({ token: 'x' }, basic('a+b:wrong')),
        introspect({ ...post, client_secret: 'wrong' }, {}),
        introspect(post, basic('a+b:c%3Ad')),
        introspect(await signed({ aud: 'other' }), {}),
        introspect(await signed({ exp: 1 }), {}),
        introspect({ ...(await signed()), client_assertion_type: 'x' }, {}),
      ),
    ).toEqual([401, 401, 401, 401, 401, 401, 401, 401]);
  });

  it('takes the token from a form in the body of a POST only', async () => {
    await start();
    expect((await fetch(`${issuer.introspectionUri}?token=x`, { headers: { authorization: BASIC } })).status).toBe(405);
    expect((await introspect({})).status).toBe(400);
    expect((await introspect('token=a&token=b')).status).toBe(400);
    expect(
      (await introspect({ token: 'x' }, { authorization: BASIC, 'content-type': 'application/json' })).status,
    ).toBe(400);
  });

  it('records what it was asked', async () => {
    await start();
    await introspect({ token: 'x', token_type_hint: 'access_token' });
    expect(issuer.requests).toEqual([
      expect.objectContaining({
        method: 'POST',
        endpoint: 'introspection',
        body: 'token=x&token_type_hint=access_token',
      }),
    ]);
    expect(issuer.requestCount('introspection')).toBe(1);
  });

  it('answers what the test wants', async () => {
    await start();
    const token = issuer.opaque();
    issuer.answerIntrospection = (right, asked) => ({ was: right['active'], asked });
    expect(await answerFor(token)).toEqual({ was: true, asked: token });
    issuer.answerIntrospection = () => new Response('teapot', { status: 418, headers: { 'x-kind': 'pot' } });
    const response = await introspect({ token });
    expect([response.status, response.headers.get('x-kind'), await response.text()]).toEqual([418, 'pot', 'teapot']);
  });

  it('signs its answer for whoever asks for that, as the test wants', async () => {
    await start();
    const token = issuer.opaque();
    const accept = { authorization: BASIC, accept: 'application/token-introspection+jwt' };
    const read = async (response: Response): Promise<{ header: object; claims: object }> => {
      expect(response.headers.get('content-type')).toBe('application/token-introspection+jwt');
      const { payload, protectedHeader } = await compactVerify(
        await response.text(),
        createLocalJWKSet((await (await fetch(issuer.jwksUri)).json()) as JSONWebKeySet),
      );
      return { header: protectedHeader, claims: JSON.parse(Buffer.from(payload).toString()) as object };
    };
    expect(await read(await introspect({ token }, accept))).toEqual({
      header: { alg: 'ES256', typ: 'token-introspection+jwt', kid: issuer.key.kid },
      claims: {
        iss: issuer.issuer,
        aud: 'resource-server',
        iat: Math.floor(now / 1000),
        token_introspection: expect.objectContaining({ active: true, aud: 'r' }),
      },
    });
    issuer.signedAnswer = { claims: { aud: 'other', iat: undefined }, header: { typ: 'JWT' } };
    const changed = await read(await introspect({ token }, accept));
    expect(changed).toMatchObject({ header: { typ: 'JWT' }, claims: { aud: 'other' } });
    expect(changed.claims).not.toHaveProperty('iat');
    issuer.signedAnswer = 'never';
    expect((await introspect({ token }, accept)).headers.get('content-type')).toBe('application/json');
  });

  it('can be broken, alone or with the others', async () => {
    await start();
    const token = issuer.opaque();
    issuer.fail('error', 'introspection');
    expect((await introspect({ token })).status).toBe(500);
    expect((await fetch(issuer.jwksUri)).status).toBe(200);
    issuer.recover();
    issuer.fail('html');
    expect((await introspect({ token })).headers.get('content-type')).toMatch(/^text\/html/);
    issuer.fail('redirect', 'introspection');
    const redirected = await fetch(issuer.introspectionUri, {
      method: 'POST',
      body: new URLSearchParams({ token }),
      headers: { authorization: BASIC },
    });
    expect(await redirected.json()).toMatchObject({ active: true });
    expect(issuer.requestCount('canary')).toBe(1);
    issuer.fail('down', 'introspection');
    await expect(introspect({ token })).rejects.toThrow();
  });
});
