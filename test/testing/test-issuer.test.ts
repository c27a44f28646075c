import { once } from 'node:events';
import { connect } from 'node:net';
import { jest } from '@jest/globals';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import type { TestFault, TestIssuerOptions, WellKnownForm } from 'nestjs-mcp-auth/testing';
import { until } from '../support/until.js';

const running: TestIssuer[] = [];

async function start(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const issuer = await TestIssuer.start({ alg: 'ES256', ...options });
  running.push(issuer);
  return issuer;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((issuer) => issuer.close()));
});

async function json(url: string): Promise<Record<string, unknown>> {
  return (await fetch(url)).json() as Promise<Record<string, unknown>>;
}

function verify(token: string, { jwksUri }: TestIssuer) {
  return jwtVerify(token, createRemoteJWKSet(new URL(jwksUri)));
}

describe('TestIssuer metadata', () => {
  it('names itself and where its keys are', async () => {
    const issuer = await start();
    expect(issuer.issuer).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await json(`${issuer.issuer}/.well-known/oauth-authorization-server`)).toMatchObject({
      issuer: issuer.issuer,
      jwks_uri: issuer.jwksUri,
      code_challenge_methods_supported: ['S256'],
    });
    expect(await json(issuer.jwksUri)).toEqual({ keys: [issuer.key.publicJwk] });
  });

  it.each<[string, Record<WellKnownForm, string>]>([
    [
      '/tenant/a',
      {
        oauth: '/.well-known/oauth-authorization-server/tenant/a',
        'oidc-insert': '/.well-known/openid-configuration/tenant/a',
        'oidc-append': '/tenant/a/.well-known/openid-configuration',
      },
    ],
    [
      '/tenant/',
      {
        oauth: '/.well-known/oauth-authorization-server/tenant',
        'oidc-insert': '/.well-known/openid-configuration/tenant',
        'oidc-append': '/tenant/.well-known/openid-configuration',
      },
    ],
    [
      '/',
      {
        oauth: '/.well-known/oauth-authorization-server',
        'oidc-insert': '/.well-known/openid-configuration',
        'oidc-append': '/.well-known/openid-configuration',
      },
    ],
  ])('serves every well-known form of an issuer with the path %s', async (path, forms) => {
    const issuer = await start({ path });
    expect(issuer.issuer.endsWith(path)).toBe(true);
    for (const [form, place] of Object.entries(forms) as [WellKnownForm, string][]) {
      expect(issuer.wellKnownUris[form]).toBe(new URL(issuer.issuer).origin + place);
      expect((await json(issuer.wellKnownUris[form]))['issuer']).toBe(issuer.issuer);
    }
    expect((await fetch(issuer.jwksUri)).status).toBe(200);
  });

  it.each<WellKnownForm>(['oauth', 'oidc-insert', 'oidc-append'])(
    'serves nothing but %s where only that is wanted',
    async (only) => {
      const issuer = await start({ path: '/tenant', wellKnown: [only] });
      for (const [form, uri] of Object.entries(issuer.wellKnownUris)) {
        expect((await fetch(uri)).status).toBe(form === only ? 200 : 404);
      }
      expect(issuer.requestCount('metadata')).toBe(3);
    },
  );

  it('adds, replaces and removes members, at the start and later', async () => {
    const issuer = await start({ metadata: { scopes_supported: ['a'], token_endpoint: undefined } });
    const first = await json(issuer.wellKnownUris.oauth);
    expect(first['scopes_supported']).toEqual(['a']);
    expect(first).not.toHaveProperty('token_endpoint');

    issuer.metadata['jwks_uri'] = `${issuer.issuer}/elsewhere`;
    expect((await json(issuer.wellKnownUris.oauth))['jwks_uri']).toBe(`${issuer.issuer}/elsewhere`);
  });

  it.each(['tenant', '//evil.example?', '/a#b', '/a b'])('refuses the path %j', async (path) => {
    await expect(TestIssuer.start({ path })).rejects.toThrow('options.path');
  });

  it('answers 404 anywhere else and 405 to other methods', async () => {
    const issuer = await start();
    expect((await fetch(`${issuer.issuer}/token`)).status).toBe(404);
    expect((await fetch(`${issuer.issuer}/canary/unknown`)).status).toBe(404);
    expect((await fetch(issuer.jwksUri, { method: 'POST', body: 'x' })).status).toBe(405);
  });
});

