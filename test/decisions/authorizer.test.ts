import type { ExecutionContext } from '@nestjs/common';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthInfo } from 'nestjs-mcp-auth';
import type { AccessConditions } from '../../lib/authorization/access-conditions.js';
import type { AccessRequest } from '../../lib/authorization/access-request.js';
import type { AccessRequirements } from '../../lib/authorization/access-requirements.js';
import type { Authenticator } from '../../lib/authorization/authenticator.js';
import { Authorizer } from '../../lib/authorization/authorizer.js';
import type { Policies, Verdict } from '../../lib/authorization/policies.js';
import type { RefusedRequests } from '../../lib/authorization/refused-requests.js';
import { rememberContext } from '../../lib/caller/call-registry.js';
import type { Clock } from '../../lib/core/clock.js';
import { Denial } from '../../lib/core/denial.js';
import { ScopeHierarchy } from '../../lib/core/scopes.js';
import { UNDECLARED, type HandlerDeclaration } from '../../lib/handlers/handler-declaration.js';
import type { HandlerExplorer } from '../../lib/handlers/handler-explorer.js';
import type { OperationDeclarations } from '../../lib/handlers/operation-declarations.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import { noteMcpContext } from '../../lib/request/mcp-origin.js';
import type { Operation } from '../../lib/request/rpc-body.js';
import type { ResourceServer, ResourceServers } from '../../lib/resource-servers/resource-servers.js';

// Who may go on: what is checked of a caller, and in which order.

const NOW = 1_800_000_000;
const handler = (parts: Partial<HandlerDeclaration> = {}): HandlerDeclaration => ({ ...UNDECLARED, ...parts });
const scopes = (...allOf: string[]): Partial<HandlerDeclaration> => ({ requirement: { allOf, anyOf: [] } });
const serverOf = (id: string, ...baseline: string[]): ResourceServer =>
  ({
    resource: { id },
    baseline: { allOf: baseline, anyOf: [] },
    hierarchy: new ScopeHierarchy({ admin: ['a'] }),
  }) as unknown as ResourceServer;
const [notes, files] = [serverOf('notes'), serverOf('files', 'files:base')];

const callerWith = (granted: string, parts: object = {}): McpAuthInfo =>
  ({ scopes: granted.split(' '), claims: {}, proof: undefined, credential: undefined, ...parts }) as McpAuthInfo;
const alice = callerWith('a b');
const conditionsWith = (parts: Partial<AccessConditions> = {}): AccessConditions => ({
  server: notes,
  requirement: { allOf: [], anyOf: [] },
  authentications: [],
  needsProof: false,
  policyChecks: [],
  asksBeforeScopes: false,
  refusal: undefined,
  ...parts,
});
const request = {} as HttpRequest;
const CHECKS = [{ operation: undefined, policies: [() => true] }];

/** What policies were asked, and what they answer. */
let asked: unknown[][];
let answer: () => Verdict;
let declaration: HandlerDeclaration;
let noted: unknown[];
let created: unknown[];
beforeEach(() => {
  asked = [];
  answer = () => ({ scopes: [], denial: undefined });
  declaration = handler();
  noted = [];
  created = [];
});

const OPERATION = { kind: 'tool', name: 'erase' } as Operation;
const OF_ANNOTATIONS = [handler(scopes('of-annotations'))];

interface Setting {
  readonly options?: object;
  readonly servers?: readonly ResourceServer[];
  readonly annotations?: readonly HandlerDeclaration[];
}

