import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CompactSign, decodeJwt, importJWK } from 'jose';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import { clientSecretBasic, clientSecretPost, rotatingSecret } from '../../lib/issuer/client-authentication.js';
import { DpopKey } from '../../lib/issuer/dpop-key.js';
import { IntrospectionEndpoint } from '../../lib/issuer/introspection-endpoint.js';
import { IntrospectionAccess } from '../../lib/issuer/introspection-gate.js';
import { OutboundError } from '../../lib/issuer/outbound-error.js';
import { StaticKeySet } from '../../lib/issuer/static-key-set.js';
import { isOutage, TokenEndpoint, type TokenEndpointSettings } from '../../lib/issuer/token-endpoint.js';

// What the endpoints of authorization servers are sent, and what becomes of their answers, with a `fetch` in place of a server.

const ISSUER = 'https://as.example';
const URL_OF_TOKENS = 'https://as.example/token';
const URL_OF_ANSWERS = 'https://as.example/introspect';

interface Sent {
  readonly url: string;
  readonly headers: Headers;
  readonly body: URLSearchParams;
}

let clock: number;
/** What was sent, in order. */
let sent: Sent[];
/** The answers to come; the last one repeats itself. */
let answers: (() => Response)[];
beforeEach(() => {
  clock = 1_700_000_000_000;
  sent = [];
  answers = [];
});
const now = (): number => clock;

const outbound = {
  timeoutMs: 5_000,
  maxBytes: 100_000,
  fetch: (async (url: string, { headers, body }: { headers: Record<string, string>; body: URLSearchParams }) => {
    sent.push({ url, headers: new Headers(headers), body });
    return (answers.length > 1 ? answers.shift() : answers[0])?.() ?? Response.error();
  }) as never,
};

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  (): Response =>
    Response.json(body, { status, headers });
const text =
  (body: string, type: string, status = 200) =>
  (): Response =>
    new Response(body, { status, headers: { 'content-type': type } });

/** The result, or name, message and further members of the error. */
async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
}

