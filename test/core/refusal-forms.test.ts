import type { ArgumentsHost } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthErrorCode } from 'nestjs-mcp-auth';
import { HandlerRefusal, messageError, sendException } from '../../lib/response/refusal-forms.js';
import type { Refusal } from '../../lib/response/refusal.js';

const CHALLENGE = 'Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource"';

const REFUSAL: Refusal = {
  status: 401,
  headers: { 'Cache-Control': 'no-store', 'WWW-Authenticate': CHALLENGE },
  body: {},
  description: 'Authorization is required.',
};

describe('the refusal of a GraphQL resolver', () => {
  it.each<[Refusal['status'], code: McpAuthErrorCode, graphqlCode: string]>([
    [200, 'task_not_found', 'NOT_FOUND'],
    [400, 'invalid_request', 'BAD_REQUEST'],
    [401, 'invalid_token', 'UNAUTHENTICATED'],
    [403, 'access_denied', 'FORBIDDEN'],
    [404, 'resource_not_found', 'NOT_FOUND'],
    [429, 'too_many_requests', 'TOO_MANY_REQUESTS'],
    [503, 'temporarily_unavailable', 'SERVICE_UNAVAILABLE'],
  ])('with the status %d has the code that GraphQL clients know', (status, code, graphqlCode) => {
    const refusal = new HandlerRefusal(new McpAuthError(code, 'policy_denied'), { ...REFUSAL, status, headers: {} });
    expect(refusal.extensions).toStrictEqual({ code: graphqlCode, error: code, http: { status, headers: new Map() } });
    expect(refusal.statusCode).toBe(status);
  });

  it('tells the client the sentence, the challenge and the headers, and nothing of the cause', () => {
    const cause = new McpAuthError('insufficient_scope', 'scope_missing', { scopes: ['a', 'b'], cause: 'secret' });
    const refusal = new HandlerRefusal(cause, REFUSAL);
    expect([refusal.code, refusal.reason, refusal.scopes]).toEqual(['insufficient_scope', 'scope_missing', ['a', 'b']]);
    expect(refusal.cause).toBe(cause);
    expect(refusal.message).toBe('Authorization is required.');
    expect(refusal.stack).toBe('McpAuthError: Authorization is required.');
    const headers = new Map([
      ['cache-control', 'no-store'],
      ['www-authenticate', CHALLENGE],
    ]);
    expect(refusal.extensions).toEqual({
      code: 'UNAUTHENTICATED',
      error: 'insufficient_scope',
      challenge: CHALLENGE,
      http: { status: 401, headers },
    });
  });

  it('is told from other errors', () => {
    const cause = new McpAuthError('invalid_token', 'expired');
    expect(HandlerRefusal.refusalOf(new HandlerRefusal(cause, REFUSAL))).toBe(REFUSAL);
    expect(HandlerRefusal.refusalOf(cause)).toBeUndefined();
  });
});

describe('the refusal of a message', () => {
  const data = { status: 'error', message: 'Authorization is required.' };
  const withCause = { ...data, cause: { pattern: 'hello', data: { a: 1 } } };

  /** What a client gets that has these members. */
  function sentTo(members: object): unknown[] {
    const sent: unknown[] = [];
    const client = { ...members };
    if ('send' in client) client.send = (message: string) => sent.push(['send', JSON.parse(message)]);
    if ('emit' in client) client.emit = (event: string, value: object) => sent.push(['emit', event, value]);
    const host = { getClient: () => client, getPattern: () => 'hello', getData: () => ({ a: 1 }) };
    sendException(host as unknown as ReturnType<ArgumentsHost['switchToWs']>, REFUSAL);
    return sent;
  }

  it('over a microservice transport has the form of an RpcException', () => {
    expect(messageError(REFUSAL)).toEqual(data);
  });

  it.each<[what: string, members: object, sent: unknown[]]>([
    [
      'to a client of ws is sent',
      { readyState: 1, send: 1, emit: 1 },
      [['send', { event: 'exception', data: withCause }]],
    ],
    ['to a client of socket.io is emitted', { send: 1, emit: 1 }, [['emit', 'exception', withCause]]],
    ['to a client that cannot send is emitted', { readyState: 1, emit: 1 }, [['emit', 'exception', withCause]]],
    ['to a client of an unknown kind is left out', {}, []],
  ])('%s, as a WsException is', (_what, members, sent) => {
    expect(sentTo(members)).toEqual(sent);
  });
});
