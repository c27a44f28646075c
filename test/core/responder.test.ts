import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { McpAuthConsentRequiredError, McpAuthError, type McpAuthErrorCode } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { readRpcBody } from '../../lib/request/rpc-body.js';
import { Responder } from '../../lib/response/responder.js';

// The rules of Responder, on each of which some server depends, with an adapter that has what both platforms have.

type Made = ConstructorParameters<typeof Responder>;
type Refused = Parameters<Responder['refusalOf']>[1];
type Given = Parameters<Responder['refuse']>;

const EXPOSED = 'Access-Control-Expose-Headers';

/** Header fields of the framework beside those of Node, as on Fastify; undefined where there is one list, as on Express. */
type OwnFields = Map<string, unknown> | undefined;

class Answer {
  readonly response = new ServerResponse(new IncomingMessage(new Socket()));
  readonly replies: [body: unknown, status: number][] = [];
  readonly responder: Responder;

  constructor(
    settings: { form?: string; nonce?: string; own?: OwnFields; canRead?: boolean; headers?: string[] } = {},
  ) {
    const { form = 'http', nonce, own, canRead = true, headers = [] } = settings;
    const httpAdapter = {
      setHeader: (to: ServerResponse, name: string, value: string) =>
        own ? own.set(name.toLowerCase(), value) : to.setHeader(name, value),
      ...(canRead && {
        getHeader: (from: ServerResponse, name: string) => (own ? own.get(name.toLowerCase()) : from.getHeader(name)),
      }),
      reply: (_to: ServerResponse, body: unknown, status: number) => this.replies.push([body, status]),
    };
    this.responder = new Responder(
      { httpAdapter } as unknown as Made[0],
      { choose: () => ['a', 'b'] } as unknown as Made[1],
      {
        credentials: [{}, ...headers.map((header) => ({ header }))],
        challenge: () => form,
        exposeErrorDetails: false,
      } as unknown as Made[2],
      { nonceFor: () => nonce } as unknown as Made[3],
    );
  }

  get to(): Given[2] {
    return this.response as Given[2];
  }

  /** What the client gets for a refusal. */
  refuse(code: McpAuthErrorCode, body: unknown, resource: object = {}): [body: unknown, status: number] {
    this.responder.refuse(
      new McpAuthError(code, 'upstream_rejected'),
      {} as Given[1],
      this.to,
      refused(body, resource),
    );
    const [[text, status] = [undefined, 0]] = this.replies;
    return [JSON.parse(String(text)), status];
  }

  /** The headers of an answer to an admitted caller. */
  mark(caller: object | undefined): object {
    const access = { caller, server: { resource: {} } };
    this.responder.markPrivate(this.to, access as unknown as Parameters<Responder['markPrivate']>[1]);
    return { ...this.response.getHeaders() };
  }
}

function refused(body: unknown, resource: object = {}): Refused {
  const all = { metadataUrl: 'https://mcp.example.com/.well-known/oauth-protected-resource', ...resource };
  return {
    resource: all,
    scopes: [],
    body: readRpcBody(body),
    caller: undefined,
    scheme: 'Bearer',
  } as unknown as Refused;
}

const DPOP = { mode: 'accepted', algorithms: ['ES256'] };
const BAD_TOKEN = 'The access token is invalid or has expired.';
const CALL = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'x' } };
const OF_2026 = { ...CALL, params: { name: 'x', _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } } };

