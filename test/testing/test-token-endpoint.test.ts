import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { decodeJwt } from 'jose';
import { TestIssuer, type AnswerToken, type TestFault } from 'nestjs-mcp-auth/testing';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

describe('the token endpoint of TestIssuer', () => {
  let issuer: TestIssuer;
  let token: string;

  beforeEach(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: 'https://notes.example.com', tokenEndpoint: true });
    token = await issuer.mint({ sub: 'alice' });
  });
  afterEach(async () => {
    jest.useRealTimers();
    await issuer.close();
  });

  const exchange = (secret = issuer.tokenClient.clientSecret, signal: AbortSignal | null = null): Promise<Response> =>
    fetch(issuer.tokenUri, {
      method: 'POST',
      redirect: 'manual',
      signal,
      body: new URLSearchParams({
        grant_type: EXCHANGE,
        subject_token: token,
        subject_token_type: ACCESS_TOKEN,
        audience: 'https://calendar.example.com',
        client_id: issuer.tokenClient.clientId,
        client_secret: secret,
      }),
    });
  const read = async (response: Response): Promise<{ status: number; body: Record<string, unknown> }> => ({
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
  });

  it('RFC8693-2.2.1-a: exchanges a token, and records what it was asked', async () => {
    const { status, body } = await read(await exchange());
    expect(status).toBe(200);
    expect(body).toMatchObject({ issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: 300 });
    expect(decodeJwt(String(body['access_token']))).toMatchObject({
      sub: 'alice',
      aud: ['https://calendar.example.com'],
      act: { sub: 'resource-server' },
    });
    const request = issuer.requests.find(({ endpoint }) => endpoint === 'token');
    expect(new URLSearchParams(request?.body).get('subject_token')).toBe(token);
  });

  it('is in the metadata, if there is one', async () => {
    const metadata = await (await fetch(issuer.wellKnownUris.oauth)).json();
    expect(metadata).toMatchObject({
      grant_types_supported: expect.arrayContaining([EXCHANGE, 'client_credentials']),
      token_endpoint_auth_methods_supported: expect.arrayContaining(['none', 'client_secret_basic']),
    });
    await using other = await TestIssuer.start({ alg: 'ES256' });
    expect(await (await fetch(other.wellKnownUris.oauth)).json()).toMatchObject({
      grant_types_supported: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_methods_supported: ['none'],
    });
  });

  it.each([
    'invalid_request',
    'invalid_client',
    'invalid_grant',
    'unauthorized_client',
    'unsupported_grant_type',
    'invalid_scope',
    'invalid_target',
    'consent_required',
    'temporarily_unavailable',
  ])('RFC6749-5.2-b: refuses with %s', async (error) => {
    issuer.answerToken = () => Response.json({ error }, { status: 400 });
    expect(await read(await exchange())).toEqual({ status: 400, body: { error } });
  });

  it('answers 429 with Retry-After', async () => {
    issuer.answerToken = () => new Response(null, { status: 429, headers: { 'retry-after': '7' } });
    const response = await exchange();
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([429, '7', '']);
  });

  it.each<[string, AnswerToken, (caller: string) => object]>([
    ['another token_type', (right) => ({ ...right, token_type: 'mac' }), () => ({ token_type: 'mac' })],
    ['no expires_in', (right) => ({ ...right, expires_in: undefined }), () => ({})],
    [
      'the token of the caller',
      (right, form) => ({ ...right, access_token: form.get('subject_token') }),
      (caller) => ({ access_token: caller }),
    ],
  ])('answers with %s', async (what, answer, expected) => {
    issuer.answerToken = answer;
    const { status, body } = await read(await exchange());
    expect(status).toBe(200);
    expect(body).toMatchObject(expected(token));
    expect('expires_in' in body).toBe(what !== 'no expires_in');
  });

  it.each<[TestFault, number]>([
    ['error', 500],
    ['not-found', 404],
    ['html', 200],
    ['invalid-json', 200],
  ])('fails with %j', async (fault, status) => {
    issuer.fail(fault, 'token');
    const response = await exchange();
    expect(response.status).toBe(status);
    if (status === 200) await expect(response.json()).rejects.toThrow();
    issuer.recover();
    expect((await exchange()).status).toBe(200);
  });

  it('answers 50 MiB', async () => {
    issuer.fail('huge', 'token');
    expect((await (await exchange()).arrayBuffer()).byteLength).toBeGreaterThan(50 * 1024 * 1024);
  });

  it.each<TestFault>(['down', 'hang'])('does not answer: %s', async (fault) => {
    issuer.fail(fault, 'token');
    const abort = new AbortController();
    const answer = exchange(undefined, abort.signal);
    const outcome = expect(answer).rejects.toThrow();
    while (issuer.requestCount('token') === 0) await new Promise((resolve) => setImmediate(resolve));
    if (fault === 'hang') abort.abort();
    await outcome;
  });

  it('redirects to a canary that has the right answer', async () => {
    issuer.fail('redirect', 'token');
    const response = await exchange();
    expect(response.status).toBe(302);
    const followed = await fetch(response.headers.get('location') ?? '');
    expect(await followed.json()).toMatchObject({ token_type: 'Bearer', access_token: expect.any(String) });
    expect(issuer.requestCount('canary')).toBe(1);
  });

  it('sends late what it would send in time: statuses and changed answers, too', async () => {
    issuer.fail({ slow: 1 }, 'token');
    expect(await read(await exchange('a wrong secret'))).toEqual({ status: 401, body: { error: 'invalid_client' } });
    issuer.answerToken = () => Response.json({ error: 'invalid_grant' }, { status: 400 });
    expect(await read(await exchange())).toEqual({ status: 400, body: { error: 'invalid_grant' } });
  });
});
