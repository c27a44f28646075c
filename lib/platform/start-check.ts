import { Injectable, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { HandlerGuard } from './handler-enhancers.js';
import { httpAdapterOf } from './http-adapter.js';
import { UnguardedMounts, UNGUARDED, postPathsOf } from './unguarded-mounts.js';
import { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { refusingPassportGuards } from './passport-guards.js';
import { ask, type RequestEmitter, type StartAnswer } from './start-question.js';
import { logger } from '../observability/logger.js';

/** Where MCP is mounted most often. */
const USUAL_PATH = '/mcp';

/** What is used of a Fastify application. */
interface FastifyLike {
  addHook?(name: 'onReady', hook: () => Promise<void>): void;
}

/** What Express and Fastify say of the route that they chose. */
interface RoutedRequest {
  readonly route?: { readonly path?: unknown };
  readonly routeOptions?: { readonly url?: unknown };
}

/**
 * Asks the finished application, before it listens, who answers at the path of each resource: by a request without a
 * token, which goes through everything that the server has, but over no connection. Where the guard is not reached,
 * somebody else serves that path: MCP that no guard sees stops the start, and what keeps clients from signing in is warned
 * of. The guard answers the question itself, so that no handler of a controller runs for it.
 */
@Injectable()
export class StartCheck {
  #isAskedLater = false;
  #isOverridden = false;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly modules: ModulesContainer,
    private readonly mounts: UnguardedMounts,
    private readonly guard: HandlerGuard,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * To be called before the application listens. Fastify has all its plugins only when it is ready.
   *
   * @param guardClass the class `McpAuthGuard`
   */
  prepare(guardClass: unknown): void {
    this.#isOverridden = this.guard.constructor !== guardClass;
    const instance = httpAdapterOf(this.host)?.getInstance<FastifyLike | undefined>();
    if (typeof instance?.addHook !== 'function') return;
    this.#isAskedLater = true;
    instance.addHook('onReady', () => this.#ask());
  }

  /**
   * To be called once the routes are laid.
   *
   * @throws {McpAuthConfigError} naming each resource whose MCP endpoint no guard sees.
   */
  async run(): Promise<void> {
    if (!this.#isAskedLater) await this.#ask();
  }

  async #ask(): Promise<void> {
    const server = httpAdapterOf(this.host)?.getHttpServer() as RequestEmitter | undefined;
    if (!server || this.options.allowUnguardedMounts) return;
    this.mounts.checkPlugins();
    if (this.#isOverridden) {
      logger.warn('A test has overridden McpAuthGuard: whatever it lets through is not protected');
      return;
    }
    // All at once: an application that does not answer would hold off its start for each of them.
    const problems = await Promise.all([
      ...this.options.resources.map((resource) => this.#askAt(server, resource)),
      this.#askAtUsualPath(server),
    ]);
    if (problems.flat().length > 0) throw new McpAuthConfigError(problems.flat());
  }

  async #askAt(server: RequestEmitter, resource: ResolvedResource): Promise<ConfigProblem[]> {
    const url = new URL(resource.identifier.value);
    const [posted, got] = await Promise.all([
      ask(server, { method: 'POST', url }, this.options),
      ask(server, { method: 'GET', url }, this.options),
    ]);
    const problems = [...unguarded('POST', url, posted), ...unguarded('GET', url, got)];
    if (problems.length > 0) return problems;
    for (const warning of [...this.#doubts(url, posted, got), ...(await this.#otherGuards(url, posted))])
      logger.warn(warning);
    return [];
  }

  /** MCP can be mounted where no resource is, too; there, only what answers as MCP does is taken for it. */
  async #askAtUsualPath(server: RequestEmitter): Promise<ConfigProblem[]> {
    const [{ identifier }] = this.options.resources;
    const url = new URL(USUAL_PATH, identifier.value);
    if (this.options.resources.some((resource) => new URL(resource.identifier.value).pathname === url.pathname))
      return [];
    const answer = await ask(server, { method: 'POST', url }, this.options);
    return answer.text.includes('"jsonrpc"') ? unguarded('POST', url, answer) : [];
  }

  /** What is no hole, but keeps clients out or surprises the operator. */
  #doubts(url: URL, posted: StartAnswer, got: StartAnswer): string[] {
    const at = `POST ${url.pathname}`;
    if (posted.context) return this.#parameters(url, posted.context);
    if (posted.status === 404 || posted.status === 405)
      return got.context ? this.#parameters(url, got.context) : this.#missing(url);
    if (posted.status === undefined)
      return [
        `${at}, the resource "${url.href}", gave no answer at the start, so that nobody knows whether McpAuthGuard sees it`,
      ];
    return [
      `${at}, the resource "${url.href}", is answered with ${posted.status} before McpAuthGuard is asked: clients get no challenge ` +
        'there, and cannot sign in. Another global guard or a middleware answers first. Let it pass requests to the MCP ' +
        'controller, for which McpAuthGuard is enough',
    ];
  }

  /** An application that takes no POST anywhere serves no MCP, so that it misses none. */
  #missing(url: URL): string[] {
    const { pathname } = url;
    const paths = postPathsOf(httpAdapterOf(this.host)?.getInstance());
    if (paths.length === 0) return [];
    const elsewhere = paths.filter((path) => path !== pathname && path.endsWith(pathname));
    const found =
      pathname !== '/' && elsewhere.length > 0 ? ` The application has POST ${elsewhere.join(', POST ')}.` : '';
    return [
      `No route answers POST ${pathname}, where the resource "${url.href}" says that MCP is.${found} Clients go by the resource: ` +
        'let it name the path with the prefix and version of the application. Where a proxy rewrites the path, this may be as it should',
    ];
  }

  /** One resource is then many, of which only one is named in tokens. */
  #parameters(url: URL, context: ExecutionContext): string[] {
    const { route, routeOptions } = context.switchToHttp().getRequest<RoutedRequest>();
    const pattern = String(route?.path ?? routeOptions?.url ?? '');
    if (!/[:{]/.test(pattern)) return [];
    return [
      `The route "${pattern}" serves the resource "${url.href}" and, with other values of its parameters, every other path that it ` +
        'matches: a token for this resource is accepted at all of them. Let the handler compare the parameter with a claim ' +
        'of the caller, or give each path a controller and a resource of its own',
    ];
  }

  /** A guard of passport judges the same header with keys of its own, so that it refuses the tokens of MCP clients. */
  async #otherGuards(url: URL, { context }: StartAnswer): Promise<string[]> {
    if (!context) return [];
    const refusing = await refusingPassportGuards(this.modules, context);
    return refusing.map(
      (name) =>
        `The global guard ${name} refuses POST ${url.pathname}, too, where clients send access tokens for "${url.href}". Let it ` +
        'pass requests to the MCP controller, for which McpAuthGuard is enough',
    );
  }
}

/** A success, or an answer of MCP itself, of somebody whom the guard does not stand before. */
function unguarded(method: 'GET' | 'POST', { pathname }: URL, { context, status, text }: StartAnswer): ConfigProblem[] {
  if (context || status === undefined) return [];
  const isSuccess = status >= 200 && status < 300;
  const isStream = /^content-type: *text\/event-stream/im.test(text);
  // No MCP is written in HTML: that is the page that some applications answer whatever they have no route for with.
  const isPage = /^content-type: *text\/html/im.test(text);
  const isServed = method === 'POST' ? (isSuccess && !isPage) || text.includes('"jsonrpc"') : isSuccess && isStream;
  return isServed
    ? [
        {
          option: `${method} ${pathname}`,
          seen: `an answer with status ${status} to a request without a token`,
          ...UNGUARDED,
        },
      ]
    : [];
}
