import { Inject, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { McpAuthConfigError } from './core/error.js';
import { McpAuthExplorer } from './mcp-auth.explorer.js';
import { httpAdapterOf } from './mcp-auth.http-adapter.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions } from './mcp-auth.options.js';

const logger = new Logger('McpAuth');

/** What is read of an Express application. */
interface ExpressLike {
  readonly router?: { readonly stack?: readonly { readonly route?: ExpressRoute }[] };
}

interface ExpressRoute {
  readonly path: unknown;
  readonly methods?: Readonly<Record<string, boolean>>;
  readonly stack?: readonly { readonly handle?: unknown }[];
}

/** What is read of a Fastify application. */
interface FastifyLike {
  printRoutes?(options: { readonly method: string; readonly commonPrefix: boolean }): string;
}

/** Where MCP frameworks mount themselves unless told otherwise. */
const USUAL_PATHS = ['/mcp', '/sse', '/messages'];

/**
 * Finds MCP endpoints that were laid on the platform itself, before Nest lays the routes of the application: no guard
 * of Nest's stands before those, so that every tool without requirements of its own would run for anybody.
 */
@Injectable()
export class McpAuthMounts {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(McpAuthExplorer) private readonly explorer: McpAuthExplorer,
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /**
   * To be called when MCP frameworks have been started, and before the routes of the application are laid.
   *
   * @throws {McpAuthConfigError} naming each endpoint found.
   */
  check(): void {
    if (this.explorer.operations.length === 0) return;
    const paths = this.#unguardedPaths();
    if (paths.length === 0) return;
    if (this.options.allowUnguardedMounts) {
      logger.warn(`allowUnguardedMounts is on: no guard runs before POST ${paths.join(', POST ')}`);
      return;
    }
    throw new McpAuthConfigError(
      paths.map((path) => ({
        option: `POST ${path}`,
        seen: 'a route outside of Nest, where an MCP server is expected',
        why: 'no guard runs before it',
        write:
          'Let a controller serve it: @Controller("mcp") class McpHttpController extends McpHttpControllerFor(transport) {}, ' +
          'listed in a module, and no mount: true on the transport; or set allowUnguardedMounts, if anybody may call it',
      })),
    );
  }

  #unguardedPaths(): string[] {
    const adapter = httpAdapterOf(this.host);
    const platform: unknown = adapter?.getInstance();
    const candidates = new Set([...USUAL_PATHS, ...this.options.resources.map(({ identifier }) => identifier.path)]);
    return [...expressPaths(platform as ExpressLike | undefined, candidates), ...fastifyPaths(platform as FastifyLike | undefined)];
  }
}

/** Also under other paths, where the handler is recognisably that of an MCP transport. */
function expressPaths(platform: ExpressLike | undefined, candidates: ReadonlySet<string>): string[] {
  const routes = (platform?.router?.stack ?? []).flatMap(({ route }) => (route?.methods?.['post'] ? [route] : []));
  return routes
    .filter(({ path, stack }) => candidates.has(String(path)) || stack?.some(({ handle }) => isTransport(handle)))
    .map(({ path }) => String(path));
}

/** Fastify does not tell what serves a route, so that every one which is there already may be an MCP endpoint. */
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

/** `StreamableHttpTransport` of `@rekog/mcp-nest` lays a handler that hands on to its method of this name. */
function isTransport(handle: unknown): boolean {
  return typeof handle === 'function' && Function.prototype.toString.call(handle).includes('.handlePost(');
}
