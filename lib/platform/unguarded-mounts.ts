import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { McpAuthConfigError } from '../core/error.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { httpAdapterOf } from './http-adapter.js';
import { ResolvedOptions } from '../options/options.js';
import { logger } from '../observability/logger.js';

/** What is read of an Express application, and of the routers in it. */
interface ExpressLike {
  readonly router?: { readonly stack?: readonly ExpressLayer[] };
}

interface ExpressLayer {
  readonly route?: ExpressRoute;
  readonly handle?: unknown;
}

interface ExpressRoute {
  readonly path: unknown;
  readonly methods?: Readonly<Record<string, boolean>>;
  readonly stack?: readonly { readonly handle?: unknown }[];
}

/** What is used of a Fastify application. */
interface FastifyLike {
  printRoutes?(options: { readonly method: string; readonly commonPrefix: boolean }): string;
  addHook?(name: 'onRoute', hook: (route: FastifyRoute) => void): void;
}

interface FastifyRoute {
  readonly url: string;
  readonly method: string | readonly string[];
  readonly handler?: unknown;
}

/** What is known of the routes of Fastify, which does not tell what serves those that were laid before it was asked. */
interface FastifyRoutes {
  readonly platform: unknown;
  /** Of those that were laid before. */
  readonly earlier: readonly string[];
  /** That take a POST. */
  readonly seen: FastifyRoute[];
}

/** Why an MCP endpoint outside of Nest's router is refused, and what to do. */
export const UNGUARDED = {
  why: 'no guard runs before it',
  write:
    'Let a controller serve it: @Controller("mcp") class McpHttpController extends McpHttpControllerFor(transport) {}, ' +
    'listed in a module, and no mount: true on the transport; or set allowUnguardedMounts, if anybody may call it',
} as const;

/** Where MCP frameworks mount themselves unless told otherwise. */
const USUAL_PATHS = ['/mcp', '/sse', '/messages'];

/**
 * Finds MCP endpoints that were laid on the platform itself, before Nest lays the routes of the application: no guard
 * of Nest's stands before those, so that every tool without requirements of its own would run for anybody.
 */
@Injectable()
export class UnguardedMounts {
  readonly #fastify: FastifyRoutes;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly explorer: HandlerExplorer,
    private readonly options: ResolvedOptions,
  ) {
    this.#fastify = watchRoutes(httpAdapterOf(host)?.getInstance());
  }

  /**
   * To be called when MCP frameworks have been started, and before the routes of the application are laid.
   *
   * @throws {McpAuthConfigError} naming each endpoint found.
   */
  check(): void {
    const paths = this.#unguardedPaths();
    if (this.options.allowUnguardedMounts) {
      const where = paths.length > 0 ? `POST ${paths.join(', POST ')}` : 'whatever is mounted outside of Nest';
      logger.warn(`allowUnguardedMounts is on: no guard runs before ${where}`);
      return;
    }
    refuse(paths);
  }

  /**
   * To be called when Fastify is ready: plugins lay their routes as late as that.
   *
   * @throws {McpAuthConfigError} naming each route that hands on to a transport.
   */
  checkPlugins(): void {
    // By now the routes of Nest are there, too, of which none hands on by itself.
    refuse(this.#fastify.seen.filter(({ handler }) => isTransport(handler)).map(({ url }) => url));
  }

  #unguardedPaths(): string[] {
    const platform: unknown = httpAdapterOf(this.host)?.getInstance();
    const resources = this.options.resources.map(({ identifier }) => (identifier.path === '' ? '/' : identifier.path));
    const hasOperations = this.explorer.operations.length > 0;
    const candidates = new Set([...resources, ...(hasOperations ? USUAL_PATHS : [])]);
    const express = expressRoutes(platform as ExpressLike | undefined)
      // Inside of a router, a path is not the whole path.
      .filter(
        ({ route, isNested }) =>
          (!isNested && candidates.has(String(route.path))) || route.stack?.some(({ handle }) => isTransport(handle)),
      )
      .map(({ route }) => String(route.path));
    const { platform: watched, earlier, seen } = this.#fastify;
    const laid = watched === platform ? seen : [];
    const recognised = laid.filter(({ url, handler }) => candidates.has(url) || isTransport(handler));
    if (hasOperations) warnOfOthers(laid.filter((route) => !recognised.includes(route)));
    // With tools in the application, every route of which it is not known what serves it may be an MCP endpoint.
    const unknown = watched === platform ? earlier : fastifyPaths(platform as FastifyLike | undefined);
    const fastify = [
      ...recognised.map(({ url }) => url),
      ...unknown.filter((path) => hasOperations || candidates.has(path)),
    ];
    return [...express, ...fastify];
  }
}

