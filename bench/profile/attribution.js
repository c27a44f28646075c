/**
 * Assigns each sample of a CPU profile to the owner of the work. Pure: it reads a profile and measures nothing.
 *
 * The innermost frame with an owner decides. Everything that the library calls belongs to the library, until a frame returns
 * to the application: a controller, an MCP framework, or the method of Node that one of our hooks wraps.
 */

/**
 * @typedef {{ name: string, url: string, line: number }} Frame
 * @typedef {'library' | 'hashing' | 'onBehalf' | 'asyncHooks' | 'gc' | 'rest' | 'idle'} Owner
 * @typedef {{ name: string, self: number, total: number }} FunctionTime samples in the function itself, and in what it calls
 */

/** @type {Owner[]} */
const BUSY_OWNERS = ['library', 'hashing', 'onBehalf', 'asyncHooks', 'gc', 'rest'];

/** Frames that V8 adds to a profile. They have no file. */
const OWNERS_OF_V8_FRAMES = { '(idle)': 'idle', '(garbage collector)': 'gc' };

/** Functions that our middleware, interceptors and wrapped response methods call to continue the work of others. */
const HAND_ON = new Set([
  'next',
  'nextOnce',
  'handle',
  'subscribe',
  'Observable.subscribe',
  'writeHead',
  'write',
  'write_',
  'end',
  'flushHeaders',
  '_storeHeader',
  '_send',
]);

/** Frames of Nest that exist only because there is a guard. */
const NEST_GUARDS = /\/@nestjs\/core\/guards\/guards-consumer\.js$/;
const NEST_GUARDS_OF_HANDLERS = /\/@nestjs\/\w+\/[\w/-]*-context(?:-creator)?\.js$/;

/** Files whose work is not ours, even if our functions call it: the application and the MCP framework. */
const APPLICATION =
  /\/(?:bench\/servers\/|node_modules\/(?:@rekog|@modelcontextprotocol|@hono|express|router|body-parser|fastify|@fastify)\/)/;

const CRYPTO = /^node:(?:internal\/)?crypto\b/;
const NATIVE_CRYPTO = new Set(['oneShotDigest', 'Hash', 'update', 'digest', 'timingSafeEqual']);
const ASYNC_HOOKS = /^node:(?:internal\/)?(?:async_hooks|async_local_storage|async_context_frame)\b/;

/**
 * @param {Frame[]} stack the running frame first, then its callers
 * @param {string} library URL of the folder that the library was built to
 * @returns {Owner}
 */
export function ownerOf(stack, library) {
  const [running] = stack;
  if (running.url === '' && Object.hasOwn(OWNERS_OF_V8_FRAMES, running.name)) return OWNERS_OF_V8_FRAMES[running.name];
  let isHashing = false;
  for (const [index, frame] of stack.entries()) {
    if (frame.url.startsWith(library)) return index === 0 ? 'library' : ownerBelow(stack[index - 1], isHashing);
    if (isForGuards(frame)) return 'onBehalf';
    if (APPLICATION.test(frame.url)) break;
    isHashing ||= isCrypto(frame);
  }
  return ASYNC_HOOKS.test(running.url) ? 'asyncHooks' : 'rest';
}

/** @param {Frame} called the function that the library called */
function ownerBelow(called, isHashing) {
  if (HAND_ON.has(called.name)) return 'rest';
  return isHashing ? 'hashing' : 'onBehalf';
}

function isForGuards({ name, url }) {
  return NEST_GUARDS.test(url) || (name === 'canActivateFn' && NEST_GUARDS_OF_HANDLERS.test(url));
}

function isCrypto({ name, url }) {
  return CRYPTO.test(url) || (url === '' && NATIVE_CRYPTO.has(name));
}

/**
 * Sums the samples of a profile by owner, and by function of the library.
 *
 * @param {{ nodes: readonly ProfileNode[] }} profile as `Profiler.stop` of V8's inspector returns it
 * @param {string} library
 * @returns {{ samples: Record<Owner, number>, functions: FunctionTime[] }}
 *
 * @typedef {object} ProfileNode
 * @property {number} id
 * @property {{ functionName: string, url: string, lineNumber: number }} callFrame
 * @property {number} [hitCount]
 * @property {number[]} [children]
 */
