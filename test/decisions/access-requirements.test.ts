import type { ExecutionContext } from '@nestjs/common';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { conditionsOf } from '../../lib/authorization/access-conditions.js';
import { AccessRequest } from '../../lib/authorization/access-request.js';
import { AccessRequirements } from '../../lib/authorization/access-requirements.js';
import type { RequestedResource } from '../../lib/authorization/requested-resource.js';
import type { AuthorizedCall } from '../../lib/caller/authorized-call.js';
import { ScopeHierarchy } from '../../lib/core/scopes.js';
import type { Declarations, Declared } from '../../lib/handlers/declarations-at-resource.js';
import { UNDECLARED, type HandlerDeclaration } from '../../lib/handlers/handler-declaration.js';
import type { HandlerExplorer } from '../../lib/handlers/handler-explorer.js';
import type { OperationDeclarations } from '../../lib/handlers/operation-declarations.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import { readRpcBody, type Operation } from '../../lib/request/rpc-body.js';
import type { ResourceServer, ResourceServers } from '../../lib/resource-servers/resource-servers.js';

// What requests, calls and operations need, before anybody asks who the caller is.

const POLICY = (): boolean => true;
const OF_MODULE = (): boolean => true;
const EVERYTHING = { connect: true, list: true, call: true };

const handler = (parts: Partial<HandlerDeclaration> = {}): HandlerDeclaration => ({ ...UNDECLARED, ...parts });
const scopes = (...allOf: string[]): Partial<HandlerDeclaration> => ({ requirement: { allOf, anyOf: [] } });
const serverOf = (id: string, tenant?: object): ResourceServer =>
  ({
    resource: { id, identifier: { path: '/mcp' }, tenant },
    baseline: { allOf: [id], anyOf: [] },
    hierarchy: new ScopeHierarchy({}),
  }) as unknown as ResourceServer;

const notes = serverOf('notes');
const files = serverOf('files');
const declared = (name: string, declaration: HandlerDeclaration, parts: Partial<Declared> = {}): Declarations => ({
  all: [{ kind: 'tool', name, declaration, policyArguments: 'as-sent', ...parts }],
  ofAnnotations: [],
  isElsewhere: false,
});
const NOTHING: Declarations = { all: [], ofAnnotations: [], isElsewhere: false };
const asked: Declared = {
  kind: 'tool',
  name: 'asked',
  declaration: handler({ policies: [POLICY] }),
  policyArguments: 'as-sent',
};
const DECLARED: Readonly<Record<string, Declarations>> = {
  scoped: { ...declared('scoped', handler(scopes('a'))), ofAnnotations: [handler(scopes('of-annotations'))] },
  other: declared('other', handler(scopes('b'))),
  open: declared('open', handler({ isPublic: true })),
  both: { ...NOTHING, all: [handler(), asked.declaration].map((one) => ({ ...asked, declaration: one })) },
  asked: { ...NOTHING, all: [asked] },
  unknown: { ...NOTHING, all: [{ ...asked, policyArguments: 'unknown' }] },
  elsewhere: { ...NOTHING, isElsewhere: true },
  'file://a': declared('file://a', handler(), { kind: 'resource' }),
};

const operation = (name: string, parts: Partial<Operation> = {}): Operation => ({
  kind: 'tool',
  method: 'tools/call',
  name,
  args: { x: 1 },
  reachesHandler: true,
  ...parts,
});
const call = (name: string): object => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: { x: 1 } },
});
const request = (body?: unknown, parts: object = {}): HttpRequest =>
  ({ method: 'POST', url: '/mcp', body, ...parts }) as HttpRequest;

class Handlers {
  run(): void {}
}
const method = Handlers.prototype.run;

/** What the class or method declares, and the operation that it serves. */
let declaration: HandlerDeclaration;
let served: { kind: 'tool' | 'prompt'; name: string } | undefined;
let ofAnnotations: HandlerDeclaration[];
beforeEach(() => {
  declaration = handler();
  served = { kind: 'tool', name: 'served' };
  ofAnnotations = [];
});

