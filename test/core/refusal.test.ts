import { describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthErrorCode, type McpAuthReason } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import type { McpAuthErrorDetails } from '../../lib/core/error.js';
import { challengeOf, hasChallenge, toRefusal, type RefusalContext } from '../../lib/response/refusal.js';

// No single server gives all of these answers, so they are made here without one.

const METADATA = 'https://mcp.example.com/.well-known/oauth-protected-resource';
const DPOP = { mode: 'accepted', algorithms: ['ES256', 'EdDSA'] } as const;

const CONTEXT: RefusalContext = {
  resourceMetadata: METADATA,
  scopes: () => ['a', 'b'],
  scheme: 'Bearer',
  dpop: undefined,
  acceptsCertificates: false,
  nonce: undefined,
  requestId: 7,
  exposeErrorDetails: false,
};

function refused(
  code: McpAuthErrorCode,
  reason: McpAuthReason,
  details: McpAuthErrorDetails = {},
  context: Partial<RefusalContext> = {},
): ReturnType<typeof toRefusal> {
  return toRefusal(new McpAuthError(code, reason, details), { ...CONTEXT, ...context });
}

/** The schemes of the challenges and their parameters, without those that all of them have. */
function challengesOf({ headers }: ReturnType<typeof toRefusal>): [scheme: string, params: object][] {
  return parseChallenges([headers['WWW-Authenticate'] ?? []].flat()).map(({ scheme, params }) => {
    const { scope, resource_metadata: metadata, ...others } = params;
    expect([scope, metadata]).toEqual(['a b', METADATA]);
    return [scheme, others];
  });
}

const BAD_TOKEN = 'The access token is invalid or has expired.';
const NO_SCOPE = 'The access token lacks a scope that this operation needs.';
const NO_PERMISSION = 'The caller is not permitted to do this.';

type Answer = readonly [
  code: McpAuthErrorCode,
  status: number,
  rpcCode: number,
  isChallenged: boolean,
  description: string,
];
const ANSWERS: readonly Answer[] = [
  ['invalid_request', 400, 400, true, 'The request must carry exactly one Authorization header.'],
  ['invalid_token', 401, 401, true, BAD_TOKEN],
  ['invalid_dpop_proof', 401, 401, true, 'The DPoP proof is invalid.'],
  ['use_dpop_nonce', 401, 401, true, 'The DPoP proof must have the nonce in DPoP-Nonce.'],
  ['insufficient_user_authentication', 401, 401, true, 'The user has to sign in again, as the challenge says.'],
  ['insufficient_scope', 403, 403, true, NO_SCOPE],
  ['access_denied', 403, 403, false, NO_PERMISSION],
  ['too_many_requests', 429, 429, false, 'This client has sent too many requests. Try again later.'],
  ['temporarily_unavailable', 503, 503, false, 'The access token cannot be verified at the moment.'],
  ['origin_rejected', 403, 403, false, 'Requests from this origin are not accepted.'],
  ['header_mismatch', 400, -32_020, false, 'The Mcp-Method and Mcp-Name headers must say what the body says.'],
  [
    'batch_rejected',
    400,
    -32_600,
    false,
    'A JSON-RPC batch is not accepted in this protocol version, nor is a request that asks for too much at once.',
  ],
  ['body_not_parsed', 400, 400, false, 'The body of the request was not read as JSON.'],
  ['resource_not_found', 404, 404, false, 'Not found.'],
  ['session_not_found', 404, 404, false, 'There is no such session.'],
  ['task_not_found', 200, -32_602, false, 'Failed to retrieve task: Task not found'],
];