describe('TestIssuer keys', () => {
  it('rotates: the old key leaves the set, the new one signs', async () => {
    const issuer = await start();
    const [oldKey, oldToken] = [issuer.key, await issuer.mint()];
    const newKey = await issuer.rotateKeys();
    expect(issuer.key).toBe(newKey);
    expect(newKey).toMatchObject({ alg: 'ES256', kid: expect.not.stringMatching(oldKey.kid) });
    expect(await json(issuer.jwksUri)).toEqual({ keys: [newKey.publicJwk] });
    await expect(verify(await issuer.mint(), issuer)).resolves.toBeDefined();
    await expect(verify(oldToken, issuer)).rejects.toThrow(errors.JWKSNoMatchingKey);
  });

  it('rotates with an overlap', async () => {
    const issuer = await start();
    const oldToken = await issuer.mint();
    await issuer.rotateKeys({ keepOld: true });
    await expect(verify(oldToken, issuer)).resolves.toBeDefined();
    await expect(verify(await issuer.mint(), issuer)).resolves.toBeDefined();
  });

  it('publishes further keys, which sign only where asked to', async () => {
    const issuer = await start();
    const added = await issuer.addKey({ alg: 'EdDSA' });
    expect(await issuer.addKey(added)).toBe(added);
    expect(await json(issuer.jwksUri)).toEqual({ keys: [issuer.key.publicJwk, added.publicJwk, added.publicJwk] });
    expect(issuer.key).not.toBe(added);
    issuer.withdraw(added);
    expect(await json(issuer.jwksUri)).toEqual({ keys: [issuer.key.publicJwk] });
  });

  it('publishes garbage as it stands', async () => {
    const issuer = await start();
    const garbage = { kty: 'XYZ' };
    issuer.publish(garbage, null, 'key');
    expect(await json(issuer.jwksUri)).toEqual({ keys: [issuer.key.publicJwk, garbage, null, 'key'] });
    issuer.withdraw(garbage);
    issuer.withdraw(null);
    expect(await json(issuer.jwksUri)).toEqual({ keys: [issuer.key.publicJwk, 'key'] });
  });

  it('withdraws the signing key while it goes on signing', async () => {
    const issuer = await start();
    issuer.withdraw(issuer.key);
    expect(await json(issuer.jwksUri)).toEqual({ keys: [] });
    await expect(verify(await issuer.mint(), issuer)).rejects.toThrow(errors.JWKSNoMatchingKey);
  });
});