describe('a refusal over HTTP', () => {
  it('has status, challenge and a JSON body, as text', () => {
    const answer = new Answer();
    expect(answer.refuse('invalid_token', CALL)).toEqual([
      { jsonrpc: '2.0', id: 7, error: { code: 401, message: BAD_TOKEN } },
      401,
    ]);
    expect(answer.response.getHeaders()).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'access-control-expose-headers': 'WWW-Authenticate',
    });
    expect(parseChallenges(String(answer.response.getHeader('www-authenticate')))).toMatchObject([
      { scheme: 'Bearer', params: { error: 'invalid_token', scope: 'a b' } },
    ]);
  });

  it('has the challenge and nonce of the resource', () => {
    const challenges = (settings: object, resource: object): string[] => {
      const answer = new Answer(settings);
      const error = new McpAuthError('use_dpop_nonce', 'proof_required');
      answer.responder.refuse(error, {} as Given[1], answer.to, refused(CALL, resource));
      return [
        ...parseChallenges(String(answer.response.getHeader('www-authenticate'))).map(({ scheme }) => scheme),
        String(answer.response.getHeader('dpop-nonce')),
      ];
    };
    expect(challenges({ nonce: 'n1' }, { dpop: DPOP })).toEqual(['DPoP', 'n1']);
    expect(challenges({}, { dpop: DPOP, mutualTls: {} })).toEqual(['Bearer', 'DPoP', 'undefined']);
  });

  it.each<[what: string, existing: string | string[] | undefined, exposed: string]>([
    ['nothing', undefined, 'WWW-Authenticate'],
    ['others', 'Mcp-Session-Id,  X-Id ', 'Mcp-Session-Id, X-Id, WWW-Authenticate'],
    ['others in several fields', ['Mcp-Session-Id', 'X-Id,X-No'], 'Mcp-Session-Id, X-Id, X-No, WWW-Authenticate'],
    ['it in other letters', 'www-AUTHENTICATE, X-Id', 'www-AUTHENTICATE, X-Id'],
  ])('lets scripts read the challenge where the application exposes %s', (_what, existing, exposed) => {
    const answer = new Answer();
    if (existing !== undefined) answer.response.setHeader(EXPOSED, existing);
    answer.refuse('invalid_token', CALL);
    expect(answer.response.getHeader(EXPOSED)).toBe(exposed);
    const put = new Answer();
    if (existing !== undefined) put.response.setHeader(EXPOSED, existing);
    put.response.setHeader('cache-control', 'max-age=1');
    put.responder.putHeaders(put.response, { headers: { [EXPOSED]: 'WWW-Authenticate', 'Cache-Control': 'no-store' } });
    expect([put.response.getHeader(EXPOSED), put.response.getHeader('cache-control')]).toEqual([exposed, 'no-store']);
  });

  it('works with an adapter that cannot read headers', () => {
    const answer = new Answer({ canRead: false });
    expect(answer.refuse('access_denied', CALL)[1]).toBe(403);
  });
});

describe('a refused tool call of a client that acts on tool results', () => {
  const form = 'tool-result';

  it('is a tool result with the challenge', () => {
    const answer = new Answer({ form });
    const [body, status] = answer.refuse('insufficient_scope', CALL);
    const sentence = 'The access token lacks a scope that this operation needs.';
    expect([body, status]).toEqual([
      {
        jsonrpc: '2.0',
        id: 7,
        result: {
          content: [{ type: 'text', text: sentence }],
          isError: true,
          _meta: { 'mcp/www_authenticate': [expect.stringContaining('error="insufficient_scope"')] },
        },
      },
      200,
    ]);
    expect(answer.response.getHeader('cache-control')).toBe('no-store');
    expect(answer.response.hasHeader('www-authenticate')).toBe(false);
  });

  it('says since 2026-07-28 that the result is complete', () => {
    expect(new Answer({ form }).refuse('invalid_token', OF_2026)[0]).toMatchObject({
      result: { resultType: 'complete', isError: true },
    });
    expect(new Answer({ form }).refuse('invalid_token', CALL)[0]).not.toHaveProperty('result.resultType');
  });

  it.each<[what: string, code: McpAuthErrorCode, body: unknown]>([
    ['the refusal has no challenge', 'access_denied', CALL],
    ['the client must make another proof', 'invalid_dpop_proof', CALL],
    ['the client must make a proof with a nonce', 'use_dpop_nonce', CALL],
    ['the call has no id', 'invalid_token', { ...CALL, id: undefined }],
    ['it is in a batch', 'invalid_token', [CALL]],
    ['it is no tool call', 'invalid_token', { ...CALL, method: 'resources/read' }],
    ['there is no message', 'invalid_token', undefined],
  ])('is a refusal over HTTP if %s', (_what, code, body) => {
    const [answer, status] = new Answer({ form }).refuse(code, body);
    expect(status).toBe(code === 'access_denied' ? 403 : 401);
    expect(answer).not.toHaveProperty('result');
  });

  it('is a refusal over HTTP for other clients', () => {
    expect(new Answer({ form: 'http' }).refuse('invalid_token', CALL)[1]).toBe(401);
  });

  it('has no challenge where a handler throws a refusal without one', () => {
    const { responder } = new Answer();
    const text = 'The caller is not permitted to do this.';
    expect(responder.toolResult(new McpAuthError('access_denied', 'policy_denied'), refused(CALL))).toEqual({
      content: [{ type: 'text', text }],
      isError: true,
    });
    const error = responder.rpcError(new McpAuthError('access_denied', 'policy_denied'), refused(CALL));
    expect([error.message, error.code]).toEqual([text, 403]);
  });
});

