import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { McpAuthError } from 'nestjs-mcp-auth';
import { RevokedAnswers } from '../../lib/response/revoked-answers.js';

type Made = ConstructorParameters<typeof RevokedAnswers>;
type Access = Parameters<RevokedAnswers['watch']>[1];

/** An answer to somebody whose token may be revoked. */
class Answer {
  readonly response = new ServerResponse(new IncomingMessage(new Socket()));
  readonly sent: string[] = [];
  reason: string | undefined;
  revoke: (() => void) | undefined;
  isUnwatched = false;

  constructor({
    caller = {},
    isOn = true,
    isKnown = true,
  }: {
    caller?: object | null;
    isOn?: boolean;
    isKnown?: boolean;
  }) {
    const revocations = {
      isOn,
      watch: (_caller: object, ended: () => void) => {
        this.revoke = ended;
        return isKnown ? () => void (this.isUnwatched = true) : undefined;
      },
    };
    const responder = {
      refusalOf: ({ reason }: McpAuthError) => {
        this.reason = reason;
        return { status: 401, headers: {}, body: { error: 'invalid_token' } };
      },
      putHeaders: () => undefined,
    };
    const access = { caller, server: {}, scopes: [] } as unknown as Access;
    new RevokedAnswers(revocations as unknown as Made[0], responder as unknown as Made[1]).watch(this.response, access);
  }
}

describe('an answer while its token is revoked', () => {
  it('is the refusal, which nothing changes that the handler still does', () => {
    const answer = new Answer({});
    const { response } = answer;
    response.setHeader('ETag', 'x');
    answer.revoke?.();
    expect(answer.reason).toBe('revoked');
    expect([response.statusCode, response.writableEnded, response.getHeader('etag')]).toEqual([401, true, undefined]);
    const head = response.getHeaders();
    expect(response.write('late')).toBe(true);
    expect(response.setHeader('a', '1').appendHeader('b', '2').writeHead(200).end('late')).toBe(response);
    expect(response.setHeaders(new Map([['c', '3']]))).toBe(response);
    for (const one of ['flushHeaders', 'removeHeader'] as const) expect(response[one]('content-type')).toBe(response);
    expect([response.statusCode, response.getHeaders()]).toEqual([401, head]);
  });

  it('is left alone if it is complete', () => {
    const answer = new Answer({});
    answer.response.setHeader('content-type', 'text/event-stream');
    answer.response.end('data: x\n\n');
    answer.revoke?.();
    expect(answer.reason).toBeUndefined();
    expect(Object.hasOwn(answer.response, 'write')).toBe(false);
  });

  it('is no longer watched after it is closed', () => {
    const answer = new Answer({});
    expect(answer.isUnwatched).toBe(false);
    answer.response.emit('close');
    expect(answer.isUnwatched).toBe(true);
  });

  it.each([
    ['an anonymous caller', { caller: null }],
    ['anybody if nothing can be revoked', { isOn: false }],
  ])('is not watched for %s', (_what, settings) => {
    expect(new Answer(settings).revoke).toBeUndefined();
  });

  it('is not watched for its end if the token cannot be watched', () => {
    expect(new Answer({ isKnown: false }).response.listenerCount('close')).toBe(0);
  });
});