function requirements(options: object = {}): AccessRequirements {
  const servers = { get: (id = 'notes') => ({ notes, files })[id], of: () => notes };
  const requested = {
    serverFor: (_request: HttpRequest, id: string | undefined) => (id === undefined ? files : notes),
    declaredAs: (id: string) => ({ id }),
  };
  const explorer = {
    declarationOf: (classRef: object, found: object) =>
      classRef === Handlers && found === method ? declaration : undefined,
    operationOf: () => served,
  };
  const operations = { of: ({ name }: Operation) => DECLARED[name] ?? NOTHING, ofAnnotations: () => ofAnnotations };
  return new AccessRequirements(
    servers as unknown as ResourceServers,
    requested as unknown as RequestedResource,
    explorer as unknown as HandlerExplorer,
    operations as unknown as OperationDeclarations,
    { allowAnonymous: false, ...options } as unknown as ResolvedOptions,
  );
}

const accessTo = (body: unknown, options: object = {}, route = handler(), parts: object = {}): AccessRequest => {
  const access = requirements(options).ofRequest(request(body, parts), route, method);
  if (access instanceof Promise) throw new Error('it is known at once which resource this is');
  return access;
};

describe('a request to a route', () => {
  it('is for the resource that the route declares, and has the operations of its body', () => {
    const access = accessTo(call('scoped'), {}, handler({ resourceId: 'notes' }));
    expect([access.server, access.handler]).toEqual([notes, method]);
    expect(access.body.operations).toEqual([operation('scoped')]);
    expect(accessTo(undefined).server).toBe(files);
  });

  it('waits for a tenant', async () => {
    const found = requirements();
    Object.assign(found, { requested: { serverFor: () => Promise.resolve(notes) } });
    const access = found.ofRequest(request(), handler(), method);
    expect(access).toBeInstanceOf(Promise);
    expect((await access).server).toBe(notes);
  });

  it('needs what the resource, the route and the operation need', () => {
    const { conditions } = accessTo(call('scoped'), {}, handler(scopes('route')));
    expect(conditions.requirement.allOf).toEqual(['files', 'route', 'a', 'of-annotations']);
    expect(conditions).toMatchObject({ policyChecks: [], asksBeforeScopes: false, refusal: undefined });
  });

  it('is asked about once', () => {
    const access = accessTo([call('scoped'), call('other')]);
    expect(access.conditions).toBe(access.conditions);
  });

  it('without a known resource is answered by what its route declares', () => {
    const refused = requirements().refusedAt(request(call('scoped')), handler({ resourceId: 'notes' }));
    expect(refused).toEqual({
      resource: { id: 'notes' },
      scopes: [],
      body: readRpcBody(call('scoped')),
      caller: undefined,
      scheme: 'Bearer',
    });
  });

  it('begins with no caller, whose token came as Bearer', () => {
    const { caller, scheme, startedAt } = accessTo(undefined);
    expect({ caller, scheme, startedAt }).toEqual({ caller: undefined, scheme: 'Bearer', startedAt: undefined });
  });

  it('meets the policy that the options name', () => {
    expect(requirements({ authorize: OF_MODULE }).policiesOfModule).toEqual([OF_MODULE]);
    expect(requirements().policiesOfModule).toHaveLength(0);
  });

  it('to a public route needs nothing', () => {
    expect(requirements().routeOf(Handlers, method)).toBe(declaration);
    declaration = handler({ isPublic: true });
    expect(requirements().routeOf(Handlers, method)).toBeUndefined();
  });
});

describe('the scopes of a challenge', () => {
  it('are those of the first 20 operations', () => {
    const named = (count: number): object[] => [...Array<string>(count).fill('other'), 'scoped'].map(call);
    expect(accessTo(named(19)).scopes).toEqual(['files', 'b', 'a', 'of-annotations']);
    expect(accessTo(named(20)).scopes).toEqual(['files', 'b']);
  });

  it('are read of up to 20 operations only once, together with what the request needs', () => {
    for (const [count, reads] of [
      [20, 1],
      [21, 2],
    ] as const) {
      const body = readRpcBody(Array(count).fill(call('other')));
      const lengths: number[] = [];
      const access = new AccessRequest(method, notes, body, {
        isOpen: () => false,
        conditions: (operations) => {
          lengths.push(operations.length);
          return conditionsOf(notes, [], []);
        },
      });
      expect([access.scopes, access.conditions.server]).toEqual([['notes'], notes]);
      expect(lengths).toHaveLength(reads);
      expect(lengths[0]).toBe(20);
    }
  });

  it('are none where no token is needed', () => {
    expect(accessTo(call('open'), { allowAnonymous: EVERYTHING }).scopes).toEqual([]);
    expect(accessTo(call('open')).scopes).toEqual(['files']);
  });
});

