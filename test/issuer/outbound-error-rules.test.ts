import { describe, expect, it } from '@jest/globals';
import { noAnswer, OutboundError, unexpectedStatus, unexpectedType } from '../../lib/issuer/outbound-error.js';

// What is said of an answer that was not expected, and for how long a server wants to be left alone.

const REQUEST = 'GET https://a.example/x';

function withStatus(status: number, headers: Record<string, string> = {}): OutboundError {
  return unexpectedStatus(REQUEST, 'https://a.example/x', { status, headers: new Headers(headers) } as Response);
}

describe('an answer with another status', () => {
  it.each([200, 299, 400, 404, 500])('is said to have %d, without the target of a redirect', (status) => {
    const error = withStatus(status, { location: '/y' });
    expect(error).toMatchObject({ name: 'OutboundError', status, what: `status ${status}`, code: undefined });
    expect(error.message).toBe(`${REQUEST}: status ${status}`);
  });

  it.each([
    [300, '/y', 'https://a.example/y'],
    [302, 'https://b.example/y?secret=1#x', 'https://b.example/y'],
    [399, 'http://b.example', 'http://b.example/'],
    [302, 'mailto:a@b.example', 'mailto:'],
    [302, 'xhttp://b.example/y', 'xhttp:'],
    [302, `/${'y'.repeat(50)}`, `https://a.example/${'y'.repeat(50)}`],
  ])('is said to be a redirect, with %d and %j to %s', (status, location, target) => {
    const what = `status ${status}, a redirect to "${target}", and redirects are not followed`;
    expect(withStatus(status, { location })).toMatchObject({ what, status });
  });

  it.each(['', 'http://[', `/${'y'.repeat(2_000)}`])('is said to redirect nowhere: %#', (location) => {
    expect(withStatus(302, { location }).what).toBe('status 302');
    expect(withStatus(302).what).toBe('status 302');
  });

  it('LIB-01: has 2,000 characters of its target read', () => {
    expect(withStatus(302, { location: '/'.padEnd(2_000, 'y') }).what).toContain('a redirect to');
    expect(withStatus(302, { location: '/'.padEnd(2_001, 'y') }).what).toBe('status 302');
  });

  it.each<[string, number | undefined]>([
    ['5', 5],
    ['0', 0],
    ['999999999', 999_999_999],
    ['1000000000', undefined],
    ['1.5.x', undefined],
    ['x5', undefined],
    ['', undefined],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT (12345678)', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT (123456789)', undefined],
  ])('RFC9110-10.2.3: with Retry-After %j asks for %j seconds', (value, seconds) => {
    for (const status of [429, 503])
      expect(withStatus(status, { 'retry-after': value }).retryAfterSeconds).toBe(seconds);
    for (const status of [200, 428, 500, 504])
      expect(withStatus(status, { 'retry-after': value }).retryAfterSeconds).toBeUndefined();
    expect(withStatus(503).retryAfterSeconds).toBeUndefined();
  });

  it('RFC9110-10.2.3: may name the time until which to wait', () => {
    const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
    const seconds = withStatus(429, { 'retry-after': inAnHour }).retryAfterSeconds as number;
    expect([seconds > 3_590, seconds <= 3_600, Number.isInteger(seconds)]).toEqual([true, true, true]);
  });
});

describe('an answer with another type', () => {
  it('is said to have it, or none', () => {
    const cause = new Error('x');
    const error = unexpectedType(REQUEST, 'text/html', 'application/json', { cause });
    expect(error).toMatchObject({ what: 'content type "text/html", expected application/json', status: 200, cause });
    expect(unexpectedType(REQUEST, '', 'application/json').what).toBe('no content type, expected application/json');
  });
});

describe('no answer', () => {
  const because = (cause: unknown, fetchOfApplication?: unknown): unknown => {
    const error = noAnswer(REQUEST, cause, { timeoutMs: 5, fetch: fetchOfApplication });
    expect(error).toMatchObject({ name: 'OutboundError', status: undefined });
    expect(error.cause).toBe(cause);
    return [error.what, error.code];
  };

  it.each<[string, unknown, string, string | undefined]>([
    ['the time limit', { name: 'TimeoutError' }, 'no answer within 5 ms', undefined],
    ['the end of the application', { name: 'AbortError' }, 'given up, since the application is closing', undefined],
    ['a code', { cause: { code: 'ECONNREFUSED', message: 'x' } }, 'no answer (ECONNREFUSED)', 'ECONNREFUSED'],
    ['50 characters', { cause: { code: 'E'.repeat(50) } }, `no answer (${'E'.repeat(50)})`, 'E'.repeat(50)],
    ['a longer code', { cause: { code: 'E'.repeat(51) } }, 'no answer', undefined],
    ['a code with more', { cause: { code: 'E x', message: 'why' } }, 'no answer (why)', undefined],
    ['more before a code', { cause: { code: ' E' } }, 'no answer', undefined],
    ['a number', { cause: { code: 5 } }, 'no answer', undefined],
    ['a message', { cause: { message: 'why' } }, 'no answer (why)', undefined],
    ['a message that is no text', { cause: { message: 5 } }, 'no answer', undefined],
    ['a cause that is text', { cause: 'why' }, 'no answer', undefined],
    ['nothing', undefined, 'no answer', undefined],
  ])('has a reason: %s', (_what, cause, what, code) => {
    expect(because(cause)).toEqual([what, code]);
  });

  it('LIB-05: has no message of a fetch of the application, which may quote the request', () => {
    expect(because({ cause: { message: 'why' } }, fetch)).toEqual(['no answer', undefined]);
    expect(because({ cause: { code: 'E', message: 'why' } }, fetch)).toEqual(['no answer (E)', 'E']);
  });
});
