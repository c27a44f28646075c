import { Injectable, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { GuardReach } from './guard-reach.js';
import { HandlerGuard } from './handler-enhancers.js';
import { httpAdapterOf } from './http-adapter.js';
import { UnguardedMounts, UNGUARDED, postPathsOf } from './unguarded-mounts.js';
import { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { refusingPassportGuards } from './passport-guards.js';
import { ResourceRoutes, type ResourceRoute } from '../authorization/resource-routes.js';
import { routePattern } from '../request/route-pattern.js';
import type { HttpRequest } from '../request/http-message.js';
import { ask, type RequestEmitter, type StartAnswer } from './start-question.js';
import { logger } from '../observability/logger.js';

/** The most frequent path of MCP endpoints. */
const USUAL_PATH = '/mcp';

/** Why an MCP endpoint is refused if the module has no global guard, and what to do. */
const UNBOUND = {
  why: 'globalGuard is false, and McpAuthGuard does not run before it',
  write:
    "Write @UseGuards(McpAuthGuard) on the controller that serves it, or globalGuard: 'mcp'; if no controller serves it, let " +
    'one do so',
} as const;

/** The used members of a Fastify application. */
interface FastifyLike {
  addHook?(name: 'onReady', hook: () => Promise<void>): void;
}

/** The answers of a resource. */
interface Answers {
  readonly url: URL;
  readonly posted: StartAnswer;
  readonly got: StartAnswer;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Before the application listens, sends it a request without a token at the path of each resource, through all
 * middleware, but without a connection. If the request does not reach the guard, other code serves that path: an MCP
 * endpoint without a guard stops the start, and anything that keeps clients from signing in causes a warning. The guard
 * answers the request itself, so no handler of a controller runs, unless the module has no global guard and the controller
 * does not bind it.
 */
@Injectable()
export class StartCheck {
  #isAskedLater = false;
  #isOverridden = false;
  #wasAsked = false;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly modules: ModulesContainer,
    private readonly mounts: UnguardedMounts,
    private readonly guard: HandlerGuard,
    private readonly reach: GuardReach,
    private readonly routes: ResourceRoutes,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * Call it before the application listens. Fastify has all its plugins only when it is ready.
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
   * Call it when all routes are registered.
   *
   * @throws {McpAuthConfigError} naming each resource whose MCP endpoint bypasses the guard.
   */
  async run(): Promise<void> {
    if (!this.#isAskedLater) await this.#ask();
  }

  async #ask(): Promise<void> {
    const server = httpAdapterOf(this.host)?.getHttpServer() as RequestEmitter | undefined;
    if (!server || this.options.allowUnguardedMounts) return;
    this.mounts.checkPlugins();
    if (this.#isOverridden) {
      logger.warn('A test has overridden McpAuthGuard: the requests that it accepts are not protected');
      return;
    }
    this.#wasAsked = true;
    // All in parallel: an application that does not answer must not delay its start by one timeout for each.
    const problems = await Promise.all([
      ...this.options.resources.map((resource) => this.#askAt(server, resource)),
      this.#askAtUsualPath(server),
    ]);
    if (problems.flat().length > 0) throw new McpAuthConfigError(problems.flat());
  }

  async #askAt(server: RequestEmitter, resource: ResolvedResource): Promise<ConfigProblem[]> {
    const { url, posted, got, problems } = await this.#questions(server, resource);
    if (problems.length > 0) return [...problems];
    const { template } = resource;
    if (template && !template.isProbeGiven && !posted.context && !got.context) {
      logger.warn(probeInVain(resource, url));
      return [];
    }
    if (posted.context) this.routes.note(routeOf(posted.context), resource);
    if (got.context) this.routes.noteOther(routeOf(got.context), resource);
    for (const warning of [...this.#doubts(resource, posted, got), ...(await this.#otherGuards(url, posted))])
      logger.warn(warning);
    return [];
  }

  async #questions(server: RequestEmitter, resource: ResolvedResource): Promise<Answers> {
    const url = urlOf(resource);
    const [posted, got] = await Promise.all([
      ask(server, { method: 'POST', url }, this.options),
      ask(server, { method: 'GET', url }, this.options),
    ]);
    return {
      url,
      posted,
      got,
      problems: [...this.#unguarded('POST', url, posted), ...this.#unguarded('GET', url, got)],
    };
  }

  /** Asks once more. Empty if nothing was asked before. */
  async askAgain(server: RequestEmitter): Promise<ConfigProblem[]> {
    if (!this.#wasAsked) return [];
    const problems = await Promise.all([
      ...this.options.resources.map((resource) => this.#changes(server, resource)),
      this.#askAtUsualPath(server),
    ]);
    return problems.flat();
  }

  /** Problems that a resource has now. It had none before, or the application would not have started. */
  async #changes(server: RequestEmitter, resource: ResolvedResource): Promise<ConfigProblem[]> {
    const { url, posted, problems } = await this.#questions(server, resource);
    if (problems.length > 0 || posted.context || !this.routes.of(resource.id)) return [...problems];
    const seen = posted.status === undefined ? 'no answer' : `an answer with status ${posted.status}`;
    return [{ option: `POST ${url.pathname}`, seen: `${seen} to a request without a token`, ...UNGUARDED }];
  }

  /** MCP may also be mounted at a path without a resource. There, only an answer in the form of MCP counts. */
  async #askAtUsualPath(server: RequestEmitter): Promise<ConfigProblem[]> {
    const [first] = this.options.resources;
    const url = new URL(USUAL_PATH, urlOf(first));
    if (this.options.resources.some((resource) => urlOf(resource).pathname === url.pathname)) return [];
    const answer = await ask(server, { method: 'POST', url }, this.options);
    return answer.text.includes('"jsonrpc"') ? this.#unguarded('POST', url, answer) : [];
  }

  #unguarded(method: 'GET' | 'POST', { pathname }: URL, answer: StartAnswer): ConfigProblem[] {
    if (!isUnguarded(method, answer)) return [];
    const seen = `an answer with status ${answer.status} to a request without a token`;
    const reason = this.options.globalGuard === false ? UNBOUND : UNGUARDED;
    return [{ option: `${method} ${pathname}`, seen, ...reason }];
  }

  /** Problems that do not weaken the protection, but keep clients out or surprise the operator. */
  #doubts(resource: ResolvedResource, posted: StartAnswer, got: StartAnswer): string[] {
    const url = urlOf(resource);
    const at = `POST ${url.pathname}`;
    if (posted.context) return this.#parameter(resource);
    if (posted.status === 404 || posted.status === 405)
      return got.context ? this.#parameter(resource) : this.#missing(url);
    if (posted.status === undefined)
      return [
        `${at}, the resource "${url.href}", gave no answer at the start, so it is unknown whether McpAuthGuard sees its requests`,
      ];
    return [
      `${at}, the resource "${url.href}", is answered with ${posted.status} before McpAuthGuard is asked: clients get no challenge ` +
        `there, and cannot sign in. ${this.#answeringFirst()} Let it accept requests to the MCP controller: McpAuthGuard ` +
        'protects these',
    ];
  }

  #answeringFirst(): string {
    const earlier = this.reach.earlierGuards;
    return earlier.length === 0
      ? 'A guard of the controller or a middleware answers first.'
      : `A middleware or a guard answers first; these global guards run before McpAuthGuard: ${earlier.join(', ')}.`;
  }

  /** An application without any POST route does not serve MCP, so it lacks nothing. */
  #missing(url: URL): string[] {
    const { pathname } = url;
    const paths = postPathsOf(httpAdapterOf(this.host)?.getInstance());
    if (paths.length === 0) return [];
    const elsewhere = paths.filter((path) => path !== pathname && path.endsWith(pathname));
    const found =
      pathname !== '/' && elsewhere.length > 0 ? ` The application has POST ${elsewhere.join(', POST ')}.` : '';
    return [
      `No route answers POST ${pathname}, where the resource "${url.href}" says that MCP is.${found} Clients send requests to the resource: ` +
        'write its path with the prefix and version of the application. If a proxy rewrites the path, ignore this warning',
    ];
  }

  /** A route with parameters matches many URLs, of which the resource is one. */
  #parameter(resource: ResolvedResource): string[] {
    const pattern = this.routes.parameterOf(resource);
    if (pattern === undefined) return [];
    return [
      `The route "${pattern}" has a parameter, and the resource "${urlOf(resource).href}" has one value for it: requests with another ` +
        'value get 404. If the parameter names a tenant, write it as a variable in `resource`, with the option `resolveTenant`; ' +
        'otherwise write the path of the resource as a route of its own',
    ];
  }

  /** A guard of passport verifies the same header with its own keys, so it refuses the tokens of MCP clients. */
  async #otherGuards(url: URL, { context }: StartAnswer): Promise<string[]> {
    if (!context) return [];
    const refusing = await refusingPassportGuards(this.modules, context);
    return refusing.map(
      (name) =>
        `The global guard ${name} refuses POST ${url.pathname}, too, where clients send access tokens for "${url.href}". Let it ` +
        'accept requests to the MCP controller: McpAuthGuard protects these',
    );
  }
}