describe('a caller without a token may send', () => {
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  it.each<[may: boolean, what: string, body: unknown, options?: object, route?: HandlerDeclaration, parts?: object]>([
    [true, 'a call of a public tool', call('open')],
    [true, 'a list', list],
    [true, '20 calls of public tools', Array(20).fill(call('open'))],
    [false, '21 calls of public tools', Array(21).fill(call('open'))],
    [false, 'more than is read', Array.from({ length: 101 }, () => list)],
    [false, 'a call of another tool', call('scoped')],
    [false, 'a call of another tool beside one of a public tool', [call('open'), call('scoped')]],
    [false, 'a call that nobody declares', call('no-such-tool')],
    [false, 'a message that nobody knows', { jsonrpc: '2.0', id: 1, method: 'foo/bar' }],
    [false, 'anything, where that is not allowed', call('open'), { allowAnonymous: false }],
    [false, 'a call, where only lists are allowed', call('open'), { allowAnonymous: { ...EVERYTHING, call: false } }],
    [
      true,
      'a list, where no calls are allowed',
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { allowAnonymous: { ...EVERYTHING, call: false } },
    ],
    [false, 'a call to a route with scopes', call('open'), {}, handler(scopes('route'))],
    [false, 'a call to another path', call('open'), {}, handler(), { url: '/other' }],
  ])('%s: %s', (may, _what, body, options = {}, route = handler(), parts = {}) => {
    expect(accessTo(body, { allowAnonymous: EVERYTHING, ...options }, route, parts).isOpen).toBe(may);
  });

  it('only what is public to operations at the route, whatever the request', () => {
    const found = requirements({ allowAnonymous: EVERYTHING });
    expect(found.isOpenTo(handler(), notes, [operation('open')])).toBe(true);
    expect(found.isOpenTo(handler(), notes, [operation('open'), operation('other')])).toBe(false);
    expect(found.isOpenTo(handler(scopes('route')), notes, [])).toBe(false);
    expect(requirements().isOpenTo(handler(), notes, [])).toBe(false);
    const lists = requirements({ allowAnonymous: { ...EVERYTHING, call: false } });
    expect(lists.isOpenTo(handler(), notes, [])).toBe(true);
    expect(lists.isOpenTo(handler(), notes, [operation('open')])).toBe(false);
  });
});

