import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { requiresNothing, type AccessConditions } from '../authorization/access-conditions.js';
import { DeclaredAccess } from '../authorization/declared-access.js';
import { TransportRules } from '../authorization/transport-rules.js';
import { moduleMissing } from '../caller/package-copies.js';
import { McpAuthConfigError } from '../core/error.js';
import { showValue } from '../core/safe-text.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { ResolvedOptions } from '../options/options.js';
import { both, isDocument, operationsAt, type OpenApiDocument, type OpenApiOperation } from './document.js';
import { GuardReach } from '../platform/guard-reach.js';
import { RouteMarks, withoutMarks, type MarkedRoute } from './route-marks.js';
import { SecuritySchemes } from './security-schemes.js';

/** Options of {@link withOpenApiSecurity}. */
export interface OpenApiSecurityOptions {
  /**
   * The name of the security scheme in the document. A scheme that the document already has under this name is kept: add
   * one with `DocumentBuilder.addOAuth2()` to describe it yourself. Further issuers have a number after the name.
   * @default 'mcp-auth'
   */
  schemeName?: string;
}

const DEFAULT_NAME = 'mcp-auth';

/** The names that OpenAPI allows for components. */
const COMPONENT_NAME = /^[\w.-]+$/;

/**
 * Adds to a document of `@nestjs/swagger` what `McpAuthGuard` requires: for each route that it protects, the scopes
 * of class, method and resource. Leaves public routes alone, and those that the guard does not protect.
 *
 * What the document already requires of a protected route is kept: both must hold. Policies of `@Authorize()` and
 * requirements of `@RequireAuthentication()` and `@RequireProof()` do NOT appear, since OpenAPI has no form for them.
 *
 * A scheme has the endpoints of the authorization server if the option `metadata` names them, otherwise the URL of its
 * metadata. Sends no request.
 *
 * ```
 * SwaggerModule.setup('api', app, () => withOpenApiSecurity(app, () => SwaggerModule.createDocument(app, config)));
 * ```
 *
 * @param createDocument is called once. It must create the document, not return one from before: while it runs, the
 * routes are marked, and the marks say which handler an operation of the document has.
 * @throws {McpAuthConfigError} if the application does not import `McpAuthModule`, if the result is not a document, or if its
 * operations do not have the marks.
 * @see OpenAPI 3.1, "Security Requirement Object"
 */
export function withOpenApiSecurity<Document extends object>(
  app: INestApplicationContext,
  createDocument: () => Document,
  { schemeName = DEFAULT_NAME }: OpenApiSecurityOptions = {},
): Document {
  checkName(schemeName);
  return securityOf(app).addTo(createDocument, schemeName);
}

/** Adds the security of the routes of one application to documents. */
@Injectable()
export class OpenApiSecurity {
  constructor(
    private readonly explorer: HandlerExplorer,
    private readonly reach: GuardReach,
    private readonly access: DeclaredAccess,
    private readonly transport: TransportRules,
    private readonly options: ResolvedOptions,
  ) {}

  addTo<Document extends object>(createDocument: () => Document, schemeName: string): Document {
    const marks = new RouteMarks();
    const document = marks.during(this.explorer.routeHandlers, createDocument);
    if (!isDocument(document)) throw notCreated(showValue(document), 'it must be the document itself, not a promise');
    const schemes = new SecuritySchemes(schemeName, this.options);
    const operations = operationsAt(document.paths);
    const isMarked = operations.map(({ path, operation }) => this.#secure(operation, path, document, marks, schemes));
    if (operations.length > 0 && !isMarked.includes(true))
      throw notCreated('a document without marks', 'the marks say which handler an operation has');
    for (const webhooks of [document.webhooks, document.webhookPaths])
      for (const { operation } of operationsAt(webhooks)) unmark(operation);
    document.components = {
      ...document.components,
      securitySchemes: { ...schemes.used, ...document.components?.securitySchemes },
    };
    return document;
  }

  /** Returns whether the operation was marked. An operation without a mark is not of a Nest controller. */
  #secure(
    operation: OpenApiOperation,
    path: string,
    document: OpenApiDocument,
    marks: RouteMarks,
    schemes: SecuritySchemes,
  ): boolean {
    const handler = marks.handlerOf(operation.security ?? []);
    if (!handler) return false;
    unmark(operation);
    const conditions = this.#conditionsOf(handler, path);
    if (!conditions) return true;
    const others = operation.security ?? document.security ?? [];
    const own = schemes.requirementsOf(conditions.server.resource, conditions.requirement);
    if (this.#isOpen(handler, path)) own.push({});
    operation.security = both(others.length > 0 ? others : [{}], own);
    return true;
  }

  /** What requests to a route need; undefined for a route that is public, or that the guard leaves alone. */
  #conditionsOf({ classRef, method }: MarkedRoute, path: string): AccessConditions | undefined {
    if (!this.transport.isEndpoint(path) && !this.reach.protectsAnywhere(classRef, method)) return undefined;
    return this.access.conditionsOfRoute(classRef, method);
  }

  /** Whether the endpoint of MCP takes callers without a token, too, because of the option `allowAnonymous`. */
  #isOpen({ classRef, method }: MarkedRoute, path: string): boolean {
    if (!this.options.allowAnonymous || !this.transport.isEndpoint(path)) return false;
    return requiresNothing(this.explorer.declarationOf(classRef, method));
  }
}

/** Leaves what the application itself declares. */
function unmark(operation: OpenApiOperation): void {
  const declared = withoutMarks(operation.security ?? []);
  if (declared.length > 0) operation.security = declared;
  else delete operation.security;
}

/** Looks for the provider itself: where there is none, `app.get()` ends the process. */
function securityOf(app: INestApplicationContext): OpenApiSecurity {
  const modules = [...app.get(ModulesContainer, { strict: false }).values()];
  const [found] = modules.flatMap(({ providers }) => providers.get(OpenApiSecurity) ?? []);
  if (!found) throw moduleMissing('withOpenApiSecurity()');
  return found.instance as OpenApiSecurity;
}

function checkName(schemeName: unknown): void {
  if (typeof schemeName === 'string' && COMPONENT_NAME.test(schemeName)) return;
  const why = 'must be a name of OpenAPI: letters, digits, and . _ -';
  throw new McpAuthConfigError([
    {
      option: 'schemeName of withOpenApiSecurity()',
      seen: showValue(schemeName),
      why,
      write: `Write "${DEFAULT_NAME}"`,
    },
  ]);
}

function notCreated(seen: string, why: string): McpAuthConfigError {
  const write = 'Write () => SwaggerModule.createDocument(app, config), with the SwaggerModule of @nestjs/swagger';
  return new McpAuthConfigError([{ option: 'createDocument of withOpenApiSecurity()', seen, why, write }]);
}