describe('TokenEndpoint', () => {
  const GOOD = { access_token: 'issued', token_type: 'Bearer', expires_in: 60 };
  const endpointWith = (changes: Partial<TokenEndpointSettings> = {}): TokenEndpoint => {
    const authenticate = clientSecretBasic('s3cret-of-client');
    return new TokenEndpoint(
      { issuer: ISSUER, endpoint: URL_OF_TOKENS, clientId: 'id', authenticate, ...changes },
      now,
      outbound,
    );
  };
  const request = (endpoint: TokenEndpoint, tokenType: 'bearer' | 'dpop' = 'bearer'): Promise<unknown> =>
    outcomeOf(
      endpoint.request({
        grantType: 'urn:x',
        parameters: [
          ['resource', 'https://a.example'],
          ['resource', 'https://b.example'],
          ['subject_token', 'the-token-of-the-caller'],
          ['actor_token', 'the-actor-token'],
          ['assertion', 'the-assertion'],
        ],
        expected: { tokenType, issuedTokenTypes: undefined },
      }),
    );

  it('RFC6749-3.2: is sent the grant and its parameters, with the credentials of this server', async () => {
    answers = [json(GOOD)];
    expect(await request(endpointWith())).toEqual({ token: 'issued', lifetimeSeconds: 60 });
    expect(sent.map(({ url }) => url)).toEqual([URL_OF_TOKENS]);
    expect(sent[0]?.headers.get('authorization')).toMatch(/^Basic /);
    expect(sent[0]?.headers.has('dpop')).toBe(false);
    expect([...(sent[0]?.body ?? [])]).toEqual(
      expect.arrayContaining([
        ['grant_type', 'urn:x'],
        ['resource', 'https://a.example'],
        ['resource', 'https://b.example'],
      ]),
    );
  });

  it.each([
    [400, 'invalid_grant'],
    [401, 'invalid_client'],
    [403, 'access_denied'],
  ])('RFC6749-5.2: refuses with %d, and is asked again', async (status, error) => {
    answers = [json({ error }, status), json(GOOD)];
    const endpoint = endpointWith();
    expect(await request(endpoint)).toBe(`TokenRefusedError: the token endpoint answered ${status} ${error}`);
    expect(await request(endpoint)).toMatchObject({ token: 'issued' });
  });

  it('LIB-05: does not have its errors repeat what was sent', async () => {
    const secrets = ['the-token-of-the-caller', 'the-actor-token', 'the-assertion', 's3cret-of-client'];
    for (const secret of secrets) {
      answers = [json({ error: secret, error_description: `no ${secret}` }, 400)];
      expect(await request(endpointWith())).toBe('TokenRefusedError: the token endpoint answered 400 …');
    }
    const inBody = endpointWith({ authenticate: clientSecretPost('s3cret-in-body') });
    answers = [json({ error: 's3cret-in-body' }, 400)];
    expect(await request(inBody)).toBe('TokenRefusedError: the token endpoint answered 400 …');
    answers = [json({ ...GOOD, token_type: 's3cret-of-client' })];
    expect(await request(endpointWith())).toBe('TokenAnswerError: its token_type is "…", and must be Bearer');
  });

  it.each<[string, () => Response, string]>([
    ['a page', text('{"access_token":"x"}', 'text/html'), 'the answer of the token endpoint is no JSON object'],
    ['broken JSON', text('{', 'application/json'), 'the answer of the token endpoint is no JSON object'],
    ['a list', json([]), 'the answer of the token endpoint is no JSON object'],
    ['no token', json({}), 'in the answer of the token endpoint, access_token is no text of visible ASCII'],
  ])('RFC6749-5.1: does not answer with %s', async (_what, answer, message) => {
    answers = [answer, json(GOOD)];
    const endpoint = endpointWith();
    expect(await request(endpoint)).toBe(`TokenAnswerError: ${message}`);
    expect(await request(endpoint)).toMatchObject({ token: 'issued' });
  });

  it.each<[string, () => Response, string]>([
    ['a list', json([], 400), 'status 400'],
    ['a page', text('x', 'text/html', 403), 'status 403'],
    ['no code', json({ error: '' }, 401), 'status 401'],
    ['another status', json({ error: 'x' }, 404), 'status 404'],
    ['201', json(GOOD, 201), 'status 201'],
  ])('RFC6749-5.2: does not refuse with %s, and is asked again', async (_what, answer, what) => {
    answers = [answer, json(GOOD)];
    const endpoint = endpointWith();
    expect(await request(endpoint)).toBe(`OutboundError: POST ${URL_OF_TOKENS}: ${what}`);
    expect(await request(endpoint)).toMatchObject({ token: 'issued' });
  });

  it.each([408, 429, 500, 503])('LIB-11: is left alone for two seconds after %d', async (status) => {
    answers = [json({}, status), json(GOOD)];
    const endpoint = endpointWith();
    expect(await request(endpoint)).toBe(`OutboundError: POST ${URL_OF_TOKENS}: status ${status}`);
    expect(await request(endpoint)).toMatch(/^NotAskedError: it failed a moment ago/);
    expect(sent).toHaveLength(1);
    clock += 2_000;
    expect(await request(endpoint)).toMatchObject({ token: 'issued' });
  });

  it('LIB-11: answers 256 requests at a time, with at most 65,536 bytes', async () => {
    answers = [text(`{"access_token":"a","token_type":"Bearer"}`.padEnd(65_536), 'application/json')];
    expect(await request(endpointWith())).toMatchObject({ token: 'a' });
    answers = [text(' '.repeat(65_537), 'application/json')];
    expect(await request(endpointWith())).toContain('longer than 65536 bytes');
    answers = [json(GOOD)];
    const endpoint = endpointWith();
    const all = await Promise.all(Array.from({ length: 257 }, () => request(endpoint)));
    const busy = all.filter((one) => String(one).endsWith(': 256 requests are under way already'));
    expect([busy.length, sent.length]).toEqual([1, 258]);
  });

  it('is asked once more with another secret if the server refuses the first', async () => {
    for (const refusal of [json({ error: 'invalid_client' }, 400), json({ error: 'unauthorized_client' }, 401)]) {
      const secrets = ['old', 'new'];
      const authenticate = rotatingSecret(clientSecretBasic, () => secrets.shift());
      answers = [refusal, json(GOOD)];
      expect(await request(endpointWith({ authenticate }))).toMatchObject({ token: 'issued' });
    }
    let count = 0;
    const never = rotatingSecret(clientSecretBasic, () => `x${(count += 1)}`);
    answers = [json({ error: 'invalid_grant' }, 400)];
    sent = [];
    expect(await request(endpointWith({ authenticate: never }))).toContain('invalid_grant');
    expect(sent).toHaveLength(1);
  });

  it('may be at plain http, which the options and the discovery have allowed', async () => {
    answers = [json(GOOD)];
    expect(await request(endpointWith({ endpoint: 'http://as.internal/token' }))).toMatchObject({ token: 'issued' });
    expect(sent.map(({ url }) => url)).toEqual(['http://as.internal/token']);
  });

  it('RFC6749-5.1: has answers that are no JSON object count as malformed', async () => {
    answers = [json([])];
    const asked = endpointWith().request({
      grantType: 'urn:x',
      parameters: [],
      expected: { tokenType: 'bearer', issuedTokenTypes: undefined },
    });
    await expect(asked).rejects.toMatchObject({ name: 'TokenAnswerError', kind: 'malformed' });
  });

  it('is found, and found again after it has gone', async () => {
    const asked: string[] = [];
    const endpoint = endpointWith({
      endpoint: { url: async (purpose) => (asked.push(purpose), URL_OF_TOKENS), forget: () => asked.push('forget') },
    });
    answers = [json({}, 404), json({}, 400), json(GOOD)];
    for (let count = 0; count < 3; count += 1) await request(endpoint);
    expect(asked).toEqual(['token', 'forget', 'token', 'token']);
  });

  it('RFC9449-8: gets a proof with the nonce that it asked for, once, and with the last one it gave', async () => {
    const nonces = (): unknown[] => sent.map(({ headers }) => decodeJwt(headers.get('dpop') ?? '')['nonce']);
    const bound = { ...GOOD, token_type: 'DPoP' };
    const endpoint = endpointWith({ dpop: DpopKey.generate() });
    const asks = (nonce: string): (() => Response) => json({ error: 'use_dpop_nonce' }, 400, { 'dpop-nonce': nonce });
    answers = [asks('first'), json(bound, 200, { 'dpop-nonce': 'second' }), asks('third'), asks('fourth')];
    expect(await request(endpoint, 'dpop')).toMatchObject({ token: 'issued' });
    expect(await request(endpoint, 'dpop')).toContain('use_dpop_nonce');
    expect(nonces()).toEqual([undefined, 'first', 'second', 'third']);
    expect(decodeJwt(sent[0]?.headers.get('dpop') ?? '')).toMatchObject({ htm: 'POST', htu: URL_OF_TOKENS });
    sent = [];
    answers = [asks('fourth')];
    expect(await request(endpoint, 'dpop')).toContain('use_dpop_nonce');
    expect(nonces()).toEqual(['fourth']);
    sent = [];
    answers = [json({ error: 'invalid_grant' }, 400, { 'dpop-nonce': 'fifth' })];
    expect(await request(endpoint, 'dpop')).toContain('invalid_grant');
    expect(sent).toHaveLength(1);
    answers = [asks('first')];
    sent = [];
    expect(await request(endpointWith())).toContain('use_dpop_nonce');
    expect(sent).toHaveLength(1);
  });

  it.each<[string, unknown, boolean]>([
    ['another error', new Error('x'), false],
    ['no answer', new OutboundError('x', 'y'), true],
    ['407', new OutboundError('x', 'y', 407), false],
    ['408', new OutboundError('x', 'y', 408), true],
    ['429', new OutboundError('x', 'y', 429), true],
    ['499', new OutboundError('x', 'y', 499), false],
    ['500', new OutboundError('x', 'y', 500), true],
  ])('has an outage: %s', (_what, error, expected) => {
    expect(isOutage(error)).toBe(expected);
  });
});

