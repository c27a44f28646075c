import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { McpAuthConfigError, McpAuthError } from 'nestjs-mcp-auth';
import { McpAuthConsentRequiredError } from '../../lib/core/consent-required-error.js';
import { NotAskedError } from '../../lib/core/not-asked-error.js';
import { REASONS } from '../../lib/core/refusal-reasons.js';

const ORIGIN = { issuer: 'https://issuer.example', clientId: 'c', isVerified: false };

describe('McpAuthError', () => {
  it('has the sentence of its reason, its name, and nothing that was not given', () => {
    const error = new McpAuthError('invalid_token', 'expired');
    expect(error.message).toBe(REASONS.expired);
    expect({ ...error }).toEqual({
      name: 'McpAuthError',
      code: 'invalid_token',
      reason: 'expired',
      scopes: [],
      missingScopes: [],
      authentication: undefined,
      retryAfterSeconds: undefined,
      clientMessage: undefined,
    });
    expect('cause' in error).toBe(false);
    expect([error.seen, error.origin]).toEqual([{}, undefined]);
  });

  it('has the cause, the scopes and the message that it is given', () => {
    const cause = new Error('down');
    const details = { cause, scopes: ['a', 'b'], missingScopes: ['b'], clientMessage: ' Not\nyou. ' };
    const error = new McpAuthError('access_denied', 'policy_denied', details);
    expect(error).toMatchObject({ cause, scopes: ['a', 'b'], missingScopes: ['b'], clientMessage: 'Not you.' });
    expect(new McpAuthError('access_denied', 'policy_denied', { clientMessage: '\n' }).clientMessage).toBeUndefined();
  });

  it('misses all scopes where nobody says which', () => {
    expect(McpAuthError.insufficientScope('a', 'b')).toMatchObject({
      code: 'insufficient_scope',
      reason: 'scope_missing',
      scopes: ['a', 'b'],
      missingScopes: ['a', 'b'],
    });
  });

  it('may say that a service behind this one has refused the caller', () => {
    const cause = new Error('401');
    const error = McpAuthError.upstreamRejected(cause);
    expect(error).toMatchObject({ code: 'invalid_token', reason: 'upstream_rejected', cause, scopes: [] });
  });

  it('is an instance also if another copy of the package made it, and no other object is', () => {
    const brand = Object.getOwnPropertySymbols(new McpAuthError('invalid_token', 'expired'))[0] as symbol;
    // Each copy looks for this very symbol.
    expect(Symbol.keyFor(brand)).toBe('nestjs-mcp-auth:error:1');
    const ofOtherCopy = Object.defineProperty(new Error('other copy'), brand, { value: true });
    expect(ofOtherCopy instanceof McpAuthError).toBe(true);
    for (const other of [new Error('a'), { name: 'McpAuthError' }, null, undefined, 'text']) {
      expect(other instanceof McpAuthError).toBe(false);
    }
    // A function may carry anything.
    expect(Object.assign(() => undefined, { [brand]: true }) instanceof McpAuthError).toBe(false);
  });

  it('is no instance of a class below it that did not make it', () => {
    class Below extends McpAuthError {}
    expect(new McpAuthError('invalid_token', 'expired') instanceof Below).toBe(false);
    expect(new Below('invalid_token', 'expired') instanceof Below).toBe(true);
    expect(new Below('invalid_token', 'expired') instanceof McpAuthError).toBe(true);
  });

  it('shows what was seen to nobody who prints or serialises it', () => {
    const error = new McpAuthError('invalid_token', 'expired', { seen: { exp: 'canary' } });
    error.explain({ exp: 'later', aud: ['a'] }, ORIGIN);
    expect(error.seen).toEqual({ exp: '"canary"', aud: '["a"]' });
    expect(Object.isFrozen(error.seen)).toBe(true);
    expect(error.origin).toBe(ORIGIN);
    expect(inspect(error, { showHidden: true, depth: 9 }) + JSON.stringify(error)).not.toContain('canary');
  });

  it('keeps the first origin', () => {
    const error = new McpAuthError('invalid_token', 'expired');
    expect(error.explain({}, undefined).origin).toBeUndefined();
    expect(error.explain({}, ORIGIN).explain({}, { ...ORIGIN, clientId: 'other' }).origin).toBe(ORIGIN);
  });
});

it('McpAuthConfigError lists every problem and counts them', () => {
  const problem = { option: 'scopes', seen: '1', why: 'must be a list', write: 'Write []' };
  const [one, two] = [new McpAuthConfigError([problem]), new McpAuthConfigError([problem, problem])];
  expect([one.name, one.problems]).toEqual(['McpAuthConfigError', [problem]]);
  expect(one.message).toMatch(/\bone problem\b[^]*\n {2}- scopes: saw 1; must be a list\. Write \[\]/);
  expect(two.message).toMatch(/\b2 problems\b[^]*(?:\n {2}- scopes[^\n]*){2}/);
});

describe('McpAuthConsentRequiredError', () => {
  const request = { mode: 'url', elicitationId: 'e', url: 'https://a.example/c', message: 'It needs acme.' } as const;
  const error = (): McpAuthConsentRequiredError => new McpAuthConsentRequiredError('acme', request);

  it('has what a client needs, in the places where both versions of the SDK look', () => {
    expect(error()).toMatchObject({ name: 'McpAuthConsentRequiredError', code: -32042, to: 'acme' });
    expect(error().data).toEqual({ elicitations: [request] });
    expect(error().elicitations).toEqual([request]);
    expect([error().data, error().data.elicitations].every(Object.isFrozen)).toBe(true);
    expect(error().message).toMatch(/^It needs acme\. Open https:\/\/a\.example\/c in a browser\b/);
  });

  it('is one that the classes of the SDK find again', () => {
    const brands = Reflect.get(error(), Symbol.for('mcp.sdk.errorBrands')) as ReadonlySet<string>;
    expect([...brands]).toEqual(['mcp.ProtocolError', 'mcp.UrlElicitationRequiredError']);
    expect(Object.keys(error())).toEqual(expect.not.arrayContaining(['elicitations']));
  });
});

it('an error that nobody was asked has its name', () => {
  expect(new NotAskedError('later', 17)).toMatchObject({
    name: 'NotAskedError',
    message: 'later',
    retryAfterSeconds: 17,
  });
});