describe('TestIssuer faults', () => {
  async function failing(fault: TestFault): Promise<TestIssuer> {
    const issuer = await start();
    issuer.fail(fault);
    return issuer;
  }

  it('down: cuts the connection', async () => {
    const issuer = await failing('down');
    await expect(fetch(issuer.jwksUri)).rejects.toThrow();
    await expect(fetch(issuer.wellKnownUris.oauth)).rejects.toThrow();
    expect(issuer.requests).toHaveLength(2);
  });

  it('hang: never answers, and is cut by close()', async () => {
    const issuer = await failing('hang');
    const socket = connect(Number(new URL(issuer.issuer).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n');
    const pending = fetch(issuer.jwksUri);
    const outcome = expect(pending).rejects.toThrow();
    await until(() => issuer.requestCount('jwks') >= 2);
    const closed = once(socket, 'close');
    await issuer.close();
    await closed;
    await outcome;
    expect(socket.bytesRead).toBe(0);
  });

  it('slow: answers rightly, that many milliseconds later by the timers of the test', async () => {
    jest.useFakeTimers({ now: Date.now(), doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
    try {
      const issuer = await failing({ slow: 60_000 });
      let answered = false;
      const pending = json(issuer.jwksUri).finally(() => (answered = true));
      await until(() => issuer.requestCount('jwks') >= 1);

      jest.advanceTimersByTime(59_999);
      await fetch(`${issuer.issuer}/other`);
      expect(answered).toBe(false);

      jest.advanceTimersByTime(1);
      expect(await pending).toHaveProperty('keys');
    } finally {
      jest.useRealTimers();
    }
  });

  it('slow: does not outlive the request', async () => {
    const issuer = await failing({ slow: 2 ** 30 });
    const outcome = expect(fetch(issuer.jwksUri)).rejects.toThrow();
    await until(() => issuer.requestCount('jwks') >= 1);
    await issuer.close();
    await outcome;
  });

  it('error: answers 500', async () => {
    const issuer = await failing('error');
    expect((await fetch(issuer.jwksUri)).status).toBe(500);
    expect((await fetch(issuer.wellKnownUris.oauth)).status).toBe(500);
  });

  it('flapping: fails every second request to an endpoint', async () => {
    const issuer = await failing('flapping');
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await fetch(issuer.jwksUri)).status);
    expect(statuses).toEqual([200, 500, 200, 500]);
    expect((await fetch(issuer.wellKnownUris.oauth)).status).toBe(200);
  });

  it('not-found: answers 404', async () => {
    const issuer = await failing('not-found');
    expect((await fetch(issuer.jwksUri)).status).toBe(404);
    expect((await fetch(issuer.wellKnownUris['oidc-append'])).status).toBe(404);
  });

  it('redirect: leads to a canary that would have given the right answer', async () => {
    const issuer = await failing('redirect');
    const answer = await fetch(issuer.jwksUri, { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(issuer.requestCount('canary')).toBe(0);

    expect(await json(issuer.jwksUri)).toEqual({ keys: [issuer.key.publicJwk] });
    expect(await json(issuer.wellKnownUris.oauth)).toMatchObject({ issuer: issuer.issuer });
    expect(issuer.requestCount('canary')).toBe(2);
  });

  it('html: answers 200 with a page', async () => {
    const answer = await fetch((await failing('html')).jwksUri);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/html');
    expect(await answer.text()).toMatch(/^<!doctype html>/);
  });

  it('invalid-json: answers 200 with broken JSON', async () => {
    const answer = await fetch((await failing('invalid-json')).jwksUri);
    expect(answer.headers.get('content-type')).toBe('application/json');
    await expect(answer.json()).rejects.toThrow('JSON');
  });

  it('huge: streams 50 MiB around the right answer, without saying how much', async () => {
    const issuer = await failing('huge');
    const answer = await fetch(issuer.jwksUri);
    expect(answer.headers.get('content-length')).toBeNull();
    const text = await answer.text();
    expect(text.length).toBeGreaterThan(50 * 1024 * 1024);
    expect(JSON.parse(text)).toEqual({ keys: [issuer.key.publicJwk] });
  });

  it('huge: bears a reader that hangs up', async () => {
    const issuer = await failing('huge');
    const answer = await fetch(issuer.jwksUri);
    await answer.body!.cancel();
    issuer.recover();
    expect((await fetch(issuer.jwksUri)).status).toBe(200);
  });

  it('wrong-issuer: names another issuer and leaves the keys alone', async () => {
    const issuer = await failing('wrong-issuer');
    const metadata = await json(issuer.wellKnownUris.oauth);
    expect(metadata).toMatchObject({ issuer: 'https://wrong-issuer.invalid', jwks_uri: issuer.jwksUri });
    expect(await json(issuer.jwksUri)).toEqual({ keys: [issuer.key.publicJwk] });
  });

  it('strikes one endpoint only where asked to, and each its own', async () => {
    const issuer = await start();
    issuer.fail('error', 'jwks');
    expect((await fetch(issuer.wellKnownUris.oauth)).status).toBe(200);
    issuer.fail('not-found', 'metadata');
    expect((await fetch(issuer.wellKnownUris.oauth)).status).toBe(404);
    expect((await fetch(issuer.jwksUri)).status).toBe(500);
  });

  it('recovers', async () => {
    const issuer = await failing('down');
    await expect(fetch(issuer.jwksUri)).rejects.toThrow();
    issuer.recover();
    expect((await fetch(issuer.jwksUri)).status).toBe(200);
  });

  it('has no document where a form is not served, whatever the fault', async () => {
    const issuer = await start({ path: '/tenant', wellKnown: ['oidc-append'] });
    for (const fault of ['wrong-issuer', 'redirect', 'html', 'huge', 'invalid-json'] as const) {
      issuer.fail(fault);
      expect((await fetch(issuer.wellKnownUris.oauth, { redirect: 'manual' })).status).toBe(404);
    }
    issuer.fail('error');
    expect((await fetch(issuer.wellKnownUris.oauth)).status).toBe(500);
  });
});

describe('TestIssuer requests', () => {
  it('records what was asked, by endpoint', async () => {
    const issuer = await start({ path: '/tenant' });
    await fetch(`${issuer.jwksUri}?x=1`, { headers: { 'x-probe': 'yes' } });
    await fetch(issuer.wellKnownUris.oauth, { method: 'HEAD' });
    await fetch(`${issuer.issuer}/authorize`);
    expect(issuer.requests).toMatchObject([
      { method: 'GET', url: '/tenant/jwks?x=1', endpoint: 'jwks', headers: { 'x-probe': 'yes' } },
      { method: 'HEAD', url: '/.well-known/oauth-authorization-server/tenant', endpoint: 'metadata' },
      { method: 'GET', url: '/tenant/authorize', endpoint: 'other' },
    ]);
    expect(issuer.requestCount('jwks')).toBe(1);
    issuer.clearRequests();
    expect(issuer.requests).toHaveLength(0);
    expect(issuer.requestCount('jwks')).toBe(0);
  });

  it('counts the one request of a verifier that caches', async () => {
    const issuer = await start();
    const keys = createRemoteJWKSet(new URL(issuer.jwksUri));
    await jwtVerify(await issuer.mint(), keys);
    await jwtVerify(await issuer.mint(), keys);
    expect(issuer.requestCount('jwks')).toBe(1);
  });
});

describe('TestIssuer.close', () => {
  it('refuses connections afterwards, and may be called again', async () => {
    const issuer = await start();
    await Promise.all([issuer.close(), issuer.close()]);
    await issuer.close();
    await expect(fetch(issuer.jwksUri)).rejects.toThrow();
  });

  it('is what `await using` does', async () => {
    let jwksUri: string;
    {
      await using issuer = await TestIssuer.start({ alg: 'ES256' });
      jwksUri = issuer.jwksUri;
    }
    await expect(fetch(jwksUri)).rejects.toThrow();
  });
});