/** The paths at which the platform has a route for a POST, of Nest or not; without those inside of routers. */
export function postPathsOf(platform: unknown): string[] {
  const routes = expressRoutes(platform as ExpressLike | undefined).flatMap(({ route, isNested }) =>
    isNested ? [] : String(route.path),
  );
  return [...routes, ...fastifyPaths(platform as FastifyLike | undefined)];
}

interface FoundRoute {
  readonly route: ExpressRoute;
  readonly isNested: boolean;
}

/** Those that take a POST; of routers inside, too. */
function expressRoutes(platform: ExpressLike | undefined): FoundRoute[] {
  return routesIn(platform?.router?.stack ?? [], new Set(), false);
}

function routesIn(layers: readonly ExpressLayer[], seen: Set<unknown>, isNested: boolean): FoundRoute[] {
  return layers.flatMap(({ route, handle }): FoundRoute[] => {
    if (route) return route.methods?.['post'] || route.methods?.['_all'] ? [{ route, isNested }] : [];
    if (isTransport(handle)) return [{ route: { path: '(middleware)', stack: [{ handle }] }, isNested: true }];
    // A router, or another application of Express: each is a function with a stack of its own.
    const { stack, router } = (handle ?? {}) as { readonly stack?: readonly ExpressLayer[] } & ExpressLike;
    const inner = stack ?? router?.stack;
    if (!Array.isArray(inner) || seen.has(inner)) return [];
    seen.add(inner);
    return routesIn(inner as readonly ExpressLayer[], seen, true);
  });
}

function refuse(paths: readonly string[]): void {
  if (paths.length === 0) return;
  const seen = 'a route outside of Nest, where an MCP server is expected';
  throw new McpAuthConfigError(paths.map((path) => ({ option: `POST ${path}`, seen, ...UNGUARDED })));
}

function warnOfOthers(routes: readonly FastifyRoute[]): void {
  if (routes.length === 0) return;
  const paths = routes.map(({ url }) => `POST ${url}`).join(', ');
  logger.warn(
    `No guard runs before ${paths}, which Fastify serves outside of Nest. If MCP is served there, let a controller serve it`,
  );
}

/** Nest makes the platform before the application; the testing module makes it afterwards. */
function watchRoutes(platform: unknown): FastifyRoutes {
  const seen: FastifyRoute[] = [];
  const fastify = platform as FastifyLike | undefined;
  const earlier = fastifyPaths(fastify);
  if (typeof fastify?.printRoutes === 'function')
    fastify.addHook?.('onRoute', (route) => void ([route.method].flat().includes('POST') && seen.push(route)));
  return { platform, earlier, seen };
}

function fastifyPaths(platform: FastifyLike | undefined): string[] {
  return postPaths(platform?.printRoutes?.({ method: 'POST', commonPrefix: false }) ?? '');
}

/** The paths in the tree that Fastify prints, where each line adds to the one it is indented below. */
function postPaths(tree: string): string[] {
  const parts: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent, part, methods] = /^((?:[│ ] {3})*)[├└]── (\S*)(?: \((.*)\))?$/.exec(line) ?? [];
    if (indent === undefined || part === undefined) return [];
    parts.splice(indent.length / 4, Infinity, part);
    return methods === undefined ? [] : [parts.join('')];
  });
}

/**
 * `StreamableHttpTransport` of `@rekog/mcp-nest` lays a handler that hands on to its method `handlePost`; handlers of
 * applications hand on to `handlePostMessage` of the SDK's transport for HTTP+SSE, or `handleRequest` of the other one. Names
 * of members survive minifiers; that of a variable may not, and then it is the question at the start that finds such a handler.
 */
const CALLS_TRANSPORT = /\.handlePost(Message)?\(|ransport\w*\.handleRequest\(/;

function isTransport(handle: unknown): boolean {
  return typeof handle === 'function' && CALLS_TRANSPORT.test(Function.prototype.toString.call(handle));
}
