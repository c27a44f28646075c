import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { authzen, type PolicyContext } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { Denial } from '../../lib/core/denial.js';
import { McpAuthError } from '../../lib/core/error.js';
import { readIssuedToken, readRefusal, TokenAnswerError } from '../../lib/issuer/token-answer.js';
import { withWatchdog } from '../support/watchdog.js';
import { always, alwaysAsync, jsonValue, memberName } from './property.js';

// Answers of servers that this one asks, which may be anybody's when they were taken over.

const SECRET = 'c2VjcmV0-of-the-caller.0123456789';

/** An object as JSON has it: members of `__proto__` are its own. */
function parsed(value: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}

function mostly(...values: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: jsonValue });
}

const more = fc.dictionary(memberName, jsonValue, { maxKeys: 2 });

describe('any answer of a token endpoint', () => {
  const text = fc.oneof(fc.constant('a-token'), fc.string(), fc.string({ unit: 'binary' }), jsonValue);
  const answer = fc
    .tuple(
      more,
      fc.record(
        {
          access_token: text,
          token_type: mostly('Bearer', 'bearer', 'BEARER', 'DPoP', 'N_A', 'mac'),
          issued_token_type: mostly('urn:ietf:params:oauth:token-type:access_token', 'x'),
          expires_in: mostly(300, '300', 0, -1, '-1', '1e3', 1e12, null),
          scope: mostly('a b', '', ' a', 'a\u00e9', null),
        },
        { requiredKeys: ['access_token', 'token_type'] },
      ),
    )
    .map(([others, named]) => parsed({ ...others, ...named }));

  it('has a token that can be sent in a header field, of the type that was asked for, or is refused without repeating it', () => {
    const seen = { accepted: 0, refused: 0 };
    const types = fc.constantFrom(undefined, ['urn:ietf:params:oauth:token-type:access_token']);
    always(4_000, fc.tuple(answer, types), ([body, issuedTokenTypes]) => {
      try {
        const issued = readIssuedToken(body, { tokenType: 'bearer', issuedTokenTypes }, []);
        expect(issued.token).toBe(body['access_token']);
        expect(issued.token).toMatch(/^[\x21-\x7e]{1,16384}$/);
        expect(String(body['token_type']).toLowerCase()).toBe('bearer');
        if (issuedTokenTypes) expect(issuedTokenTypes).toContain(body['issued_token_type']);
        expect(issued.lifetimeSeconds ?? 0).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(issued.lifetimeSeconds ?? 0)).toBe(true);
        for (const scope of issued.scopes ?? []) expect(scope).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/);
        seen.accepted += 1;
      } catch (error) {
        if (!(error instanceof TokenAnswerError)) throw error;
        expect(error.message).not.toContain('a-token');
        seen.refused += 1;
      }
    });
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(100);
  });

  it('that refuses is read without the secrets of the request', () => {
    const description = fc
      .array(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant(SECRET)), { maxLength: 5 })
      .map((parts) => parts.join(' '));
    const refusal = fc
      .tuple(
        more,
        fc.record({ error: mostly('invalid_grant', 'x"y', ''), error_description: description, suberror: jsonValue }),
      )
      .map(([others, named]) => parsed({ ...others, ...named }));
    always(3_000, refusal, (body) => {
      const read = readRefusal(body, 400, [SECRET]);
      if (read === undefined) return;
      for (const code of [read.code, read.suberror ?? 'x'])
        expect(code).toMatch(/^[\x20\x21\x23-\x5B\x5D-\x7E]{1,100}$/);
      expect(read.description?.length ?? 0).toBeLessThanOrEqual(500);
      expect(`${read.message} ${read.description}`).not.toContain(SECRET);
    });
  });
});

describe('any answer of a decision point', () => {
  const context = {
    auth: { kind: 'user', principalKey: 'somebody' },
    resource: 'https://mcp.example.com/mcp',
    method: 'tools/call',
    operation: { kind: 'tool', name: 'ping' },
  } as unknown as PolicyContext;
  const body = fc.oneof(
    fc
      .record({ decision: mostly(true, false, 'true', 1), context: mostly({}, { reason_user: { en: 'No' } }) })
      .map((one) => JSON.stringify(one)),
    fc.constantFrom(
      '{"decision":true}',
      '{"decision":true}',
      '{"decision":false}',
      '{"__proto__":{"decision":true}}',
      '[{"decision":true}]',
    ),
    fc.string(),
    jsonValue.map((one) => JSON.stringify(one)),
  );
  const types = fc.oneof(
    { weight: 4, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom('text/html', 'application/json; charset=utf-8', 'application/jsonp') },
  );
  const statuses = fc.oneof(
    { weight: 4, arbitrary: fc.constant(200) },
    { weight: 1, arbitrary: fc.constantFrom(201, 202, 301, 400, 401, 403, 404, 429, 500, 503) },
  );

  it('allows a call only with status 200, JSON, and a decision that is true', async () => {
    let allowed = 0;
    await alwaysAsync(1_500, fc.tuple(body, types, statuses), async ([text, type, status]) => {
      const fetch = async (): Promise<Response> => new Response(text, { status, headers: { 'content-type': type } });
      const policy = authzen({ url: 'https://pdp.example.com', fetch });
      const decision = await Promise.resolve(policy(context)).catch((error: unknown) => error);
      if (decision !== true) {
        const isRefused = decision instanceof Denial || decision === false;
        const isUndecided = decision instanceof McpAuthError && decision.code === 'temporarily_unavailable';
        expect([decision, isRefused || isUndecided]).toEqual([decision, true]);
        return;
      }
      allowed += 1;
      const read = JSON.parse(text) as { decision: unknown };
      expect([status, type.split(';')[0], Object.hasOwn(read, 'decision') && read.decision]).toEqual([
        200,
        'application/json',
        true,
      ]);
    });
    expect(allowed).toBeGreaterThan(100);
  });
});

describe('any WWW-Authenticate of a server that the doctor looks at', () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom(
      'Bearer ',
      'DPoP',
      'bearer realm=',
      'error="invalid_token"',
      ', ',
      ',',
      '=',
      '"',
      '\\',
      '"a\\"b"',
      'a=b',
      '__proto__="x"',
      'abc==',
      ' ',
      '\t',
    ),
  );

  it('is read as challenges whose parts it has, or refused with a SyntaxError', () => {
    let read = 0;
    always(6_000, fc.array(piece, { maxLength: 8 }), (pieces) => {
      const header = pieces.join('');
      try {
        for (const { scheme, params, token68 } of parseChallenges(header)) {
          expect(header).toContain(scheme);
          if (token68 !== undefined) expect(header).toContain(token68);
          for (const name of Object.keys(params)) expect(header.toLowerCase()).toContain(name);
        }
        read += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    });
    expect(read).toBeGreaterThan(300);
  });

  it('is read in a time that grows no faster than its length', () => {
    always(60, fc.tuple(fc.array(piece, { maxLength: 3 }), piece), ([start, again]) => {
      const header = start.join('') + again.repeat(20_000);
      withWatchdog(() => {
        try {
          parseChallenges(header);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      });
    });
  });
});
