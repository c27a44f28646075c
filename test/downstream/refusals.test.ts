import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseChallenges, type Challenge } from 'nestjs-mcp-auth/testing';
import { metadataUrlOf } from '../support/expectations.js';
import { startDownstreamServer, textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** What an authorization server says, which no client may see. */
const SAID = 'AADSTS50013 of the tenant contoso';

const refusal = (error: string, status = 400, more: object = {}): Response =>
  Response.json({ error, error_description: SAID, ...more }, { status });

interface Expected {
  readonly status: number;
  readonly error?: string;
  readonly scope?: string;
  readonly maxAge?: string;
}

function challengesOf(response: Response): Challenge[] {
  const header = response.headers.get('www-authenticate');
  return header === null ? [] : parseChallenges(header);
}

const SIGN_IN: Expected = { status: 401, error: 'insufficient_user_authentication', maxAge: '0' };

const REFUSALS: readonly [what: string, answer: () => Response, expected: Expected, reason: string][] = [
  [
    'invalid_grant',
    () => refusal('invalid_grant'),
    { status: 401, error: 'invalid_token' },
    'a service behind this one',
  ],
  ['login_required', () => refusal('login_required'), SIGN_IN, 'before the user has signed in again'],
  ['interaction_required', () => refusal('interaction_required'), SIGN_IN, 'before the user has signed in again'],
  [
    'invalid_grant with consent_required, as Entra ID has it',
    () => refusal('invalid_grant', 400, { suberror: 'consent_required' }),
    SIGN_IN,
    'before the user has signed in again',
  ],
  ['access_denied', () => refusal('access_denied', 403), { status: 403 }, 'for this caller'],
  ['temporarily_unavailable', () => refusal('temporarily_unavailable'), { status: 503 }, 'gave no usable answer'],
  ['status 500', () => new Response('oops', { status: 500 }), { status: 503 }, 'gave no usable answer'],
  ['a page', () => new Response('<p>', { headers: { 'content-type': 'text/html' } }), { status: 503 }, 'usable answer'],
  ['no token', () => Response.json({ token_type: 'Bearer' }), { status: 503 }, 'gave no usable answer'],
  [
    'a long answer',
    () => Response.json({ access_token: 'a'.repeat(70_000), token_type: 'Bearer' }),
    { status: 503 },
    'gave no usable answer',
  ],
];

const issued = (changes: object): Response =>
  Response.json({
    access_token: 'an-opaque-token',
    token_type: 'Bearer',
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    ...changes,
  });

const MISTAKES: readonly [what: string, answer: () => Response, remedy: string][] = [
  ['invalid_client', () => refusal('invalid_client', 401), 'see that the client "resource-server" exists'],
  ['unauthorized_client', () => refusal('unauthorized_client'), 'allow the client "resource-server" the grant'],
  ['invalid_target', () => refusal('invalid_target'), 'knows resource and audience of downstream.calendar'],
  ['invalid_scope', () => refusal('invalid_scope'), 'list these in stepUpScopes'],
  ['a code of its own', () => refusal('computer_says_no'), 'look up this error'],
  ['token_type DPoP', () => issued({ token_type: 'DPoP' }), 'token_type is "DPoP", and must be Bearer'],
  ['token_type N_A', () => issued({ token_type: 'N_A' }), 'token_type is "N_A", and must be Bearer'],
  [
    'another issued_token_type',
    () => issued({ issued_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    'issued_token_type is "urn:ietf:params:oauth:token-type:refresh_token"',
  ],
  [
    'a redirect',
    () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.test/' } }),
    'redirects to',
  ],
];

/** @see https://www.keycloak.org/securing-apps/token-exchange, "Token exchange - Additional details" */
const OF_KEYCLOAK: readonly [code: string, status: number, advice: string][] = [
  // "Client is not within the token audience"
  ['access_denied', 403, 'the client of your server must be in the aud of the tokens of its callers'],
  // "Requested audience not available", "Standard token exchange is not enabled for the requested client"
  [
    'invalid_request',
    400,
    'turn on Standard token exchange of the client of your server, and see that its client scopes',
  ],
  ['unauthorized_client', 400, 'its metadata always lists token exchange; turn on Standard token exchange'],
];

describe.each(PLATFORMS)('What an authorization server refuses for an API, on %s', (platform) => {
  let server: DownstreamServer;
  beforeAll(async () => {
    server = await startDownstreamServer(platform);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.log.length = 0;
    // The pause after an outage, and the quiet time of the log.
    server.clock.now += 61_000;
  });

  it.each(REFUSALS)('LIB-29: answers %s so that the client can act on it', async (_what, answer, expected, reason) => {
    server.issuer.answerToken = answer;
    const token = await server.mint();
    for (const response of [
      await server.callTool('events', token),
      await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } }),
    ]) {
      const text = await response.text();
      expect({ status: response.status, text }).toMatchObject({ status: expected.status });
      const [challenge] = challengesOf(response);
      expect(challenge?.params['error']).toBe(expected.error);
      expect(challenge?.params['max_age']).toBe(expected.maxAge);
      if (expected.error) expect(challenge?.params['resource_metadata']).toBe(metadataUrlOf(server.resource));
      expect(response.headers.get('retry-after') !== null).toBe(expected.status === 503);
      expect(text).not.toContain('AADSTS');
      expect([...response.headers].join('\n')).not.toContain('AADSTS');
    }
    const log = server.log.join('\n');
    expect(log).toContain(reason);
    expect(log).not.toContain(token);
  });

  it.each(MISTAKES)('LIB-29: tells the operator of %s, and the client nothing', async (_what, answer, remedy) => {
    server.issuer.answerToken = answer;
    const token = await server.mint();
    const response = await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(500);
    expect(response.headers.get('www-authenticate')).toBeNull();
    const texts = [await response.text(), await textOfTool(await server.callTool('events', token))];
    expect(texts.join('\n')).not.toMatch(/AADSTS|client|resource-server|elsewhere/);
    const lines = server.log.filter((line) => String(line).startsWith('No token for the API "calendar"'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(remedy);
    expect(lines[0]).toContain('What to do:');
    expect(server.log.join('\n')).not.toContain(token);
  });

  it.each(['down', 'hang'] as const)(
    'LIB-29: answers 503 if the token endpoint is %s, and asks it once',
    async (fault) => {
      server.issuer.answerToken = undefined;
      server.issuer.clearRequests();
      server.issuer.fail(fault, 'token');
      const token = await server.mint();
      const responses = await Promise.all([server.callTool('events', token), server.callTool('events', token)]);
      expect(responses.map(({ status }) => status)).toEqual([503, 503]);
      const later = await server.callTool('events', token);
      expect(later.status).toBe(503);
      expect(Number(later.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(server.issuer.requestCount('token')).toBe(1);
      server.issuer.recover();
      server.clock.now += 3_000;
      expect((await server.callTool('events', token)).status).toBe(200);
    },
  );

  it.each<[what: string, answer: () => unknown]>([
    ['a page', () => new Response('<p>', { headers: { 'content-type': 'text/html' } })],
    ['no token', () => ({ token_type: 'Bearer' })],
    ['server_error', () => refusal('server_error')],
    ['slow_down', () => refusal('slow_down')],
  ])('LIB-29: asks again for the next caller after %s, which may concern one caller alone', async (_what, answer) => {
    server.issuer.answerToken = answer;
    const refused = await server.callTool('events', await server.mint());
    expect([refused.status, refused.headers.get('retry-after') !== null]).toEqual([503, true]);
    server.issuer.answerToken = undefined;
    expect(await textOfTool(await server.callTool('events', await server.mint({ sub: 'bob' })))).toContain('"bob"');
  });

  it('LIB-29: tells the operator what access_denied may mean, until a caller has got a token', async () => {
    const fresh = await startDownstreamServer(platform);
    const denied = async (sub: string): Promise<string> => {
      fresh.log.length = 0;
      fresh.clock.now += 61_000;
      fresh.issuer.answerToken = () => refusal('access_denied', 403);
      const response = await fresh.callTool('events', await fresh.mint({ sub }));
      expect(response.status).toBe(403);
      expect(await response.text()).not.toContain('resource-server');
      return fresh.log.join('\n');
    };
    try {
      expect(await denied('ada')).toContain('What to do: if no caller gets one, allow the client "resource-server"');
      fresh.issuer.answerToken = undefined;
      expect((await fresh.callTool('events', await fresh.mint({ sub: 'ada' }))).status).toBe(200);
      expect(await denied('bob')).not.toContain('if no caller gets one');
    } finally {
      await fresh.close();
    }
  });

  it('LIB-29: tells the operator what the product in use needs, by the error code', async () => {
    const keycloak = await startDownstreamServer(platform, { issuer: { path: '/realms/main' } });
    try {
      for (const [code, status, advice] of OF_KEYCLOAK) {
        keycloak.log.length = 0;
        keycloak.clock.now += 61_000;
        keycloak.issuer.answerToken = () => refusal(code, status);
        await keycloak.callTool('events', await keycloak.mint());
        expect(keycloak.log.join('\n')).toContain(`. Keycloak: ${advice}`);
      }
    } finally {
      await keycloak.close();
    }
  });

  it('RFC8693-2.2.2-a: takes an invalid request for the fault of the caller only after one that worked', async () => {
    const answer = async (): Promise<number> => (await server.callTool('events', await server.mint())).status;
    server.issuer.answerToken = () => refusal('invalid_request');
    expect(await answer()).toBe(401);
    const fresh = await startDownstreamServer(platform);
    try {
      fresh.issuer.answerToken = () => refusal('invalid_request');
      const response = await fetch(`${fresh.origin}/calendar`, {
        headers: { authorization: `Bearer ${await fresh.mint()}` },
      });
      expect(response.status).toBe(500);
    } finally {
      await fresh.close();
    }
  });

  it('LIB-29: refuses the token of the caller as an answer', async () => {
    const token = await server.mint();
    server.issuer.answerToken = () => issued({ access_token: token });
    expect((await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(
      500,
    );
    expect(server.log.join('\n')).toContain('it answered with the token of the caller');
    expect(server.log.join('\n')).not.toContain(token);
  });

  it('LIB-29: never logs a token that the authorization server repeats', async () => {
    const token = await server.mint();
    server.issuer.answerToken = (_right, form) =>
      refusal('invalid_target', 400, { error_description: `no ${form.get('subject_token')}` });
    await server.callTool('events', token);
    const log = server.log.join('\n');
    expect(log).toContain('invalid_target');
    for (const part of token.split('.')) expect(log).not.toContain(part);
  });

  const secretOf = (): string => server.issuer.tokenClient.clientSecret;
  const basicOf = (): string => Buffer.from(`${server.issuer.tokenClient.clientId}:${secretOf()}`).toString('base64');
  const OPAQUE = 'canary-of-an-opaque-token';

  it.each<[what: string, answer: () => unknown, seen: string]>([
    ['its secret', () => refusal('invalid_target', 400, { error_description: `bad ${secretOf()}` }), 'bad '],
    ['its header', () => refusal('invalid_target', 400, { error_description: `bad ${basicOf()}` }), 'bad '],
    ['its secret as a code', () => refusal(`bad ${secretOf()}`), 'bad '],
    ['its secret as a closer code', () => refusal('invalid_target', 400, { suberror: `bad ${secretOf()}` }), 'bad '],
    [
      'the new token as token_type',
      () => issued({ access_token: OPAQUE, token_type: `a ${OPAQUE}` }),
      'its token_type',
    ],
    ['its secret as token_type', () => issued({ token_type: `a ${secretOf()}` }), 'its token_type'],
    [
      'the new token as issued_token_type',
      () => issued({ access_token: OPAQUE, issued_token_type: OPAQUE }),
      'its issued_token_type',
    ],
  ])('LIB-29: never logs a secret if the authorization server repeats %s', async (_what, answer, seen) => {
    server.log.length = 0;
    server.clock.now += 61_000;
    server.issuer.answerToken = answer;
    await server.callTool('events', await server.mint());
    const log = server.log.join('\n');
    expect(log).toContain(seen);
    for (const secret of [secretOf(), basicOf(), OPAQUE]) expect(log).not.toContain(secret);
  });
});

describe.each(PLATFORMS)('Step-up for an API, on %s', (platform) => {
  let server: DownstreamServer;
  beforeAll(async () => {
    server = await startDownstreamServer(platform, {
      calendar: { stepUpScopes: ['calendar', 'profile'], requireScopes: true },
    });
  });
  afterAll(() => server.close());
  beforeEach(() => void (server.clock.now += 61_000));

  it.each(['invalid_scope', 'insufficient_scope', 'consent_required', 'interaction_required'])(
    'MCP-26-RS-07: answers %s with a challenge that names the scopes of the options',
    async (error) => {
      server.issuer.answerToken = () => refusal(error, 400, { scope: 'everything' });
      const response = await server.callTool('events', await server.mint({ scope: 'profile' }));
      expect(response.status).toBe(403);
      const [challenge] = challengesOf(response);
      expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'calendar profile' });
    },
  );

  it('MCP-26-RS-07: names the scopes of the operation beside them: one step-up is enough', async () => {
    const other = await startDownstreamServer(platform, {
      calendar: { stepUpScopes: ['calendar'] },
      options: { scopes: { required: ['base'] } },
    });
    try {
      other.issuer.answerToken = () => refusal('consent_required');
      const response = await other.callTool('events', await other.mint({ scope: 'base' }));
      const [challenge] = challengesOf(response);
      expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'base calendar' });
    } finally {
      await other.close();
    }
  });

  it('does not ask for scopes that the caller has: that would never end', async () => {
    server.issuer.answerToken = () => refusal('consent_required');
    const token = await server.mint({ scope: 'profile calendar' });
    expect((await server.callTool('events', token)).status).toBe(401);
    server.issuer.answerToken = () => refusal('invalid_scope');
    expect((await fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(
      500,
    );
  });

  it('refuses a token with fewer scopes, if the options say so', async () => {
    server.issuer.answerToken = (right) => ({ ...right, scope: 'calendar.nothing' });
    expect((await server.callTool('events', await server.mint())).status).toBe(403);
    server.issuer.answerToken = ({ scope: _scope, ...right }) => right;
    expect((await server.callTool('events', await server.mint())).status).toBe(200);
  });
});