describe('other answers of the library', () => {
  it('say that the user must first consent', () => {
    const answer = new Answer();
    const error = new McpAuthConsentRequiredError('Sign in at the bank first.', [
      { mode: 'url', url: 'https://bank.example/start', elicitationId: 'e1', message: 'Sign in at the bank.' },
    ] as never);
    answer.responder.askForConsent(error, answer.to);
    const [[text, status] = []] = answer.replies;
    expect(status).toBe(403);
    expect(JSON.parse(String(text))).toEqual({ error: 'consent_required', message: error.message, ...error.data });
    expect(answer.response.getHeader('cache-control')).toBe('no-store');
  });

  it('have no body where there is nothing to say', () => {
    const answer = new Answer();
    answer.responder.answerEmpty(answer.to);
    expect(answer.replies).toEqual([[undefined, 204]]);
  });
});

describe('the answer to an admitted caller', () => {
  it.each<[existing: string | string[] | undefined, left: string]>([
    [undefined, 'private'],
    ['', 'private'],
    ['public, max-age=60', 'private, max-age=60'],
    ['s-maxage=5,, no-transform', 'private, no-transform'],
    ['Private, must-revalidate', 'private, must-revalidate'],
    ['private="set-cookie", x-public', 'private, x-public'],
    [['PUBLIC', 'max-age=1'], 'private, max-age=1'],
    ['max-age=0, No-Store', 'max-age=0, No-Store'],
    ['no-store-at-all', 'private, no-store-at-all'],
    ['x-no-store', 'private, x-no-store'],
  ])('stays out of shared caches, with the other directives of the application: %j', (existing, left) => {
    const answer = new Answer();
    if (existing !== undefined) answer.response.setHeader('cache-control', existing);
    expect(answer.mark({})).toEqual({ 'cache-control': left, vary: 'Authorization' });
  });

  it('differs by every header field that may hold a credential', () => {
    const answer = new Answer({ headers: ['X-Api-Key', 'X-Other'] });
    answer.response.setHeader('vary', 'Origin');
    expect(answer.mark({})).toMatchObject({ vary: ['Origin', 'Authorization, X-Api-Key, X-Other'] });
  });

  it('has a nonce for the next proof, which scripts may read, and is then not stored', () => {
    const answer = new Answer({ nonce: 'n1' });
    expect(answer.mark({ proof: { method: 'dpop' } })).toEqual({
      'cache-control': 'no-store',
      'dpop-nonce': 'n1',
      'access-control-expose-headers': 'DPoP-Nonce',
      vary: 'Authorization',
    });
  });

  it('exposes what the framework exposes beside the nonce, and in its own list, too', () => {
    const own = new Map<string, unknown>([[EXPOSED.toLowerCase(), 'X-Id']]);
    expect(new Answer({ nonce: 'n1', own }).mark({ proof: { method: 'dpop' } })).toMatchObject({
      'access-control-expose-headers': 'X-Id, DPoP-Nonce',
    });
    expect([...own]).toEqual([[EXPOSED.toLowerCase(), 'X-Id, DPoP-Nonce']]);
    const empty = new Map<string, unknown>();
    const answer = new Answer({ nonce: 'n1', own: empty });
    answer.response.setHeader(EXPOSED, 'X-Node');
    expect(answer.mark({ proof: { method: 'dpop' } })).toMatchObject({
      'access-control-expose-headers': 'X-Node, DPoP-Nonce',
    });
    expect(empty.size).toBe(0);
    expect(new Answer({ nonce: 'n1', canRead: false }).mark({ proof: { method: 'dpop' } })).toMatchObject({
      'dpop-nonce': 'n1',
    });
  });

  it.each([
    ['with another proof', { nonce: 'n1' }, { proof: { method: 'mutual-tls' } }],
    ['without a proof', { nonce: 'n1' }, {}],
    ['to an anonymous caller', { nonce: 'n1' }, undefined],
    ['where no nonce is given', {}, { proof: { method: 'dpop' } }],
  ])('has no nonce %s', (_what, settings, caller) => {
    expect(new Answer(settings).mark(caller)).toEqual({ 'cache-control': 'private', vary: 'Authorization' });
  });
});
