import { describe, expect, it } from '@jest/globals';
import type { McpAuthReason } from 'nestjs-mcp-auth';
import { adviceFor, levelOf, REFUSAL_ADVICE } from '../../lib/observability/refusal-advice.js';

const RESOURCE = 'https://mcp.example.com/mcp';
const CONTEXT = { resource: RESOURCE, audiences: [RESOURCE], issuer: undefined, seen: {} };

const reasons = Object.keys(REFUSAL_ADVICE) as McpAuthReason[];

describe('adviceFor', () => {
  it.each(['constructor', 'toString', '__proto__', 'no_such_reason'] as unknown as McpAuthReason[])(
    'has no advice about %s, which is not a reason, and lets the log speak of it',
    (reason) => {
      expect(adviceFor(reason, CONTEXT)).toBeUndefined();
      expect(levelOf(reason)).toBe('log');
    },
  );

  it('has advice about what must be changed, and none about what nobody has to change', () => {
    const advised = reasons.filter((reason) => adviceFor(reason, CONTEXT) !== undefined);
    const warned = reasons.filter((reason) => levelOf(reason) === 'warn');
    // The one is a sign of an attack, the other of a client that uses an old transport.
    const withoutAdvice = new Set<McpAuthReason>(['key_undecided', 'task_list_elsewhere']);
    expect(advised.toSorted()).toEqual(warned.filter((reason) => !withoutAdvice.has(reason)).toSorted());
  });

  it('has advice of one line, without a full stop, which the log adds', () => {
    for (const reason of reasons) expect(adviceFor(reason, CONTEXT) ?? 'None').toMatch(/^[A-Z][^\n]*[^.\n]$/);
  });

  it.each<[issuer: string, advice: RegExp]>([
    ['https://login.example.com/realms/main', /^Keycloak: add an Audience mapper .* https:\/\/mcp\.example\.com\/mcp /],
    ['https://acme.eu.auth0.com/', /^Auth0: create an API with the identifier https:\/\/mcp\.example\.com\/mcp,/],
    ['https://login.example.com', /^Let the authorization server put https:\/\/mcp\.example\.com\/mcp into aud/],
  ])('speaks of the audience in the terms of the product at %s', (issuer, advice) => {
    expect(adviceFor('audience_rejected', { ...CONTEXT, issuer })).toMatch(advice);
  });
});