describe('the answer to a refused request', () => {
  it.each(ANSWERS)('to %s has the status, code, challenge and sentence of it', (code, ...expected) => {
    const [status, rpcCode, isChallenged, description] = expected;
    const answer = refused(code, 'upstream_rejected');
    expect(answer.status).toBe(status);
    expect(answer.description).toBe(description);
    expect(answer.body).toEqual({ jsonrpc: '2.0', id: 7, error: { code: rpcCode, message: description } });
    expect(answer.headers['Cache-Control']).toBe('no-store');
    expect(challengesOf(answer)).toEqual(
      isChallenged ? [['Bearer', { error: code, error_description: description }]] : [],
    );
    expect(hasChallenge(new McpAuthError(code, 'upstream_rejected'))).toBe(isChallenged);
    const route = refused(code, 'upstream_rejected', {}, { requestId: undefined });
    expect(route.body).toEqual({ error: code, error_description: description });
  });

  it('to a request without credentials names no error, in the challenge or the body', () => {
    const answer = refused('authorization_required', 'no_credentials', {}, { requestId: undefined });
    expect(answer.status).toBe(401);
    expect(challengesOf(answer)).toEqual([['Bearer', {}]]);
    expect(answer.body).toEqual({ error_description: 'Authorization is required.' });
    const rpc = refused('authorization_required', 'no_credentials', {}, { requestId: null });
    expect(rpc.body).toEqual({
      jsonrpc: '2.0',
      id: null,
      error: { code: 401, message: 'Authorization is required.' },
    });
  });

  it.each([
    ['policy_unavailable', 'It cannot be decided at the moment whether the caller is permitted to do this.'],
    ['proof_required', 'This operation needs an access token that is bound to a key of the client.'],
    ['several_credentials', 'The request must carry one credential only.'],
    ['downstream_sign_in', 'The user has to sign in again before this server can use an API on behalf of the user.'],
    ['downstream_unavailable', 'An API behind this server cannot be used at the moment.'],
    // A handler in JavaScript may name a reason that does not exist.
    ['toString' as McpAuthReason, BAD_TOKEN],
  ] as const)('has a sentence of its own for a reason for which that of the code is wrong: %s', (reason, sentence) => {
    expect(refused('invalid_token', reason).description).toBe(sentence);
  });

  it('has the sentence of the policy where the caller is not permitted, and nowhere else', () => {
    const details = { clientMessage: 'Your organisation is suspended.' };
    expect(refused('access_denied', 'policy_denied', details).description).toBe(details.clientMessage);
    expect(refused('invalid_token', 'expired', details).description).toBe(BAD_TOKEN);
  });

  it.each<[what: string, missingScopes: string[], named: string | undefined]>([
    ['one', ['a'], 'a'],
    ['those that are missing, and no others', ['b', 'c'], 'b c'],
    ['ten', Array.from('abcdefghij'), 'a b c d e f g h i j'],
    ['none of eleven', Array.from('abcdefghijk'), undefined],
    ['one of 100 characters', ['s'.repeat(100)], 's'.repeat(100)],
    ['none of 101 characters', ['a', 's'.repeat(101)], undefined],
    ['none beside what is no scope', ['a', 'b c'], undefined],
    ['none where none is missing', [], undefined],
  ])('names the scopes that the token lacks: %s', (_what, missingScopes, named) => {
    const details = { scopes: ['a', 'b', 'c'], missingScopes };
    const { description } = refused('insufficient_scope', 'scope_missing', details);
    expect(description).toBe(named === undefined ? NO_SCOPE : `${NO_SCOPE.slice(0, -1)}: ${named}.`);
    expect(refused('invalid_token', 'expired', details).description).toBe(BAD_TOKEN);
  });

  it('tells the reason, too, where the operator wants it', () => {
    const { description, headers } = refused('invalid_token', 'expired', {}, { exposeErrorDetails: true });
    expect(description).toBe(`${BAD_TOKEN} Reason: ${new McpAuthError('invalid_token', 'expired').message}.`);
    expect(headers['WWW-Authenticate']).toContain(`error_description="${description}"`);
  });

  it('says how the user must have signed in', () => {
    const authentication = { acr: ['urn:mfa', 'urn:pwd'], maxAgeSeconds: 300 };
    const answer = refused('insufficient_user_authentication', 'authentication_insufficient', { authentication });
    expect(challengesOf(answer)).toMatchObject([['Bearer', { acr_values: 'urn:mfa urn:pwd', max_age: '300' }]]);
    const other = refused('insufficient_scope', 'scope_missing', { authentication });
    expect(challengesOf(other)).toEqual([['Bearer', { error: 'insufficient_scope', error_description: NO_SCOPE }]]);
  });

  it('says after how many whole seconds the client may try again', () => {
    const waits = [undefined, 0, 0.1, 5, 5.5].map(
      (retryAfterSeconds) =>
        refused('temporarily_unavailable', 'verifier_unavailable', {
          ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
        }).headers['Retry-After'],
    );
    expect(waits).toEqual([undefined, '0', '1', '5', '6']);
  });

  it('has the nonce for the next proof where it asks for one, and lets scripts read it', () => {
    const exposed = 'Access-Control-Expose-Headers';
    const asked = refused('use_dpop_nonce', 'nonce_needed', {}, { nonce: 'n1' });
    expect(asked.headers).toMatchObject({ 'DPoP-Nonce': 'n1', [exposed]: 'WWW-Authenticate, DPoP-Nonce' });
    expect(refused('use_dpop_nonce', 'nonce_needed').headers).not.toHaveProperty('DPoP-Nonce');
    const other = refused('invalid_token', 'expired', {}, { nonce: 'n1' });
    expect(other.headers).toMatchObject({ [exposed]: 'WWW-Authenticate, DPoP-Nonce' });
    expect(other.headers).not.toHaveProperty('DPoP-Nonce');
    expect(refused('invalid_token', 'expired').headers).toMatchObject({ [exposed]: 'WWW-Authenticate' });
    const unchallenged = refused('access_denied', 'policy_denied', {}, { nonce: 'n1' });
    expect(unchallenged.headers).toEqual({ 'Cache-Control': 'no-store' });
  });
});