function authorizer({ options = {}, servers = [notes], annotations = [] }: Setting = {}): Authorizer {
  const find = (id: string): ResourceServer | undefined => servers.find(({ resource }) => resource.id === id);
  return new Authorizer(
    {
      all: servers,
      first: servers[0],
      get: find,
      of: ({ id }: { id: string }) => find(id),
    } as unknown as ResourceServers,
    { declarationOf: () => declaration } as unknown as HandlerExplorer,
    { ofAnnotations: () => annotations } as unknown as OperationDeclarations,
    {
      ofMcpHandler: (...args: unknown[]) => {
        created.push(args);
        return conditionsWith({ requirement: declaration.requirement });
      },
      ofCreators: (...args: unknown[]) => {
        created.push(args);
        return conditionsWith({ requirement: { allOf: ['created'], anyOf: [] } });
      },
    } as unknown as AccessRequirements,
    { verify: async () => callerWith('a') } as unknown as Authenticator,
    { noteCall: (...args: unknown[]) => noted.push(args) } as unknown as RefusedRequests,
    {
      ask: async (...args: unknown[]) => {
        asked.push(args);
        return answer();
      },
    } as unknown as Policies,
    {
      resources: servers.map(({ resource }) => resource),
      stdio: 'deny',
      allowAnonymous: false,
      clockToleranceSeconds: 5,
      ...options,
    } as unknown as ResolvedOptions,
    { now: () => NOW * 1000 } as Clock,
  );
}

/** The refusal; undefined if the caller may go on. */
const refusal = async (work: () => unknown): Promise<McpAuthError | undefined> => {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof McpAuthError) return error;
    throw error;
  }
};
const decided = (parts: Partial<AccessConditions>, caller = alice): Promise<McpAuthError | undefined> =>
  refusal(() => authorizer().decide(caller, conditionsWith(parts), request));
const needing = (...allOf: string[]): Partial<AccessConditions> => ({ requirement: { allOf, anyOf: [] } });

describe('a caller', () => {
  it('who has what is needed goes on at once', () => {
    expect(authorizer().decide(alice, conditionsWith(needing('a', 'b')), request)).toBeUndefined();
    expect(authorizer().decide(callerWith('admin'), conditionsWith(needing('a')), request)).toBeUndefined();
  });

  it('who lacks scopes is told all of them, and which are missing', async () => {
    expect(await decided(needing('a', 'c', 'd'))).toMatchObject({
      code: 'insufficient_scope',
      reason: 'scope_missing',
      scopes: ['a', 'c', 'd'],
      missingScopes: ['c', 'd'],
    });
    const implied = await decided(needing('a', 'c'), callerWith('admin'));
    expect(implied?.missingScopes).toEqual(['c']);
    const requirement = { allOf: ['c'], anyOf: [['x', 'b']] };
    expect((await decided({ requirement }))?.scopes).toEqual(['c', 'b']);
  });

  it('is refused for what no token gives before anything is asked', async () => {
    const error = await decided({
      ...needing('c'),
      refusal: 'resource_mismatch',
      needsProof: true,
      policyChecks: CHECKS,
    });
    expect([error?.code, error?.reason, asked]).toEqual(['access_denied', 'resource_mismatch', []]);
  });

  it.each<[what: string, caller: McpAuthInfo, code: string | undefined]>([
    ['token without a proof needs another token', alice, 'invalid_token'],
    ['credential has no token to renew', callerWith('a b', { credential: 'api-key' }), 'authorization_required'],
    ['token with its proof goes on', callerWith('a b', { proof: { method: 'dpop' } }), undefined],
  ])('whose %s, where a proof is needed', async (_what, caller, code) => {
    const error = await decided({ ...needing('a'), needsProof: true, policyChecks: [] }, caller);
    expect(error?.code).toBe(code);
    if (code !== undefined) expect(error?.reason).toBe('proof_required');
    expect(await decided({ ...needing('a'), needsProof: false }, caller)).toBeUndefined();
  });

  const recent = { acr: [], maxAgeSeconds: 60 };
  const strong = { acr: ['gold'], maxAgeSeconds: undefined };
  it.each<[when: string, claims: object, isRefused: boolean]>([
    ['just now', { auth_time: NOW, acr: 'gold' }, false],
    ['as long ago as the clocks may differ', { auth_time: NOW - 65, acr: 'gold' }, false],
    ['longer ago', { auth_time: NOW - 66, acr: 'gold' }, true],
    ['recently, but not strongly enough', { auth_time: NOW, acr: 'silver' }, true],
    ['strongly, but at an unknown time', { acr: 'gold' }, true],
  ])('who signed in %s', async (_when, claims, isRefused) => {
    const error = await decided({ ...needing('a'), authentications: [recent, strong] }, callerWith('a', { claims }));
    expect(error?.code).toBe(isRefused ? 'insufficient_user_authentication' : undefined);
    if (!isRefused) return;
    expect(error).toMatchObject({
      reason: 'authentication_insufficient',
      scopes: ['a'],
      authentication: { acr: ['gold'], maxAgeSeconds: 60 },
    });
  });

  it('who has signed in as needed is still told which scopes are missing', async () => {
    const authentications = [recent];
    const claims = { auth_time: NOW };
    expect((await decided({ ...needing('c'), authentications }, callerWith('a', { claims })))?.code).toBe(
      'insufficient_scope',
    );
  });
});

