import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { SubjectToken } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { formsAt, ID_JAG, startIdJagServer, type IdJagServer } from '../support/id-jag-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** What the servers say, which no client may see. */
const SAID = 'canary of the tenant contoso';

const refusal = (error: string, status = 400): (() => Response) => {
  const body = { error, error_description: SAID, canary: 'canary' };
  return () => Response.json(body, { status });
};
const idJag = (changes: object): (() => Response) => {
  const right = { access_token: 'an-id-jag', issued_token_type: ID_JAG, token_type: 'N_A' };
  return () => Response.json({ ...right, ...changes });
};

type Step = 'idp' | 'apiServer';

/** The status, and the error of the challenge if there is one. */
interface Expected {
  readonly status: number;
  readonly error?: string;
}

const SIGN_IN: Expected = { status: 401, error: 'insufficient_user_authentication' };
const DENIED: Expected = { status: 403 };
const OUTAGE: Expected = { status: 503 };
const MISTAKE: Expected = { status: 500 };

/** Each answer, what the client gets, and what the log says while nobody has got a token. */
const FAULTS: readonly [step: Step, what: string, answer: () => Response, expected: Expected, advice: string][] = [
  ['idp', 'invalid_grant', refusal('invalid_grant'), SIGN_IN, 'issued to the client "notes-at-idp"'],
  ['idp', 'login_required', refusal('login_required'), SIGN_IN, ''],
  ['idp', 'interaction_required', refusal('interaction_required'), SIGN_IN, ''],
  ['idp', 'insufficient_user_authentication', refusal('insufficient_user_authentication'), SIGN_IN, ''],
  ['idp', 'access_denied', refusal('access_denied', 403), DENIED, 'policies of the identity provider let the client'],
  ['idp', 'invalid_target', refusal('invalid_target'), DENIED, 'see that the identity provider knows'],
  ['idp', 'invalid_scope', refusal('invalid_scope'), DENIED, 'allow the scopes of downstream.calendar'],
  ['idp', 'insufficient_scope', refusal('insufficient_scope', 403), DENIED, 'allow the scopes of downstream.calendar'],
  ['idp', 'invalid_request', refusal('invalid_request'), MISTAKE, 'issues ID-JAGs to the client "notes-at-idp"'],
  ['idp', 'invalid_client', refusal('invalid_client', 401), MISTAKE, 'auth of downstream.calendar.identityProvider'],
  ['idp', 'unsupported_grant_type', refusal('unsupported_grant_type'), MISTAKE, 'token-exchange for ID-JAGs'],
  ['idp', 'an access token', idJag({ token_type: 'Bearer' }), MISTAKE, 'let the identity provider issue an ID-JAG'],
  ['idp', 'no id-jag', idJag({ issued_token_type: 'urn:x' }), MISTAKE, 'let the identity provider issue an ID-JAG'],
  ['idp', 'temporarily_unavailable', refusal('temporarily_unavailable'), OUTAGE, 'issued no ID-JAG'],
  ['idp', 'status 500', () => new Response('canary', { status: 500 }), OUTAGE, 'issued no ID-JAG'],
  ['idp', 'no token', idJag({ access_token: undefined }), OUTAGE, 'issued no ID-JAG'],
  ['apiServer', 'invalid_grant', refusal('invalid_grant'), DENIED, 'as an issuer of ID-JAGs'],
  ['apiServer', 'consent_required', refusal('consent_required'), DENIED, 'consent of the organization'],
  ['apiServer', 'login_required', refusal('login_required'), SIGN_IN, ''],
  ['apiServer', 'access_denied', refusal('access_denied', 403), DENIED, ''],
  ['apiServer', 'invalid_scope', refusal('invalid_scope'), DENIED, 'the API has the scopes of downstream.calendar'],
  ['apiServer', 'insufficient_scope', refusal('insufficient_scope', 403), DENIED, 'the API has the scopes'],
  ['apiServer', 'invalid_target', refusal('invalid_target'), MISTAKE, 'knows resource of downstream.calendar'],
  ['apiServer', 'invalid_request', refusal('invalid_request'), MISTAKE, 'as assertions of the grant jwt-bearer'],
  ['apiServer', 'invalid_client', refusal('invalid_client', 401), MISTAKE, 'the client "notes-at-api" exists'],
  ['apiServer', 'unauthorized_client', refusal('unauthorized_client'), MISTAKE, 'jwt-bearer for ID-JAGs'],
  ['apiServer', 'a token that is no Bearer', idJag({}), MISTAKE, 'type Bearer for this API'],
  ['apiServer', 'status 500', () => new Response('canary', { status: 500 }), OUTAGE, 'its callers get 503'],
];