describe('IntrospectionEndpoint', () => {
  const reports: unknown[] = [];
  let key: TestKey;
  beforeAll(async () => {
    key = await generateTestKey({ alg: 'ES256', kid: 'k' });
  });
  beforeEach(() => void reports.splice(0));

  const endpointWith = (changes: object = {}): IntrospectionEndpoint =>
    new IntrospectionEndpoint(
      {
        issuer: ISSUER,
        endpoint: URL_OF_ANSWERS,
        clientId: 'id',
        authenticate: clientSecretBasic('s3cret'),
        signed: undefined,
        ...changes,
      },
      now,
      {
        answered: (isActive) => reports.push(isActive),
        failed: (error) => reports.push((error as Error).message),
        busy: () => reports.push('busy'),
      },
      outbound,
      new IntrospectionAccess(now),
    );
  const ask = (endpoint: IntrospectionEndpoint, token = 'the-token'): Promise<unknown> =>
    outcomeOf(endpoint.introspect(token));

  it('RFC7662-2.1: is sent the token, and answers what it is', async () => {
    answers = [json({ active: true, sub: 'alice' }), json({ active: false })];
    const endpoint = endpointWith();
    expect(await ask(endpoint)).toEqual({ active: true, sub: 'alice' });
    expect(await ask(endpoint)).toEqual({ active: false });
    expect(reports).toEqual([true, false]);
    expect(sent.map(({ url }) => url)).toEqual([URL_OF_ANSWERS, URL_OF_ANSWERS]);
    expect(Object.fromEntries(sent[0]?.body ?? [])).toMatchObject({
      token: 'the-token',
      token_type_hint: 'access_token',
    });
    expect(sent[0]?.headers.get('accept')).toBe('application/json');
  });

  it.each<[string, () => Response, RegExp]>([
    [
      'a page',
      text('{"active":true}', 'text/html'),
      /^OutboundError: POST https:.*content type "text\/html", expected application\/json$/,
    ],
    ['another status', json({ active: true }, 201), /^OutboundError: .*status 201/],
    [
      'no member active',
      json({}),
      /^IntrospectionError: the answer of the introspection endpoint of https:\/\/as\.exa/,
    ],
    ['active as text', json({ active: 'true' }), /^IntrospectionError: the answer of the introspection endpoint of/],
    ['no JSON', text('{', 'application/json'), /^IntrospectionError: the answer .* failed to parse .* as JSON$/],
    [
      'a signed answer',
      text('a.b.c', 'application/token-introspection+jwt'),
      /^OutboundError: .*expected application\/json$/,
    ],
  ])('RFC7662-2.2: does not answer with %s, and reports why', async (_what, answer, message) => {
    answers = [answer];
    const outcome = String(await ask(endpointWith()));
    expect(outcome).toMatch(message);
    expect(outcome).not.toContain('the-token');
    expect(reports).toEqual([outcome.replace(/^\w+: /, '')]);
  });

  it('may be at plain http, which the options and the discovery have allowed', async () => {
    answers = [json({ active: true })];
    expect(await ask(endpointWith({ endpoint: 'http://as.internal/introspect' }))).toEqual({ active: true });
  });

  it('is found in advance, and a failure of that is reported alone', async () => {
    const asked: string[] = [];
    const found = { url: async (purpose: string) => (asked.push(purpose), URL_OF_ANSWERS), forget: () => undefined };
    await endpointWith({ endpoint: found }).warmUp();
    expect([asked, reports]).toEqual([['start'], []]);
    const lost = { url: () => Promise.reject(new Error('lost')), forget: () => undefined };
    await endpointWith({ endpoint: lost }).warmUp();
    expect(await ask(endpointWith({ endpoint: lost }))).toBe('Error: lost');
    expect([reports, sent]).toEqual([['lost', 'lost'], []]);
  });

  it('is found again after it has gone', async () => {
    const asked: string[] = [];
    const found = {
      url: async (purpose: string) => (asked.push(purpose), URL_OF_ANSWERS),
      forget: () => asked.push('x'),
    };
    answers = [json({}, 404)];
    await ask(endpointWith({ endpoint: found }));
    expect(asked).toEqual(['token', 'x']);
  });

  it('is asked once more with another secret if the server refuses the first with 401', async () => {
    const secrets = ['old', 'new', 'newer'];
    const authenticate = rotatingSecret(clientSecretBasic, () => secrets.shift());
    answers = [json({}, 401), json({ active: true })];
    expect(await ask(endpointWith({ authenticate }))).toEqual({ active: true });
    answers = [json({}, 403)];
    expect(await ask(endpointWith({ authenticate }))).toContain('status 403');
    expect(sent).toHaveLength(3);
  });

  it('LIB-05: has the error of a function that gave no secret as it is', async () => {
    const authenticate = rotatingSecret(clientSecretBasic, () => undefined);
    expect(await ask(endpointWith({ authenticate }))).toMatch(/^ClientSecretError: the function clientSecret must/);
  });

  it('LIB-11: reports that it is busy', async () => {
    answers = [json({ active: true })];
    const endpoint = endpointWith();
    const all = await Promise.all(Array.from({ length: 33 }, (_none, index) => ask(endpoint, `t${index}`)));
    expect(all.filter((one) => typeof one === 'string')).toHaveLength(1);
    expect(reports.filter((one) => one === 'busy')).toHaveLength(1);
  });

  describe('with signed answers', () => {
    const GOOD = { iss: ISSUER, aud: 'id', iat: 1_700_000_000, token_introspection: { active: true, sub: 'alice' } };
    const signedBy = async (claims: object | string, header: object = {}): Promise<() => Response> => {
      const payload = typeof claims === 'string' ? claims : JSON.stringify(claims);
      const jwk = key.privateKey.export({ format: 'jwk' });
      const jwt = await new CompactSign(Buffer.from(payload))
        .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'token-introspection+jwt', ...header })
        .sign(await importJWK(jwk as never, 'ES256'));
      return text(jwt, 'application/token-introspection+jwt');
    };
    const askSigned = async (claims: object | string, header?: object): Promise<unknown> => {
      answers = [await signedBy(claims, header)];
      return ask(
        endpointWith({
          signed: {
            keys: new StaticKeySet({ keys: [key.publicJwk] }),
            algorithms: ['ES256'],
            audiences: new Set(['id', 'https://a.example']),
            toleranceSeconds: 5,
          },
        }),
      );
    };

    it.each<[string, object]>([
      ['for this client', {}],
      ['for the resource', { aud: ['x', 'https://a.example'] }],
      ['made five minutes ahead', { iat: 1_700_000_300 }],
      ['made at the beginning of time', { iat: 0 }],
      ['that has just expired', { exp: 1_699_999_996 }],
      ['that is just not valid yet', { nbf: 1_700_000_005 }],
      ['without times of its own', { exp: null, nbf: null }],
    ])('RFC9701-5: believes one %s', async (_what, claims) => {
      expect(await askSigned({ ...GOOD, ...claims })).toEqual({ active: true, sub: 'alice' });
      expect(sent[0]?.headers.get('accept')).toBe('application/token-introspection+jwt');
      expect(reports).toEqual([true]);
    });

    it.each(['Token-Introspection+JWT', 'application/token-introspection+jwt'])(
      'RFC9701-5: believes the typ %s',
      async (typ) => {
        expect(await askSigned(GOOD, { typ })).toMatchObject({ active: true });
      },
    );

    it.each<[string, object, string]>([
      ['of another issuer', { iss: `${ISSUER}/` }, 'the signed answer comes from another issuer'],
      ['for another', { aud: 'other' }, 'the signed answer is for another audience'],
      ['for nobody', { aud: undefined }, 'the signed answer is for another audience'],
      ['for an empty list', { aud: [] }, 'the signed answer is for another audience'],
      ['without iat', { iat: undefined }, 'the signed answer has no iat, or one in the future'],
      ['of later', { iat: 1_700_000_301 }, 'the signed answer has no iat, or one in the future'],
      ['with a negative iat', { iat: -1 }, 'the signed answer has no iat, or one in the future'],
      ['with iat as text', { iat: '5' }, 'the signed answer has no iat, or one in the future'],
      ['that has expired', { exp: 1_699_999_995 }, 'the signed answer has expired'],
      ['with exp as text', { exp: '1800000000' }, 'the signed answer has expired'],
      ['that is not valid yet', { nbf: 1_700_000_006 }, 'the signed answer is not valid yet'],
      ['with nbf as text', { nbf: '5' }, 'the signed answer is not valid yet'],
      ['about nothing', { token_introspection: undefined }, 'the signed answer says nothing about a token'],
      ['about text', { token_introspection: 'active' }, 'the signed answer says nothing about a token'],
      ['without active', { token_introspection: {} }, 'the signed answer says nothing about a token'],
      [
        'with active as text',
        { token_introspection: { active: 'true' } },
        'the signed answer says nothing about a token',
      ],
    ])('RFC9701-5: does not believe one %s', async (_what, claims, message) => {
      expect(await askSigned({ ...GOOD, ...claims })).toBe(`IntrospectionError: ${message}`);
      expect(reports).toEqual([message]);
    });

    it.each([
      'JWT',
      'at+jwt',
      'x/token-introspection+jwt',
      'xapplication/token-introspection+jwt',
      'token-application/introspection+jwt',
      undefined,
    ])('RFC9701-5: does not believe the typ %j', async (typ) => {
      const message = 'IntrospectionError: the typ of the signed answer is not token-introspection+jwt';
      expect(await askSigned(GOOD, { typ })).toBe(message);
    });

    it('RFC9701-5: says of one that is too long that it is', async () => {
      expect(await askSigned({ ...GOOD, more: 'x'.repeat(100_000) })).toMatch(/longer than \d+ bytes$/);
    });

    it('RFC9701-5: does not believe one that never expires', async () => {
      const forever = JSON.stringify({ ...GOOD, exp: 0 }).replace('"exp":0', '"exp":1e999');
      expect(await askSigned(forever)).toBe('IntrospectionError: the signed answer has expired');
    });

    it('RFC9701-5: does not believe one with a wrong signature, nor one that is not signed', async () => {
      expect(await askSigned(GOOD, { kid: 'other' })).toMatch(/^IntrospectionError: the answer of the introspection/);
      answers = [json({ active: true })];
      const signed = {
        keys: new StaticKeySet({ keys: [] }),
        algorithms: ['ES256'],
        audiences: new Set(),
        toleranceSeconds: 5,
      };
      expect(await ask(endpointWith({ signed }))).toMatch(/^OutboundError: .*content type "application\/json"/);
    });
  });
});