describe('policies', () => {
  it('are asked about the caller, the resource, the checks and the request', async () => {
    expect(await decided({ ...needing('a'), policyChecks: CHECKS })).toBeUndefined();
    expect(asked).toEqual([[alice, 'notes', CHECKS, request]]);
  });

  it('are asked only about callers who have all scopes, unless one challenge shall name all', async () => {
    answer = () => ({ scopes: ['of-policy'], denial: undefined });
    const before = await decided({ ...needing('c'), policyChecks: CHECKS });
    expect([before?.scopes, asked.length]).toEqual([['c'], 0]);
    const after = await decided({ ...needing('c'), policyChecks: CHECKS, asksBeforeScopes: true });
    expect([after?.code, after?.scopes, asked.length]).toEqual(['insufficient_scope', ['c', 'of-policy'], 1]);
  });

  it('are asked about a caller with all scopes, for whom they may need more', async () => {
    answer = () => ({ scopes: ['of-policy'], denial: undefined });
    expect(await decided({ ...needing('a'), policyChecks: CHECKS })).toMatchObject({
      code: 'insufficient_scope',
      scopes: ['a', 'of-policy'],
      missingScopes: ['of-policy'],
    });
    const granted = callerWith('a of-policy');
    expect(await decided({ ...needing('a'), policyChecks: CHECKS }, granted)).toBeUndefined();
  });

  it('deny after all scopes are there, with what the client may know', async () => {
    answer = () => ({ scopes: [], denial: new Denial({ reason: 'why', message: 'Ask your manager.' }) });
    const error = await decided({ policyChecks: CHECKS });
    expect(error).toMatchObject({ code: 'access_denied', reason: 'policy_denied', clientMessage: 'Ask your manager.' });
    expect(error?.seen).toEqual({ reason: '"why"' });
    answer = () => ({ scopes: ['of-policy'], denial: new Denial({}) });
    expect((await decided({ policyChecks: CHECKS }))?.code).toBe('insufficient_scope');
    answer = () => ({ scopes: [], denial: new Denial({}) });
    expect((await decided({ policyChecks: CHECKS }))?.seen).toEqual({});
  });

  it('that fail refuse the caller with their error, or with the scopes that are missing anyway', async () => {
    const broken = new Error('the database is down');
    answer = () => {
      throw broken;
    };
    await expect(decided({ policyChecks: CHECKS })).rejects.toBe(broken);
    const missing = await decided({ ...needing('c'), policyChecks: CHECKS, asksBeforeScopes: true });
    expect([missing?.code, missing?.scopes]).toEqual(['insufficient_scope', ['c']]);
  });

  it('are not asked where the scopes cannot even be checked', async () => {
    const hierarchy = {
      holds: () => {
        throw new TypeError('broken');
      },
    };
    const server = { ...notes, hierarchy } as unknown as ResourceServer;
    await expect(decided({ ...needing('a'), server, policyChecks: CHECKS, asksBeforeScopes: true })).rejects.toThrow(
      'broken',
    );
    expect(asked).toEqual([]);
  });
});