const NO_SUBJECT_TOKENS: readonly [what: string, value: unknown][] = [
  ['a text', 'canary'],
  ['no type', { token: 'canary' }],
  ['an unknown type', { token: 'canary', type: 'access_token' }],
  ['an empty token', { token: '', type: 'id_token' }],
  ['a token with a line break', { token: 'canary\r\nx', type: 'id_token' }],
  ['a long token', { token: 'canary'.repeat(4_000), type: 'id_token' }],
  ['an inherited token', Object.create({ token: 'canary', type: 'id_token' })],
];

describe.each(PLATFORMS)('What refuses a token of an API in another domain, on %s', (platform) => {
  let server: IdJagServer;
  beforeAll(async () => {
    server = await startIdJagServer(platform);
  });
  afterAll(() => server.close());
  beforeEach(() => server.repair());

  const get = async (token: string): Promise<Response> =>
    fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });

  it.each(FAULTS)('LIB-29: the %s answers %s', async (step, _what, answer, expected, advice) => {
    server[step].answerToken = answer;
    const token = await server.signIn('ada');
    const response = await get(token);
    const text = await response.text();
    const challenge = response.headers.get('www-authenticate');
    expect({ status: response.status, text }).toMatchObject({ status: expected.status });
    expect(challenge === null ? undefined : parseChallenges(challenge)[0]?.params['error']).toBe(expected.error);
    expect(response.headers.get('retry-after') !== null).toBe(expected.status === 503);
    expect(`${text}${[...response.headers].join()}`).not.toMatch(/canary|notes-at/);
    expect(formsAt(server.apiServer)).toHaveLength(step === 'idp' ? 0 : 1);
    const log = server.log.join('\n');
    expect(log).toContain(advice);
    for (const part of token.split('.').slice(1)) expect(log).not.toContain(part);
  });

  it.each(['idp', 'apiServer'] as const)('LIB-29: answers 503 while the %s is down, and asks it once', async (step) => {
    server[step].fail('down', 'token');
    const token = await server.signIn('ada');
    const statuses = [await get(token), await get(token)].map(({ status }) => status);
    expect(statuses).toEqual([503, 503]);
    expect(server[step].requestCount('token')).toBe(1);
    server.repair();
    expect((await get(token)).status).toBe(200);
  });

  it('LIB-29: a caller without subject token signs in again, and then it works', async () => {
    const token = await server.mint({ sub: 'new' });
    for (const nothing of [undefined, null]) {
      server.subjectTokens.set('new', nothing);
      const response = await get(token);
      expect(response.status).toBe(401);
      const [challenge] = parseChallenges(response.headers.get('www-authenticate') ?? '');
      expect(challenge?.params).toMatchObject({ error: 'insufficient_user_authentication', max_age: '0' });
    }
    expect(formsAt(server.idp)).toHaveLength(0);
    expect((await get(await server.signIn('new'))).status).toBe(200);
  });

  it.each(NO_SUBJECT_TOKENS)('LIB-29: sends nothing if the function returns %s', async (_what, value) => {
    server.subjectTokens.set('ada', value);
    const response = await get(await server.mint({ sub: 'ada' }));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('canary');
    expect(formsAt(server.idp)).toHaveLength(0);
    const log = server.log.join('\n');
    expect(log).toContain('downstream.calendar.identityProvider.subjectToken must return { token, type:');
    expect(log).not.toContain('canary');
  });

  it('MCP-26-RS-03: never sends the access token of the caller as the subject token', async () => {
    const token = await server.mint({ sub: 'ada' });
    server.subjectTokens.set('ada', { token, type: 'id_token' } satisfies SubjectToken);
    expect((await get(token)).status).toBe(500);
    expect(formsAt(server.idp)).toHaveLength(0);
    expect(server.log.join('\n')).toContain('returned the access token of the caller');
  });

  it('IDJAG-4.4-a: an invalid request means the subject token, once a token was issued', async () => {
    expect((await get(await server.signIn('ada'))).status).toBe(200);
    server.idp.answerToken = refusal('invalid_request');
    expect((await get(await server.signIn('bob'))).status).toBe(401);
  });
});
