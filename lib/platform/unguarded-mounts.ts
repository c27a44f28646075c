import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { McpAuthConfigError } from '../core/error.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { httpAdapterOf } from './http-adapter.js';
import { ResolvedOptions } from '../options/options.js';
import { logger } from '../observability/logger.js';

/** The members that are read from an Express application and its routers. */
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

/** The used members of a Fastify application. */
interface FastifyLike {
  printRoutes?(options: { readonly method: string; readonly commonPrefix: boolean }): string;
  addHook?(name: 'onRoute', hook: (route: FastifyRoute) => void): void;
}

interface FastifyRoute {
  readonly url: string;
  readonly method: string | readonly string[];
  readonly handler?: unknown;
}

/** The known routes of Fastify, which does not reveal the handlers of routes that were registered before the hook. */
interface FastifyRoutes {
  readonly platform: unknown;
  /** Paths of the routes registered before the hook. */
  readonly earlier: readonly string[];
  /** Routes that accept POST. */
  readonly seen: FastifyRoute[];
}

/** Why an MCP endpoint outside of Nest's router is refused, and what to do. */
export const UNGUARDED = {
  why: 'no guard runs before it',
  write:
    'Let a controller serve it: @Controller("mcp") class McpHttpController extends McpHttpControllerFor(transport) {}, ' +
    'listed in a module, and no mount: true on the transport; or set allowUnguardedMounts, if anyone may call it',
} as const;

/** Paths at which MCP frameworks mount themselves by default. */
const USUAL_PATHS = ['/mcp', '/sse', '/messages'];

/**
 * Finds MCP endpoints that were registered on the platform itself, before Nest registers the routes of the application.
 * Nest's guards do not run for them, so anyone could run every tool without requirements of its own.
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
   * Call it after MCP frameworks have started, and before Nest registers the routes of the application.
   *
   * @throws {McpAuthConfigError} naming each endpoint found.
   */
  check(): void {
    const paths = this.#unguardedPaths();
    if (this.options.allowUnguardedMounts) {
      const where = paths.length > 0 ? `POST ${paths.join(', POST ')}` : 'endpoints outside of Nest';
      logger.warn(`allowUnguardedMounts is on: no guard runs before ${where}`);
      return;
    }
    refuse(paths);
  }

  /**
   * Call it when Fastify is ready: plugins may register routes until then.
   *
   * @throws {McpAuthConfigError} naming each route that calls a transport.
   */
  checkPlugins(): void {
    // The routes of Nest are also there by now, but their handlers do not call a transport directly.
    refuse(this.#fastify.seen.filter(({ handler }) => isTransport(handler)).map(({ url }) => url));
  }

  #unguardedPaths(): string[] {
    const platform: unknown = httpAdapterOf(this.host)?.getInstance();
    const resources = this.options.resources.map(({ identifier }) => shapeOf(identifier.path || '/'));
    const hasOperations = this.explorer.operations.length > 0;
    const candidates = new Set([...resources, ...(hasOperations ? USUAL_PATHS : [])]);
    const express = expressRoutes(platform as ExpressLike | undefined)
      // Within a router, a path is only a part of the whole path.
      .filter(
        ({ route, isNested }) =>
          (!isNested && candidates.has(shapeOf(String(route.path)))) ||
          route.stack?.some(({ handle }) => isTransport(handle)),
      )
      .map(({ route }) => String(route.path));
    const { platform: watched, earlier, seen } = this.#fastify;
    const laid = watched === platform ? seen : [];
    const recognised = laid.filter(({ url, handler }) => candidates.has(shapeOf(url)) || isTransport(handler));
    if (hasOperations) warnOfOthers(laid.filter((route) => !recognised.includes(route)));
    // If the application has tools, every route with an unknown handler may be an MCP endpoint.
    const unknown = watched === platform ? earlier : fastifyPaths(platform as FastifyLike | undefined);
    const fastify = [
      ...recognised.map(({ url }) => url),
      ...unknown.filter((path) => hasOperations || candidates.has(shapeOf(path))),
    ];
    return [...express, ...fastify];
  }
}

/** A path with the same text for each variable, whether it is written as in a route or as in a resource. */
function shapeOf(path: string): string {
  return path.replaceAll(/\/(?::[A-Za-z_]\w*|\{[^{}/]*\})(?=\/|$)/g, '/{}');
}

/** The paths of all POST routes of the platform, of Nest or not. Leaves out routes within routers. */
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

/** Routes that accept POST, also within routers. */
function expressRoutes(platform: ExpressLike | undefined): FoundRoute[] {
  return routesIn(platform?.router?.stack ?? [], new Set(), false);
}

function routesIn(layers: readonly ExpressLayer[], seen: Set<unknown>, isNested: boolean): FoundRoute[] {
  return layers.flatMap(({ route, handle }): FoundRoute[] => {
    if (route) return route.methods?.['post'] || route.methods?.['_all'] ? [{ route, isNested }] : [];
    if (isTransport(handle)) return [{ route: { path: '(middleware)', stack: [{ handle }] }, isNested: true }];
    // A router or another Express application: a function with its own stack.
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

/** Nest creates the platform before the application; the testing module creates it afterwards. */
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

/** The paths in the tree that Fastify prints. Each line continues the path of the line above its indentation. */
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
 * `StreamableHttpTransport` of `@rekog/mcp-nest` registers a handler that calls its method `handlePost`. Handlers of
 * applications call `handlePostMessage` of the SDK's transport for HTTP+SSE, or `handleRequest` of its transport for
 * Streamable HTTP. Minifiers keep the names of members, but not of variables; then the request at the start finds the
 * handler.
 */
const CALLS_TRANSPORT = /\.handlePost(Message)?\(|ransport\w*\.handleRequest\(/;

function isTransport(handle: unknown): boolean {
  return typeof handle === 'function' && CALLS_TRANSPORT.test(Function.prototype.toString.call(handle));
}