describe('what an operation needs at a route', () => {
  const route = handler(scopes('route'));

  it('is computed once for each route, operation and resource', () => {
    const found = requirements();
    const at = (server: ResourceServer, name?: string, of = route): object =>
      found.ofOperations(of, server, name === undefined ? [] : [operation(name)], []);
    const routes = [route, handler()];
    const [ofNotes, ofTenant, ofOther] = [notes, serverOf('tenant', {}), serverOf('another', {})];
    const all = [ofNotes, ofTenant, ofOther].flatMap((server) =>
      routes.flatMap((of) => [undefined, 'scoped', 'other'].map((name) => () => at(server, name, of))),
    );
    const first = all.map((compute) => compute());
    expect(new Set(first).size).toBe(all.length);
    for (const [index, compute] of all.entries()) expect(compute()).toBe(first[index]);
  });

  it('is not the same for every URI, since a policy may hear of its variables', () => {
    const found = requirements();
    const resource = operation('scoped', { kind: 'resource' });
    const conditions = found.ofOperations(route, notes, [resource], []);
    expect(conditions).toMatchObject({ asksBeforeScopes: true, refusal: undefined, policyChecks: [] });
    expect(conditions.requirement.allOf).toEqual(['notes', 'route', 'a', 'of-annotations']);
    expect(found.ofOperations(route, notes, [resource], [])).not.toBe(conditions);
  });

  it('is of all operations together, which name missing scopes before a policy is asked', () => {
    const both = [operation('scoped'), operation('other')];
    const conditions = requirements().ofOperations(route, notes, both, []);
    expect(conditions.requirement.allOf).toEqual(['notes', 'route', 'a', 'of-annotations', 'b']);
    expect(conditions.asksBeforeScopes).toBe(false);
  });

  it.each<[what: string, options: object, route: HandlerDeclaration, names: string[], policies: unknown[]]>([
    ['of nobody', {}, handler(), ['scoped'], []],
    ['of the operation', {}, handler(), ['asked'], [[operation('asked'), POLICY]]],
    ['of the route', {}, handler({ policies: [POLICY] }), ['scoped'], [[undefined, POLICY]]],
    ['of the route without any operation', {}, handler({ policies: [POLICY] }), [], [[undefined, POLICY]]],
    ['of the module', { authorize: OF_MODULE }, handler(), ['scoped'], [[operation('scoped'), OF_MODULE]]],
    [
      'of the module, of a request without operations',
      { authorize: OF_MODULE },
      handler(),
      [],
      [[undefined, OF_MODULE]],
    ],
    [
      'of all in their order',
      { authorize: OF_MODULE },
      handler({ policies: [POLICY] }),
      ['asked'],
      [
        [undefined, POLICY],
        [operation('asked'), OF_MODULE],
        [operation('asked'), POLICY],
      ],
    ],
  ])('asks the policies %s', (_what, options, of, names, policies) => {
    const { messages } = readRpcBody(names.map(call));
    const conditions = requirements(options).ofOperations(
      of,
      notes,
      names.map((name) => operation(name)),
      messages,
    );
    expect(conditions.policyChecks.map((check) => [check.operation, ...check.policies])).toEqual(policies);
  });

  it('is more than any token gives if the operation belongs elsewhere', () => {
    const refusalOf = (name: string, parts: Partial<Operation> = {}): unknown =>
      requirements().ofOperations(route, notes, [operation(name, parts)], []).refusal;
    expect(refusalOf('elsewhere')).toBe('resource_mismatch');
    expect(refusalOf('unknown', { reachesHandler: false })).toBe('policy_not_asked');
    expect(refusalOf('unknown')).toBeUndefined();
  });
});

describe('a handler that is about to run', () => {
  const context = { getHandler: () => method, switchToRpc: () => ({ getData: () => ({ validated: 1 }) }) };
  const at = (options: object, isOpen = false): ReturnType<AccessRequirements['ofMcpHandler']> =>
    requirements(options).ofMcpHandler(
      context as unknown as ExecutionContext,
      declaration,
      { resource: notes.resource } as AuthorizedCall,
      isOpen,
    );

  it('needs what it declares, and what its annotations need', () => {
    declaration = handler(scopes('a'));
    ofAnnotations = [handler(scopes('of-annotations'))];
    for (const options of [{}, { authorize: OF_MODULE }])
      expect(at(options).requirement.allOf).toEqual(['notes', 'a', 'of-annotations']);
  });

  it('is asked about no policy if there is none, and then always needs the same', () => {
    const found = requirements();
    const needs = (): object =>
      found.ofMcpHandler(
        context as unknown as ExecutionContext,
        declaration,
        { resource: notes.resource } as AuthorizedCall,
        false,
      );
    expect(needs()).toMatchObject({ policyChecks: [], asksBeforeScopes: false });
    expect(needs()).toBe(needs());
  });

  it.each<[string, object, HandlerDeclaration, unknown[]]>([
    ['the module', { authorize: OF_MODULE }, handler(), [OF_MODULE]],
    ['the handler', {}, handler({ policies: [POLICY] }), [POLICY]],
    ['both', { authorize: OF_MODULE }, handler({ policies: [POLICY] }), [OF_MODULE, POLICY]],
  ])(
    'is told to the policies of %s with the arguments that it gets, even if scopes are missing',
    (_of, options, of, policies) => {
      declaration = of;
      const about = {
        kind: 'tool',
        method: 'tools/call',
        name: 'served',
        args: { validated: 1 },
        reachesHandler: true,
      };
      expect(at(options)).toMatchObject({ asksBeforeScopes: true, refusal: undefined });
      expect(at(options).policyChecks).toEqual([{ operation: about, policies }]);
      served = { kind: 'prompt', name: 'served' };
      const [check] = at(options).policyChecks;
      expect(check?.operation).toEqual({ ...about, kind: 'prompt', method: 'prompts/get' });
      served = undefined;
      expect(at(options).policyChecks).toEqual([{ operation: undefined, policies }]);
    },
  );

  it('needs no scopes for a public operation, but is still told to policies', () => {
    declaration = handler({ isPublic: true });
    expect(at({ authorize: OF_MODULE }, true)).toMatchObject({
      requirement: { allOf: [], anyOf: [] },
      policyChecks: [{ policies: [OF_MODULE] }],
    });
    expect(at({}, true)).toMatchObject({ requirement: { allOf: [], anyOf: [] }, policyChecks: [] });
  });
});