/** The URL at which the request at the start is sent: of a template, the one of its probe. */
function urlOf({ identifier, template }: ResolvedResource): URL {
  return new URL((template ? template.probe : identifier).value);
}

function routeOf(context: ExecutionContext): ResourceRoute {
  const pattern = routePattern(context.switchToHttp().getRequest<HttpRequest>());
  return { classRef: context.getClass(), method: context.getHandler(), pattern };
}

function probeInVain({ identifier }: ResolvedResource, url: URL): string {
  return (
    `The check at the start asked at "${url.href}", for a tenant of "${identifier.value}" that need not exist, and McpAuthGuard did ` +
    'not see the request. Name a tenant that exists in tenants.probe, so that the check can say whether its MCP endpoint is protected'
  );
}

/** Whether code without the guard answered with a success, or in the form of MCP. */
function isUnguarded(method: 'GET' | 'POST', { context, status, text }: StartAnswer): boolean {
  if (context || status === undefined) return false;
  const isSuccess = status >= 200 && status < 300;
  const isStream = /^content-type: *text\/event-stream/im.test(text);
  // An HTML page is not MCP: some applications answer unknown paths with a page.
  const isPage = /^content-type: *text\/html/im.test(text);
  return method === 'POST' ? (isSuccess && !isPage) || text.includes('"jsonrpc"') : isSuccess && isStream;
}
