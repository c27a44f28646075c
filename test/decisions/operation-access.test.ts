import { beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthInfo } from 'nestjs-mcp-auth';
import type { AccessConditions } from '../../lib/authorization/access-conditions.js';
import type { Authorizer } from '../../lib/authorization/authorizer.js';
import { OperationAccess } from '../../lib/authorization/operation-access.js';
import type { AuthorizedCall } from '../../lib/caller/authorized-call.js';
import { ScopeHierarchy } from '../../lib/core/scopes.js';
import type { OperationDeclarations } from '../../lib/handlers/operation-declarations.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import type { Operation } from '../../lib/request/rpc-body.js';
import type { ResourceServers } from '../../lib/resource-servers/resource-servers.js';

/** What lists show of operations. */

const resource = { id: 'only' } as ResolvedResource;
const server = {
  resource,
  hierarchy: new ScopeHierarchy({}),
  baseline: { allOf: ['base'], anyOf: [] },
};
const auth = { subject: 'alice' } as unknown as McpAuthInfo;
const authorize = (): boolean => true;

const declared = (name: string, scopes: readonly string[], isPublic = false): object => ({
  kind: 'tool',
  name,
  policyArguments: 'as-sent',
  declaration: {
    requirement: { allOf: scopes, anyOf: [] },
    authentications: [{ maxAgeSeconds: 60 }],
    needsProof: false,
    policies: [authorize],
    isPublic,
  },
});

const NOTHING = { all: [], ofAnnotations: [], isElsewhere: false };
const DECLARATIONS: Readonly<Record<string, object>> = {
  scoped: { ...NOTHING, all: [declared('scoped', ['a'])] },
  open: { ...NOTHING, all: [declared('open', ['b'], true)] },
  elsewhere: { ...NOTHING, isElsewhere: true },
};

/** What the authorizer was asked, and what it answers. */
let asked: [unknown, AccessConditions, unknown][];
let refusal: unknown;
/** The operations whose declarations were looked for. */
let found: [Operation, string][];
beforeEach(() => {
  asked = [];
  refusal = undefined;
  found = [];
});

function access(options: object = {}): OperationAccess {
  const operations = {
    of: (operation: Operation, id: string) => {
      found.push([operation, id]);
      return DECLARATIONS[operation.name] ?? NOTHING;
    },
  };
  const authorizer = {
    decide: async (...decided: [unknown, AccessConditions, unknown]) => {
      asked.push(decided);
      if (refusal !== undefined) throw refusal;
    },
  };
  return new OperationAccess(
    { of: () => server } as unknown as ResourceServers,
    operations as unknown as OperationDeclarations,
    authorizer as unknown as Authorizer,
    { allowAnonymous: false, ...options } as unknown as ResolvedOptions,
  );
}

const ANONYMOUS = { allowAnonymous: { connect: false, list: false, call: true } };
const operation = (name: string): Operation => ({
  kind: 'tool',
  method: 'tools/call',
  name,
  args: undefined,
  reachesHandler: true,
});
const callBy = (caller: McpAuthInfo | undefined): AuthorizedCall => ({ auth: caller, resource, handler: {} });
const decide = (name: string, options: object = {}, caller: McpAuthInfo | undefined = auth): Promise<string> =>
  access(options).accessTo(callBy(caller), operation(name));

describe('the security schemes of a tool', () => {
  it.each<[string, object, unknown]>([
    ['scoped', {}, [{ type: 'oauth2', scopes: ['base', 'a'] }]],
    ['scoped', ANONYMOUS, [{ type: 'oauth2', scopes: ['base', 'a'] }]],
    ['open', ANONYMOUS, [{ type: 'noauth' }]],
    ['open', {}, [{ type: 'oauth2', scopes: ['base', 'b'] }]],
    ['elsewhere', ANONYMOUS, undefined],
    ['undeclared', {}, undefined],
  ])('%s with %j are %j', (tool, options, schemes) => {
    expect(access(options).securitySchemes(tool, resource)).toEqual(schemes);
    expect(found).toEqual([[operation(tool), 'only']]);
  });
});

describe('whether a list shows an operation', () => {
  it.each<[string, object, string]>([
    ['scoped', {}, 'obtainable'],
    ['scoped', ANONYMOUS, 'obtainable'],
    ['open', ANONYMOUS, 'allowed'],
    ['open', {}, 'obtainable'],
    ['elsewhere', ANONYMOUS, 'denied'],
    ['undeclared', ANONYMOUS, 'obtainable'],
  ])('%s with %j is %s for an anonymous caller', async (name, options, expected) => {
    expect(await access(options).accessTo(callBy(undefined), operation(name))).toBe(expected);
    expect(asked).toEqual([]);
  });

  it('depends on what the operation needs, but not on how the user signed in', async () => {
    expect(await decide('scoped', { authorize })).toBe('allowed');
    const [[caller, conditions, request] = []] = asked;
    expect([caller, request]).toEqual([auth, undefined]);
    expect(conditions).toMatchObject({
      server,
      requirement: { allOf: ['base', 'a'] },
      authentications: [],
      policyChecks: [
        { operation: operation('scoped'), policies: [authorize] },
        { operation: operation('scoped'), policies: [authorize] },
      ],
    });
  });

  it('depends on no scopes if anonymous callers may use it, but still on policies', async () => {
    await decide('open', ANONYMOUS);
    await decide('open');
    await decide('scoped', ANONYMOUS);
    expect(asked.map(([, { requirement }]) => requirement.allOf)).toEqual([[], ['base', 'b'], ['base', 'a']]);
    expect(asked.map(([, { policyChecks }]) => policyChecks.length)).toEqual([1, 1, 1]);
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'allowed'],
    ['access_denied', new McpAuthError('access_denied', 'policy_denied'), 'denied'],
    ['insufficient_scope', McpAuthError.insufficientScope('a'), 'obtainable'],
    ['another error', new Error('access_denied'), 'obtainable'],
    ['what looks like one', { code: 'access_denied' }, 'obtainable'],
  ])('with %s as the refusal is %s', async (_what, thrown, expected) => {
    refusal = thrown;
    expect(await decide('scoped')).toBe(expected);
  });

  it('is never true for an operation of another resource', async () => {
    expect(await decide('elsewhere', ANONYMOUS)).toBe('denied');
    expect(asked).toEqual([]);
  });
});