describe('a request', () => {
  const accessOf = (caller: McpAuthInfo | undefined): AccessRequest =>
    ({ caller, server: notes, conditions: conditionsWith({ ...needing('c'), policyChecks: [] }) }) as AccessRequest;

  it('is decided by its own conditions, unless it needs no caller', async () => {
    expect((await refusal(() => authorizer().authorize(accessOf(alice), request)))?.scopes).toEqual(['c']);
    expect(await refusal(() => authorizer().authorize(accessOf(undefined), request))).toBeUndefined();
  });

  it('for a task is decided by the operations that created it', async () => {
    const error = await refusal(() => authorizer().authorizeCreated([OPERATION], accessOf(alice), request));
    expect([error?.scopes, created]).toEqual([['created'], [[[OPERATION], notes]]]);
    expect(await refusal(() => authorizer().authorizeCreated([], accessOf(alice), request))).toBeUndefined();
    expect(
      await refusal(() => authorizer().authorizeCreated([OPERATION], accessOf(undefined), request)),
    ).toBeUndefined();
    expect(created).toHaveLength(1);
  });
});

/** A call that reached a handler; with `auth`, its caller was let in before at this resource. */
function contextOf(origin: 'stdio' | 'http', call?: { auth?: McpAuthInfo; at?: ResourceServer }): ExecutionContext {
  const rpcContext = {};
  const context = {
    getType: () => 'rpc',
    getClass: () => Object,
    getHandler: () => contextOf,
    switchToRpc: () => ({ getContext: () => rpcContext }),
  } as unknown as ExecutionContext;
  noteMcpContext(context, { isStdio: origin === 'stdio' });
  if (call) rememberContext(rpcContext, { auth: call.auth, resource: (call.at ?? notes).resource, handler: contextOf });
  return context;
}

const ANONYMOUS_CALLS = { allowAnonymous: { connect: false, list: false, call: true } };
const ANONYMOUS_LISTS = { allowAnonymous: { connect: true, list: true, call: false } };
const atHandler = (context: ExecutionContext, setting: Setting = {}): Promise<McpAuthError | undefined> =>
  refusal(() => authorizer(setting).authorizeHandler(context));

describe('a handler that a caller reaches over HTTP', () => {
  it('decides by what it declares itself', async () => {
    declaration = handler(scopes('a'));
    const context = contextOf('http', { auth: alice });
    expect(await atHandler(context)).toBeUndefined();
    expect(created).toMatchObject([[context, declaration, { auth: alice, resource: notes.resource }, false]]);
    declaration = handler(scopes('c'));
    expect((await atHandler(contextOf('http', { auth: alice })))?.scopes).toEqual(['c']);
  });

  it.each<[is: boolean, options: object, isPublic: boolean]>([
    [true, ANONYMOUS_CALLS, true],
    [false, ANONYMOUS_CALLS, false],
    [false, ANONYMOUS_LISTS, true],
    [false, {}, true],
  ])('is open (%s) with %j if it is public (%s)', async (isOpen, options, isPublic) => {
    declaration = handler({ isPublic });
    await atHandler(contextOf('http', { auth: alice }), { options });
    expect((created as unknown[][])[0]?.[3]).toBe(isOpen);
    const error = await atHandler(contextOf('http', {}), { options });
    expect(error?.reason).toBe(isOpen ? undefined : 'handler_unauthenticated');
    expect(error?.code).toBe(isOpen ? undefined : 'authorization_required');
  });

  it('refuses callers of another resource than its own', async () => {
    const servers = [notes, files];
    declaration = handler({ resourceId: 'files' });
    const error = await atHandler(contextOf('http', { auth: alice }), { servers });
    expect([error?.code, error?.reason, created]).toEqual(['access_denied', 'resource_mismatch', []]);
    expect(await atHandler(contextOf('http', { auth: alice, at: files }), { servers })).toBeUndefined();
  });

  it('names what it needs at this resource to a caller without a token', async () => {
    declaration = handler(scopes('a'));
    const setting = { servers: [notes, files], annotations: OF_ANNOTATIONS };
    const error = await atHandler(contextOf('http', { at: files }), setting);
    expect(error?.scopes).toEqual(['files:base', 'a', 'of-annotations']);
    expect(noted).toEqual([[{}, files.resource, error?.scopes]]);
  });

  it('refuses a call that nobody let in', async () => {
    for (const stdio of ['deny', 'trust'])
      expect((await atHandler(contextOf('http'), { options: { stdio } }))?.reason).toBe('handler_unauthenticated');
  });
});