export function attribute({ nodes }, library) {
  const samples = { library: 0, hashing: 0, onBehalf: 0, asyncHooks: 0, gc: 0, rest: 0, idle: 0 };
  /** @type {Map<string, FunctionTime>} */
  const functions = new Map();
  for (const { stack, hits } of stacksOf(nodes)) {
    const owner = ownerOf(stack, library);
    samples[owner] += hits;
    if (owner !== 'rest') addToFunctions(functions, stack, hits, library);
  }
  return { samples, functions: [...functions.values()] };
}

/** @returns {Generator<{ stack: Frame[], hits: number }>} */
function* stacksOf(nodes) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = new Set(nodes.flatMap((node) => node.children ?? []));
  const waiting = nodes.filter(({ id }) => !children.has(id)).map((node) => ({ node, callers: [] }));
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const { callFrame, hitCount = 0, children: below = [] } = one.node;
    const frame = { name: callFrame.functionName, url: callFrame.url, line: callFrame.lineNumber + 1 };
    const stack = [frame, ...one.callers];
    if (hitCount > 0) yield { stack, hits: hitCount };
    waiting.push(...below.map((id) => ({ node: byId.get(id), callers: stack })));
  }
}

/** A function that calls itself counts once for each sample. */
function addToFunctions(functions, stack, hits, library) {
  const seen = new Set();
  for (const [index, frame] of stack.entries()) {
    if (!frame.url.startsWith(library)) continue;
    const name = `${frame.name || '(anonymous)'} ${frame.url.slice(library.length)}:${frame.line}`;
    const times = functions.get(name) ?? { name, self: 0, total: 0 };
    functions.set(name, times);
    if (index === 0) times.self += hits;
    if (!seen.has(name)) times.total += hits;
    seen.add(name);
  }
}

/**
 * The cost of the library for a request, in percent of the server's busy time and in microseconds.
 *
 * Garbage collection and promise hooks have no caller in the library. Their share is the time beyond their part in the
 * unguarded server. Apart from the guard, both servers do the same work, so the samples of that work are the common scale.
 *
 * @typedef {{ cpu: number, samples: Record<Owner, number> }} Profiled `cpu`: microseconds a request
 * @typedef {{ percent: number, micros: number }} Share
 *
 * @param {Profiled} guarded
 * @param {Profiled} unguarded
 * @returns {Record<'library' | 'hashing' | 'onBehalf' | 'asyncHooks' | 'gc' | 'together' | 'rest', Share>}
 */
export function sharesOf({ cpu, samples }, unguarded) {
  const scale = samples.rest / unguarded.samples.rest;
  const parts = {
    library: samples.library,
    hashing: samples.hashing,
    onBehalf: samples.onBehalf,
    asyncHooks: samples.asyncHooks - scale * unguarded.samples.asyncHooks,
    gc: samples.gc - scale * unguarded.samples.gc,
  };
  const busy = busySamples(samples);
  const together = Object.values(parts).reduce((sum, part) => sum + part, 0);
  return Object.fromEntries(
    Object.entries({ ...parts, together, rest: busy - together }).map(([name, part]) => [
      name,
      { percent: (100 * part) / busy, micros: (cpu * part) / busy },
    ]),
  );
}

function busySamples(samples) {
  return BUSY_OWNERS.reduce((sum, owner) => sum + samples[owner], 0);
}

/**
 * Sums the functions of several profiles of one server, in microseconds a request.
 *
 * @param {(Profiled & { functions: FunctionTime[] })[]} profiles
 * @returns {FunctionTime[]}
 */
export function sumFunctions(profiles) {
  /** @type {Map<string, FunctionTime>} */
  const sums = new Map();
  for (const { cpu, samples, functions } of profiles) {
    const micros = cpu / busySamples(samples) / profiles.length;
    for (const { name, self, total } of functions) {
      const sum = sums.get(name) ?? { name, self: 0, total: 0 };
      sums.set(name, { name, self: sum.self + self * micros, total: sum.total + total * micros });
    }
  }
  return [...sums.values()];
}