describe('a handler outside HTTP and MCP', () => {
  it.each<[string, HttpRequest | undefined, string | undefined, ResourceServer]>([
    ['of the request behind it', request(), undefined, files],
    ['that it declares, if there is no request', undefined, 'files', files],
    ['that is the only one', undefined, undefined, notes],
  ])('belongs to the resource %s, and needs what it declares', async (_what, behind, resourceId, server) => {
    declaration = handler({ ...scopes('a'), resourceId });
    const access = await requirements({ allowAnonymous: EVERYTHING }).ofHandler(Handlers, method, { x: 1 }, behind);
    expect([access.server, access.handler]).toEqual([server, method]);
    expect([access.isOpen, access.body]).toEqual([false, readRpcBody(undefined)]);
    expect(access.conditions.requirement.allOf).toEqual([server.resource.id, 'a']);
    expect(access.conditions.policyChecks).toEqual([]);
  });

  it('is told to policies with its arguments', async () => {
    declaration = handler({ policies: [POLICY] });
    const access = await requirements({ authorize: OF_MODULE }).ofHandler(Handlers, method, { x: 1 }, undefined);
    expect(access.conditions.policyChecks).toEqual([
      { operation: undefined, policies: [OF_MODULE, POLICY], args: { x: 1 } },
    ]);
  });
});

describe('the operation that created a task', () => {
  it('is decided again by all policies, since its handler does not run again', () => {
    const found = requirements({ authorize: OF_MODULE });
    const conditions = found.ofCreators([operation('scoped'), operation('asked')], notes);
    expect(conditions.requirement.allOf).toEqual(['notes', 'a', 'of-annotations']);
    expect(conditions.refusal).toBeUndefined();
    const again = operation('asked', { reachesHandler: false });
    expect(conditions.policyChecks).toEqual([
      { operation: operation('scoped', { reachesHandler: false }), policies: [OF_MODULE] },
      { operation: again, policies: [OF_MODULE] },
      { operation: again, policies: [POLICY] },
    ]);
    expect(requirements().ofCreators([operation('unknown')], notes).refusal).toBe('policy_not_asked');
  });

  it('is remembered with its arguments only for policies', () => {
    const remembered = (name: string, options: object = {}): unknown =>
      requirements(options).memorable(operation(name), 'notes').args;
    for (const name of ['scoped', 'no-such-tool']) expect(remembered(name)).toBeUndefined();
    for (const name of ['asked', 'both']) expect(remembered(name)).toEqual({ x: 1 });
    expect(remembered('scoped', { authorize: OF_MODULE })).toEqual({ x: 1 });
    expect(requirements().memorable(operation('scoped'), 'notes')).toMatchObject({
      name: 'scoped',
      method: 'tools/call',
    });
  });
});

describe('an operation is declared', () => {
  it.each<[is: boolean, what: string, Operation]>([
    [true, 'a tool by its name', operation('scoped')],
    [false, 'a tool of which nobody says anything', operation('no-such-tool')],
    [false, 'a prompt with the name of a tool', operation('scoped', { kind: 'prompt' })],
    [false, 'a tool that another name stands for', operation('unknown')],
    [false, 'a URI, which has many spellings', operation('file://a', { kind: 'resource' })],
  ])('%s: %s', (is, _what, one) => {
    expect(requirements().isDeclared(one, 'notes')).toBe(is);
  });
});
