import { beforeEach, describe, expect, it } from '@jest/globals';
import { AccessPolicy, deny, type McpAuthInfo, type Policy, type PolicyContext } from 'nestjs-mcp-auth';
import type { PolicyCheck } from '../../lib/authorization/access-conditions.js';
import { Policies } from '../../lib/authorization/policies.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import type { Operation } from '../../lib/request/rpc-body.js';

const auth = { subject: 'alice' } as unknown as McpAuthInfo;
const request = { method: 'POST' } as HttpRequest;
const operation: Operation = { kind: 'tool', method: 'tools/call', name: 'sum', args: { a: 1 }, reachesHandler: true };

class First extends AccessPolicy {
  decide(): string[] {
    return ['first'];
  }
}

class Second extends AccessPolicy {
  decide(): boolean {
    return true;
  }
}

let found: string[];
let policies: Policies;
beforeEach(() => {
  found = [];
  policies = new Policies(async (type, option) => {
    found.push(`${type.name} for ${option}`);
    return Reflect.construct(type as new () => AccessPolicy, []);
  });
});

async function ask(...asked: readonly PolicyCheck['policies'][number][]): Promise<unknown> {
  const { scopes, denial } = await policies.ask(auth, 'id', [{ operation, policies: asked }], request);
  return { scopes, denial: denial && (denial.reason ?? 'denied') };
}

const answering = (answer: unknown): Policy => (() => answer) as Policy;

describe('policies of one request', () => {
  it.each<[string, unknown, object]>([
    ['true', true, { scopes: [], denial: undefined }],
    ['a promise of true', Promise.resolve(true), { scopes: [], denial: undefined }],
    ['no scopes', [], { scopes: [], denial: undefined }],
    ['scopes', ['a', 'b', 'a'], { scopes: ['a', 'b'], denial: undefined }],
    ['false', false, { scopes: [], denial: 'denied' }],
    ['a denial', deny({ reason: 'why' }), { scopes: [], denial: 'why' }],
    ['what only looks like a denial', { reason: 'why' }, { scopes: [], denial: 'denied' }],
    ['a scope that is none', ['a', 'not "one"'], { scopes: [], denial: 'denied' }],
    ['scopes that are no text', [7], { scopes: [], denial: 'denied' }],
    ['text', 'a', { scopes: [], denial: 'denied' }],
    ['nothing', undefined, { scopes: [], denial: 'denied' }],
    ['1', 1, { scopes: [], denial: 'denied' }],
  ])('are understood if one answers %s', async (_what, answer, verdict) => {
    expect(await ask(answering(answer))).toEqual(verdict);
  });

  it('are all asked: all scopes count, and the first denial', async () => {
    const denials = [deny({ reason: 'one' }), deny({ reason: 'two' })].map(answering);
    expect(await ask(answering(['a']), ...denials, answering(false), answering(['b']))).toEqual({
      scopes: ['a', 'b'],
      denial: 'one',
    });
    expect(await ask(answering(false), ...denials)).toEqual({ scopes: [], denial: 'denied' });
  });

  it('learn who calls what', async () => {
    const contexts: PolicyContext[] = [];
    const checks: PolicyCheck[] = [
      { operation, policies: [] },
      { operation, args: 'other', method: 'another', policies: [] },
      { operation: undefined, method: 'tools/list', policies: [] },
      { operation: undefined, policies: [] },
    ];
    const asked: Policy[] = [(context) => contexts.push(context) > 0];
    await policies.ask(
      auth,
      'id',
      checks.map((check) => ({ ...check, policies: asked })),
      request,
    );
    const all = { auth, resource: 'id', request };
    const named = { kind: 'tool', name: 'sum' };
    expect(contexts).toEqual([
      { ...all, operation: named, method: 'tools/call', args: { a: 1 } },
      { ...all, operation: named, method: 'another', args: 'other' },
      { ...all, operation: undefined, method: 'tools/list', args: undefined },
      { ...all, operation: undefined, method: undefined, args: undefined },
    ]);
  });

  it('that are classes are found when the application starts, and once', async () => {
    await policies.ready(First, [answering(true), Second, First]);
    expect(found).toEqual(['First for authorize', 'Second for @Authorize()']);
    expect(await ask(First, Second)).toEqual({ scopes: ['first'], denial: undefined });
    expect(found).toHaveLength(2);
  });

  it('that are classes are found at the first request that needs them, if nothing was said before', async () => {
    await policies.ready(answering(true), []);
    await policies.ready(undefined, []);
    expect(found).toEqual([]);
    await ask(Second);
    expect(found).toEqual(['Second for @Authorize()']);
  });
});
