import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { AUDIENCE, startDownstreamServer, textOfTool, type DownstreamServer } from '../support/downstream-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** What conditional access wants of the client, as Entra ID writes it into `claims`. */
const CLAIMS = JSON.stringify({ access_token: { acrs: { essential: true, value: 'canary-c1' } } });

/** An error of the token endpoint of Entra ID, with the members that its documentation shows. */
const refusal = (code: number, error: string, more: object = {}): (() => Response) => {
  const error_description = `AADSTS${code}: canary of the tenant contoso.\r\nTrace ID: canary`;
  const body = { error, error_description, error_codes: [code], trace_id: 'canary', correlation_id: 'canary', ...more };
  return () => Response.json(body, { status: 400 });
};

interface Expected {
  readonly status: number;
  readonly error?: string;
}

const SIGN_IN: Expected = { status: 401, error: 'insufficient_user_authentication' };
const RENEW: Expected = { status: 401, error: 'invalid_token' };
const MISTAKE: Expected = { status: 500 };

/**
 * What the client of the caller gets.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes
 * @see https://learn.microsoft.com/entra/identity-platform/v2-conditional-access-dev-guide
 */
const ANSWERS: readonly [what: string, answer: () => Response, expected: Expected][] = [
  ['50076, a second factor', refusal(50076, 'interaction_required', { claims: CLAIMS }), SIGN_IN],
  ['50079, enrolment', refusal(50079, 'interaction_required', { claims: CLAIMS }), SIGN_IN],
  [
    '50076 as a suberror',
    refusal(50076, 'invalid_grant', { suberror: 'interaction_required', claims: CLAIMS }),
    SIGN_IN,
  ],
  ['53003 with claims', refusal(53003, 'interaction_required', { claims: CLAIMS }), SIGN_IN],
  ['53003 as access_denied', refusal(53003, 'access_denied', { suberror: 'message_only' }), { status: 403 }],
  ['65001, no consent', refusal(65001, 'invalid_grant', { suberror: 'consent_required' }), SIGN_IN],
  ['500131, another audience', refusal(500131, 'invalid_grant'), RENEW],
  ['50013, an invalid assertion', refusal(50013, 'invalid_grant'), RENEW],
  ['700082, an expired token', refusal(700082, 'invalid_grant', { suberror: 'bad_token' }), RENEW],
  ['70011, an unknown scope', refusal(70011, 'invalid_scope'), MISTAKE],
  ['7000215, a wrong secret', refusal(7000215, 'invalid_client'), MISTAKE],
  ['700016, an unknown client', refusal(700016, 'unauthorized_client'), MISTAKE],
  ['a claims challenge without an error', () => Response.json({ claims: CLAIMS }, { status: 400 }), MISTAKE],
  ['claims that are no text', refusal(50076, 'interaction_required', { claims: { canary: 1 } }), SIGN_IN],
];

describe.each(PLATFORMS)('What Entra ID refuses on behalf of a caller, on %s', (platform) => {
  let server: DownstreamServer;
  beforeAll(async () => {
    const scopes = [`${AUDIENCE}/.default`];
    const calendar = { grant: 'jwt-bearer', audience: undefined as never, scopes } as const;
    server = await startDownstreamServer(platform, { calendar });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.issuer.answerToken = undefined;
    server.log.length = 0;
    server.clock.now += 61_000;
  });

  const get = async (token: string): Promise<Response> =>
    fetch(`${server.origin}/calendar`, { headers: { authorization: `Bearer ${token}` } });

  it.each(ANSWERS)('LIB-29: %s', async (_what, answer, expected) => {
    server.issuer.answerToken = answer;
    const token = await server.mint();
    const response = await get(token);
    const challenge = response.headers.get('www-authenticate');
    const text = `${await response.text()}${[...response.headers].join()}`;
    expect({ status: response.status, text }).toMatchObject({ status: expected.status });
    const [first] = challenge === null ? [] : parseChallenges(challenge);
    expect(first?.params['error']).toBe(expected.error);
    expect(Object.keys(first?.params ?? {})).not.toContain('claims');
    expect(text).not.toMatch(/AADSTS|canary|contoso/);
    expect(server.log.join('\n')).not.toContain(token);
  });

  it('LIB-29: tells the operator what an invalid assertion may mean, until a caller has got a token', async () => {
    server.issuer.answerToken = refusal(500131, 'invalid_grant');
    await get(await server.mint());
    expect(server.log.join('\n')).toContain('AADSTS500131');
    expect(server.log.join('\n')).toContain(
      'see that the tokens of callers are issued for the client "resource-server"',
    );
    server.issuer.answerToken = undefined;
    expect((await get(await server.mint())).status).toBe(200);
    server.log.length = 0;
    server.clock.now += 61_000;
    server.issuer.answerToken = refusal(700082, 'invalid_grant');
    await get(await server.mint());
    expect(server.log.join('\n')).not.toContain('What to do: if no caller gets one');
  });

  it('LIB-29: a claims challenge of the API gets one new token, and is returned to the tool then', async () => {
    const claims = Buffer.from(CLAIMS).toString('base64');
    const challenge = `Bearer realm="", error="insufficient_claims", claims="${claims}"`;
    server.api.answer = (_request, response) => {
      response.writeHead(401, { 'www-authenticate': challenge }).end('{}');
      return true;
    };
    server.issuer.clearRequests();
    server.api.calls.length = 0;
    const response = await server.callTool('events', await server.mint());
    expect(response.status).toBe(200);
    expect(response.headers.get('www-authenticate')).toBeNull();
    expect(await textOfTool(response)).toBe('401 {}');
    expect([server.api.calls.length, server.issuer.requestCount('token')]).toEqual([2, 2]);
    for (const { body } of server.issuer.requests) expect(new URLSearchParams(body).has('claims')).toBe(false);
    server.api.answer = () => false;
  });
});
