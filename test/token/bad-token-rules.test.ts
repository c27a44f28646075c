import { beforeEach, describe, expect, it } from '@jest/globals';
import { UnauthorizedException } from '@nestjs/common';
import { errors } from 'jose';
import { McpAuthError } from '../../lib/core/error.js';
import { answerOf, copyOfClaims } from '../../lib/token/application-answer.js';
import { saysTokenIsBad } from '../../lib/token/bad-token-error.js';

// Which errors of an application say that a token is bad: all others say that nobody can judge it now.

describe('an error says that the token is bad', () => {
  it.each<[unknown, boolean]>([
    [new errors.JWTExpired('expired', {}), true],
    [new errors.JWSSignatureVerificationFailed(), true],
    [new errors.JWKSNoMatchingKey(), true],
    [{ code: 'ERR_JWE_INVALID' }, true],
    [{ code: 'ERR_JWK_INVALID' }, false],
    [{ code: 'ERR_JOSE_GENERIC' }, false],
    [{ code: 'ERR_JWKS_TIMEOUT' }, false],
    [{ code: 'ERR_JWKS_INVALID' }, false],
    [{ code: 'ERR_J_OTHER' }, false],
    [{ code: 'XERR_JWT_EXPIRED' }, false],
    [{ code: ['ERR_JWT_EXPIRED'] }, false],
    [{ code: 'invalid_token' }, true],
    [{ errorCode: 'invalid_token' }, true],
    [{ error: 'invalid_token' }, true],
    [{ code: 'invalid_grant' }, false],
    [{ message: 'invalid_token' }, false],
    [{ name: 'TokenExpiredError' }, true],
    [{ name: 'JsonWebTokenError' }, true],
    [{ name: 'NotBeforeError' }, true],
    [{ name: 'TypeError' }, false],
    [new UnauthorizedException(), true],
    [{ getStatus: () => 403 }, false],
    [{ getStatus: 401 }, false],
    [{}, false],
    [null, false],
    [undefined, false],
    ['invalid_token', false],
    [Object.assign(() => undefined, { code: 'invalid_token' }), false],
  ])('%#: %s', (error, isBad) => {
    expect(saysTokenIsBad(error)).toBe(isBad);
  });
});

describe('the answer of the application', () => {
  const failures: unknown[] = [];
  beforeEach(() => {
    failures.length = 0;
  });

  const reports = {
    refused: 'verifier_failed',
    undecided: 'verifier_unavailable',
    seen: { by: 'it' },
    onFailure: (error: unknown, credential: string) => failures.push([error, credential]),
  } as const;
  const refusal = async (cause: unknown): Promise<unknown> => {
    const ask = (): never => {
      throw cause;
    };
    try {
      return await answerOf(ask, 'secret-token', reports);
    } catch (thrown) {
      return thrown;
    }
  };

  it('is what it returns, or the error of this library that it throws', async () => {
    expect(await answerOf((credential) => [credential], 'a', reports)).toEqual(['a']);
    const own = new McpAuthError('invalid_token', 'expired');
    expect(await refusal(own)).toBe(own);
    expect(failures).toEqual([]);
  });

  it('is a refusal if its error says so, without the token', async () => {
    const cause = Object.assign(new Error('bad secret-token'), { code: 'invalid_token' });
    const thrown = (await refusal(cause)) as McpAuthError;
    expect(thrown).toMatchObject({ code: 'invalid_token', reason: 'verifier_failed', cause });
    expect(thrown.seen).toEqual({ by: '"it"', error: '"bad …"' });
    expect(failures).toEqual([]);
  });

  it('is no judgement if another error is thrown, which is reported', async () => {
    const cause = new Error('down');
    const thrown = (await refusal(cause)) as McpAuthError;
    expect(thrown).toMatchObject({ code: 'temporarily_unavailable', reason: 'verifier_unavailable', cause });
    expect(thrown.seen).toEqual({ by: '"it"' });
    expect(failures).toEqual([[cause, 'secret-token']]);
  });

  it('has claims that are copied', () => {
    const claims = { a: { b: 1 } };
    expect(copyOfClaims(claims)).toEqual(claims);
    expect(copyOfClaims(claims)['a']).not.toBe(claims.a);
  });

  it.each<[unknown, string]>([
    [null, 'null'],
    ['text', 'text'],
    [[], 'a list'],
    [{ a: () => 1 }, 'an object'],
  ])('has no claims that are refused: %#', (bad, type) => {
    try {
      copyOfClaims(bad);
      throw new Error('not refused');
    } catch (error) {
      expect(error).toBeInstanceOf(McpAuthError);
      expect(error).toMatchObject({ reason: 'claim_malformed', seen: { claims: type } });
    }
  });
});