describe('the challenges of a resource that accepts tokens bound to a key', () => {
  const REQUIRED = { ...DPOP, mode: 'required' } as const;
  const algs = 'ES256 EdDSA';
  const error = { error: 'invalid_token', error_description: BAD_TOKEN };

  it.each<[what: string, context: Partial<RefusalContext>, challenges: [string, object][]]>([
    [
      'that of the request first',
      { dpop: DPOP },
      [
        ['Bearer', error],
        ['DPoP', { algs }],
      ],
    ],
    [
      'that of the request first, and with the error',
      { dpop: DPOP, scheme: 'DPoP' },
      [
        ['DPoP', { ...error, algs }],
        ['Bearer', {}],
      ],
    ],
    ['DPoP alone where it is required', { dpop: REQUIRED }, [['DPoP', { ...error, algs }]]],
    [
      'DPoP alone where it is required, beside certificates',
      { dpop: REQUIRED, acceptsCertificates: true },
      [['DPoP', { ...error, algs }]],
    ],
    [
      'Bearer alone where no key of DPoP is accepted',
      { scheme: 'DPoP', acceptsCertificates: true },
      [['Bearer', error]],
    ],
  ])('are for the schemes that would do: %s', (_what, context, challenges) => {
    expect(challengesOf(refused('invalid_token', 'expired', {}, context))).toEqual(challenges);
  });

  it('ask for a key where the operation needs one: Bearer would do with a certificate only', () => {
    const schemes = (context: Partial<RefusalContext>): string[] =>
      challengesOf(refused('invalid_token', 'proof_required', {}, context)).map(([scheme]) => scheme);
    expect(schemes({ dpop: DPOP })).toEqual(['DPoP']);
    expect(schemes({ dpop: DPOP, acceptsCertificates: true })).toEqual(['Bearer', 'DPoP']);
    expect(schemes({ acceptsCertificates: true })).toEqual(['Bearer']);
  });

  it('have the sentence of the refusal where no other is given', () => {
    const challenge = challengeOf(new McpAuthError('invalid_token', 'expired'), CONTEXT) ?? '';
    expect(parseChallenges(challenge)).toMatchObject([{ params: error }]);
  });
});
