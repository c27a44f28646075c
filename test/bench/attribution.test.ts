import { describe, expect, it } from '@jest/globals';

interface Frame {
  readonly name: string;
  readonly url: string;
  readonly line: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly hitCount?: number;
  readonly children?: readonly number[];
}

type Samples = Readonly<Record<string, number>>;

interface FunctionTime {
  readonly name: string;
  readonly self: number;
  readonly total: number;
}

interface Attribution {
  ownerOf(stack: readonly Frame[], library: string): string;
  attribute(
    profile: { readonly nodes: readonly ProfileNode[] },
    library: string,
  ): { samples: Samples; functions: readonly FunctionTime[] };
  sharesOf(
    guarded: { readonly cpu: number; readonly samples: Samples },
    unguarded: { readonly cpu: number; readonly samples: Samples },
  ): Record<string, { readonly percent: number; readonly micros: number }>;
  sumFunctions(
    profiles: readonly {
      readonly cpu: number;
      readonly samples: Samples;
      readonly functions: readonly FunctionTime[];
    }[],
  ): readonly FunctionTime[];
}

const attribution = new URL('../../bench/profile/attribution.js', import.meta.url).href;
const { ownerOf, attribute, sharesOf, sumFunctions } = (await import(attribution)) as Attribution;

const LIBRARY = 'file:///app/dist/';
const MODULES = 'file:///app/node_modules/';

const root = frame('(root)', '');
const canActivate = frame('canActivate', `${LIBRARY}mcp-auth.guard.js`);
const middleware = frame('', `${LIBRARY}well-known.endpoint.js`);
const tokenHash = frame('tokenHash', `${LIBRARY}issuer/token-hash.js`);
const wrappedEnd = frame('response.end', `${LIBRARY}response/response-body.js`);
const hash = frame('hash', 'node:internal/crypto/hash');
const nativeHash = frame('oneShotDigest', '');
const tryActivate = frame('tryActivate', `${MODULES}@nestjs/core/guards/guards-consumer.js`);
const canActivateFn = frame('canActivateFn', `${MODULES}@nestjs/core/router/router-execution-context.js`);
const routeHandler = frame('', `${MODULES}@nestjs/core/router/router-execution-context.js`);
const setHeader = frame('setHeader', 'node:_http_outgoing');
const end = frame('end', 'node:_http_outgoing');
const next = frame('next', `${MODULES}router/index.js`);
const parse = frame('parse', `${MODULES}body-parser/lib/types/json.js`);
const mcpServer = frame('_onrequest', `${MODULES}@modelcontextprotocol/server/dist/index.cjs`);

describe('the owner of a sample', () => {
  it.each([
    ['a function of the library', [canActivate, tryActivate, root], 'library'],
    ['what a function of the library calls', [setHeader, canActivate, root], 'onBehalf'],
    ['hashing that the library calls', [hash, tokenHash, canActivate, root], 'hashing'],
    ['native hashing that the library calls', [nativeHash, hash, tokenHash, root], 'hashing'],
    ['hashing that others call', [nativeHash, hash, mcpServer, root], 'rest'],
    ['what Nest does to call guards', [tryActivate, routeHandler, root], 'onBehalf'],
    ['what Nest does after the guards', [canActivateFn, root], 'onBehalf'],
    ['what Nest does to call the route', [routeHandler, root], 'rest'],
    ['the application behind our middleware', [next, middleware, next, root], 'rest'],
    ['the body parser behind our middleware', [parse, next, middleware, root], 'rest'],
    ['a function of the library behind our middleware', [canActivate, next, middleware, root], 'library'],
    ['a method of Node that we wrap', [end, wrappedEnd, mcpServer, root], 'rest'],
    ['an MCP framework below a function of the library', [setHeader, mcpServer, canActivate, root], 'rest'],
    ['hooks of promises', [frame('promiseInitHook', 'node:internal/async_hooks'), root], 'asyncHooks'],
    ['collecting garbage below a function of the library', [frame('(garbage collector)', ''), canActivate, root], 'gc'],
    ['waiting', [frame('(idle)', ''), root], 'idle'],
    ['native code without a caller', [frame('(program)', ''), root], 'rest'],
  ] as const)('of %s', (_what, stack, owner) => {
    expect(ownerOf(stack, LIBRARY)).toBe(owner);
  });

  it('does not take a package with a folder named dist for the library', () => {
    expect(ownerOf([frame('get', `${MODULES}lru-cache/dist/index.js`), root], LIBRARY)).toBe('rest');
  });
});

describe('the samples of a profile', () => {
  const nodes = [
    node(1, root, 0, [2, 6]),
    node(2, tryActivate, 1, [3]),
    node(3, canActivate, 10, [4]),
    node(4, canActivate, 5, [5]),
    node(5, setHeader, 4, []),
    node(6, middleware, 2, [7]),
    node(7, next, 50, []),
  ];
  const { samples, functions } = attribute({ nodes }, LIBRARY);

  it('are counted once each, for their owner', () => {
    expect(samples).toMatchObject({ library: 17, onBehalf: 5, rest: 50, gc: 0, idle: 0 });
  });

  it('are counted once for a function that calls itself', () => {
    expect(functions).toContainEqual({ name: 'canActivate mcp-auth.guard.js:1', self: 15, total: 19 });
  });

  it('are not counted for a function of the library where it hands on to the application', () => {
    expect(functions).toContainEqual({ name: '(anonymous) well-known.endpoint.js:1', self: 2, total: 2 });
  });
});

describe('the share of the library', () => {
  const none = { library: 0, hashing: 0, onBehalf: 0, asyncHooks: 0, gc: 0, rest: 0, idle: 0 };
  const guarded = {
    cpu: 200,
    samples: { ...none, library: 20, hashing: 5, onBehalf: 5, gc: 20, rest: 150, idle: 999 },
  };
  // Half as long in the profile, since it had half of the time.
  const unguarded = { cpu: 160, samples: { ...none, gc: 5, rest: 75 } };
  const shares = sharesOf(guarded, unguarded);

  it('leaves idle time out', () => {
    expect(shares['library']).toEqual({ percent: 10, micros: 20 });
  });

  it('counts only the garbage beyond that of the unguarded server, at the same amount of other work', () => {
    expect(shares['gc']).toEqual({ percent: 5, micros: 10 });
  });

  it('adds up to all of the busy time', () => {
    expect(shares['together']).toEqual({ percent: 20, micros: 40 });
    expect(shares['rest']).toEqual({ percent: 80, micros: 160 });
  });

  it('gives functions in microseconds a request, over all profiles', () => {
    const functions = [{ name: 'canActivate', self: 10, total: 20 }];
    expect(
      sumFunctions([
        { ...guarded, functions },
        { ...guarded, functions: [] },
      ]),
    ).toEqual([{ name: 'canActivate', self: 5, total: 10 }]);
  });
});

function frame(name: string, url: string): Frame {
  return { name, url, line: 1 };
}

function node(id: number, { name, url }: Frame, hitCount: number, children: readonly number[]): ProfileNode {
  return { id, callFrame: { functionName: name, url, lineNumber: 0 }, hitCount, children };
}
