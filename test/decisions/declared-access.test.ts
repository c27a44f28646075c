import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AccessRequirements } from '../../lib/authorization/access-requirements.js';
import { DeclaredAccess, type DeclaredNeeds } from '../../lib/authorization/declared-access.js';
import { UNDECLARED, type HandlerDeclaration } from '../../lib/handlers/handler-declaration.js';
import type { HandlerExplorer } from '../../lib/handlers/handler-explorer.js';
import type { OperationDeclarations } from '../../lib/handlers/operation-declarations.js';
import type { ResourceServer, ResourceServers } from '../../lib/resource-servers/resource-servers.js';

// What is needed before there is a request, such as the access map shows it.

const OF_ROUTE = (): boolean => true;
const OF_HANDLER = (): boolean => true;
const OF_MODULE = (): boolean => true;

const needed = { allOf: ['needed'], anyOf: [] };
const CONDITIONS = { requirement: needed, authentications: [{ acr: ['gold'] }], needsProof: true };
const route: HandlerDeclaration = { ...UNDECLARED, resourceId: 'files', policies: [OF_ROUTE] };
const declaration: HandlerDeclaration = {
  ...UNDECLARED,
  requirement: { allOf: ['own'], anyOf: [] },
  policies: [OF_HANDLER],
  isDeclared: true,
};

/** What the rules were asked, and what they answer. */
let asked: unknown[][];
let isOpen: boolean;
let ofAnnotations: HandlerDeclaration[];
beforeEach(() => {
  asked = [];
  isOpen = false;
  ofAnnotations = [];
});

function access(baseline: readonly string[] = ['base'], ofModule = [OF_MODULE], found = route): DeclaredAccess {
  const servers = {
    get: (id = 'only') => ({ resource: { id }, baseline: { allOf: baseline, anyOf: [] } }),
  };
  const idOf = (server: ResourceServer): string => server.resource.id;
  const requirements = {
    policiesOfModule: ofModule,
    isOpenTo: (at: HandlerDeclaration, server: ResourceServer, operations: unknown) => {
      asked.push(['open', at, idOf(server), operations]);
      return isOpen;
    },
    ofOperations: (at: HandlerDeclaration, server: ResourceServer, operations: unknown, messages: unknown) => {
      asked.push(['conditions', at, idOf(server), operations, messages]);
      return CONDITIONS;
    },
    routeOf: (_classRef: object, method: object) => (method === OF_ROUTE ? undefined : found),
  };
  return new DeclaredAccess(
    servers as unknown as ResourceServers,
    requirements as unknown as AccessRequirements,
    { declarationOf: () => declaration } as unknown as HandlerExplorer,
    {
      of: (...of: unknown[]) => {
        asked.push(['declarations', ...of]);
        return { all: [{ declaration }], ofAnnotations };
      },
    } as unknown as OperationDeclarations,
  );
}

const NEEDS: DeclaredNeeds = {
  resourceId: 'files',
  isOpen: false,
  requirement: needed,
  authentications: CONDITIONS.authentications as never,
  needsProof: true,
  policies: [OF_ROUTE],
  hasModulePolicy: false,
  hasBaseline: true,
  ofOperation: [],
  hasAnnotationScopes: false,
};
const NONE = { allOf: [], anyOf: [] };

describe('a route', () => {
  it('needs the same of every request', () => {
    expect(access().ofRoute(route, true)).toEqual(NEEDS);
    expect(asked).toEqual([
      ['open', route, 'files', []],
      ['conditions', route, 'files', [], []],
    ]);
    expect(access([]).ofRoute(route, true).hasBaseline).toBe(false);
  });

  it('needs no scopes if it is an endpoint that is open to everybody', () => {
    isOpen = true;
    expect(access().ofRoute(route, true)).toEqual({ ...NEEDS, isOpen: true, requirement: NONE, hasBaseline: false });
    expect(access().ofRoute(route, false)).toEqual(NEEDS);
  });

  it('has conditions unless it is public', () => {
    expect(access().conditionsOfRoute(Object, OF_HANDLER)).toMatchObject({
      server: { resource: { id: 'files' } },
      requirement: { allOf: ['base'], anyOf: [] },
      policyChecks: [],
    });
    expect(access(['base'], [], declaration).conditionsOfRoute(Object, OF_HANDLER)?.requirement.allOf).toEqual([
      'base',
      'own',
    ]);
    expect(access().conditionsOfRoute(Object, OF_ROUTE)).toBeUndefined();
  });
});

describe('an operation', () => {
  const prompt = {
    kind: 'prompt',
    name: 'greet',
    method: 'prompts/get',
    args: undefined,
    reachesHandler: true,
  } as const;

  it('needs what its call needs, and meets the policies of module, handler and route', () => {
    const expected = {
      ...NEEDS,
      resourceId: 'notes',
      policies: [OF_MODULE, OF_HANDLER, OF_ROUTE],
      hasModulePolicy: true,
      ofOperation: [declaration],
    };
    expect(access().ofOperation(route, 'notes', { kind: 'prompt', name: 'greet' })).toEqual(expected);
    expect(asked).toEqual([
      ['conditions', route, 'notes', [prompt], []],
      ['open', route, 'notes', [prompt]],
      ['declarations', prompt, 'notes'],
    ]);
    isOpen = true;
    ofAnnotations = [declaration];
    expect(access(['base'], []).ofOperation(route, 'notes', { kind: 'tool', name: 'erase' })).toEqual({
      ...expected,
      isOpen: true,
      requirement: NONE,
      hasBaseline: false,
      policies: [OF_HANDLER, OF_ROUTE],
      hasModulePolicy: false,
      hasAnnotationScopes: true,
    });
  });

  it('of which nothing is known needs what the route needs, and is never open', () => {
    isOpen = true;
    expect(access().ofUnknownOperation(route, 'notes')).toEqual({
      ...NEEDS,
      resourceId: 'notes',
      policies: [OF_MODULE, OF_ROUTE],
      hasModulePolicy: true,
    });
    expect(asked).toEqual([['conditions', route, 'notes', [], []]]);
  });
});

it('a handler outside HTTP and MCP needs what it declares, and is never open', () => {
  isOpen = true;
  expect(access().ofHandler(Object, OF_HANDLER)).toEqual({
    ...NEEDS,
    resourceId: 'only',
    requirement: { allOf: ['base', 'own'], anyOf: [] },
    authentications: [],
    needsProof: false,
    policies: [OF_MODULE, OF_HANDLER],
    hasModulePolicy: true,
  });
});