describe('a handler that is reached over stdio', () => {
  it.each<[what: string, isRun: boolean, HandlerDeclaration, setting?: Setting]>([
    ['nothing', true, handler()],
    ['a scope', false, handler(scopes('a'))],
    ['a proof', false, handler({ needsProof: true })],
    ['a policy of the module', false, handler(), { options: { authorize: () => true } }],
    ['what its annotations say', false, handler(), { annotations: OF_ANNOTATIONS }],
    ['the scopes of every resource', false, handler(), { servers: [files] }],
    ['the scopes of one of the resources', false, handler(), { servers: [notes, files] }],
    ['the scopes of its resource', false, handler({ resourceId: 'files' }), { servers: [notes, files] }],
    ['no scopes of another resource', true, handler({ resourceId: 'notes' }), { servers: [files, notes] }],
  ])('and needs %s, runs without a token: %s', async (_what, isRun, declares, setting = {}) => {
    declaration = declares;
    const error = await atHandler(contextOf('stdio'), setting);
    expect(error?.reason).toBe(isRun ? undefined : 'handler_unauthenticated');
    // Whoever started the process is trusted only if the options say so.
    const options = { ...setting.options, stdio: 'trust' };
    expect(await atHandler(contextOf('stdio'), { ...setting, options })).toBeUndefined();
  });

  it('names what it needs at its resource, or else at the first', async () => {
    const servers = [notes, files];
    declaration = handler({ ...scopes('a'), resourceId: 'files' });
    expect((await atHandler(contextOf('stdio'), { servers }))?.scopes).toEqual(['files:base', 'a']);
    declaration = handler(scopes('a'));
    expect((await atHandler(contextOf('stdio'), { servers }))?.scopes).toEqual(['a']);
    expect(noted).toEqual([
      [{}, files.resource, ['files:base', 'a']],
      [{}, notes.resource, ['a']],
    ]);
  });

  it('decides about the caller whose token is in the environment', async () => {
    const tokenEnv = 'NESTJS_MCP_AUTH_TEST_TOKEN';
    const options = { stdio: { tokenEnv } };
    try {
      process.env[tokenEnv] = 'of a caller with the scope a';
      declaration = handler(scopes('a'));
      expect(await atHandler(contextOf('stdio'), { options })).toBeUndefined();
      declaration = handler(scopes('c'));
      expect((await atHandler(contextOf('stdio'), { options }))?.code).toBe('insufficient_scope');
      // The token is that of the first resource.
      declaration = handler({ resourceId: 'files' });
      const error = await atHandler(contextOf('stdio'), { options, servers: [notes, files] });
      expect(error?.reason).toBe('resource_mismatch');
      declaration = handler();
      delete process.env[tokenEnv];
      expect((await atHandler(contextOf('stdio'), { options }))?.code).toBe('authorization_required');
    } finally {
      delete process.env[tokenEnv];
    }
  });

  it('that needs nothing still runs only for a caller where the options name a token', async () => {
    const options = { stdio: { tokenEnv: 'NESTJS_MCP_AUTH_TEST_NO_TOKEN' } };
    expect((await atHandler(contextOf('stdio'), { options }))?.reason).toBe('handler_unauthenticated');
  });
});
