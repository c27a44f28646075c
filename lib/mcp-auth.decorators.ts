import { applyDecorators, createParamDecorator, UseFilters, UseGuards, type Type } from '@nestjs/common';
import { McpAuthConfigError } from './core/error.js';
import { isRequestableScope, isScopeToken } from './core/scopes.js';
import { McpAuthFilter } from './mcp-auth.filter.js';
import { McpAuthGuard } from './mcp-auth.guard.js';
import { injectedCaller } from './caller/injected-caller.js';
import type { McpAuthInfo } from './core/auth-info.js';
import { addDeclaration, type DeclarationPart, type Policy } from './handlers/handler-declaration.js';
import { remember } from './handlers/written-declarations.js';

type ClassOrMethodDecorator = ClassDecorator & MethodDecorator;

/**
 * The caller needs all of these scopes. On a method or a class, of HTTP routes, GraphQL resolvers and WebSocket handlers, and
 * of MCP tools, resources and prompts alike; what class and method name adds up. A caller without them gets `403 insufficient_scope` before the
 * handler runs, and may step up.
 *
 * Binds {@link McpAuthGuard} to the handler, so that the requirement holds however the handler is reached.
 *
 * @throws {McpAuthConfigError} when the class is loaded, for a name that is no scope.
 * @see MCP 2026-07-28, Authorization, "Scope Challenge Handling"
 */
export function RequireScopes(...scopes: [string, ...string[]]): ClassOrMethodDecorator {
  checkScopes('RequireScopes', scopes);
  return protect(written('RequireScopes', scopes), { requirement: { allOf: scopes, anyOf: [] } });
}

/**
 * The caller needs one of these scopes, whichever. List the least privileged first: that is the one a caller
 * without any of them is asked to get.
 *
 * @throws {McpAuthConfigError} when the class is loaded, for a name that is no scope.
 */
export function RequireAnyScope(...scopes: [string, ...string[]]): ClassOrMethodDecorator {
  checkScopes('RequireAnyScope', scopes);
  return protect(written('RequireAnyScope', scopes), { requirement: { allOf: [], anyOf: [scopes] } });
}

/**
 * The application decides, too: see {@link Policy}. Refusals that no other token could change answer `403` without a
 * challenge.
 *
 * Of a request for one operation, the policy is asked even if the token lacks scopes that `@RequireScopes()` names, so that
 * one challenge names those and the policy's; it cannot let such a caller in. Of a batch, of a subscription to several
 * resources, and for the lists of what a caller may use, it is asked once the scopes are there.
 *
 * Of a resource template it is asked with the variables of the template. Where they cannot be had, a request that reaches no
 * handler, such as a subscription or a completion, is refused.
 */
export function Authorize(policy: Policy): ClassOrMethodDecorator {
  return protect('@Authorize()', { policies: [policy] });
}

/**
 * The user must have signed in so: with one of these authentication context classes, and not longer ago than that.
 * A caller whose token does not say so gets `401 insufficient_user_authentication`, and may sign in again.
 *
 * @param requirement `acr`: one class or several in order of preference; `maxAgeSeconds`: a whole number of seconds
 * @throws {McpAuthConfigError} when the class is loaded, for a requirement that requires nothing or makes no sense.
 * @see RFC 9470 §3
 */
export function RequireAuthentication(requirement: {
  acr?: string | string[];
  maxAgeSeconds?: number;
}): ClassOrMethodDecorator {
  const acr = [requirement.acr ?? []].flat();
  const { maxAgeSeconds } = requirement;
  const isAge = maxAgeSeconds === undefined || (Number.isSafeInteger(maxAgeSeconds) && maxAgeSeconds >= 0);
  if (!isAge || !acr.every(isScopeToken) || (acr.length === 0 && maxAgeSeconds === undefined)) {
    const seen = JSON.stringify(requirement);
    const why = 'acr is one or several names without spaces and quotes, maxAgeSeconds a whole number from 0';
    const write = "Write @RequireAuthentication({ acr: 'urn:example:mfa', maxAgeSeconds: 300 }), or one of the two";
    throw new McpAuthConfigError([{ option: '@RequireAuthentication()', seen, why, write }]);
  }
  return protect('@RequireAuthentication()', { authentications: [{ acr, maxAgeSeconds }] });
}

/**
 * No token is needed on this HTTP route, GraphQL resolver or message handler, and none is looked at: the handler sees no
 * caller. On MCP tools, resources
 * and prompts it means something only with the option `allowAnonymous`: then they work without a token too, and a
 * token that comes is verified.
 */
export function Public(): ClassOrMethodDecorator {
  return annotate('@Public()', { isPublic: true });
}

/**
 * Which of several configured resources a controller, a provider or one of their methods belongs to, by its `id` (or resource
 * identifier). A tool, resource or prompt of one resource is refused to whoever asks for it at another, whatever their token.
 *
 * Binds {@link McpAuthGuard} to the handler, as {@link RequireScopes} does. A route that is declared `@Public()` stays public.
 */
export function ProtectedResource(id: string): ClassOrMethodDecorator {
  return protect(written('ProtectedResource', [id]), { resourceId: id });
}

/** Nest's decorator, which calls {@link injectedCaller}. */
const injectCaller: (key?: keyof McpAuthInfo) => ParameterDecorator = createParamDecorator(injectedCaller);

/**
 * Injects the caller, or one property of it, into an HTTP or MCP handler: `@AuthInfo() auth: McpAuthInfo`,
 * `@AuthInfo('subject') subject: string`. Undefined where there is none, which is on public routes only.
 *
 * With the global guard, a GraphQL resolver or a handler of messages that injects the caller needs one: it is protected as if
 * by a decorator, unless it is {@link Public}.
 *
 * Where the MCP framework calls the method by itself, as version 1 of `@rekog/mcp-nest` does, it takes the place of the
 * argument that would otherwise stand there.
 */
export function AuthInfo(key?: keyof McpAuthInfo): ParameterDecorator {
  const inject = injectCaller(key);
  return (target, propertyKey, index) => {
    const what = { decorator: '@AuthInfo()', addition: undefined, guard: undefined };
    if (remember(target, propertyKey, index, what)) inject(target, propertyKey, index);
  };
}

/** The guard comes with the declaration, so that it holds however the handler is reached. */
function protect(decorator: string, addition: DeclarationPart): ClassOrMethodDecorator {
  const bind = applyDecorators(UseGuards(McpAuthGuard), UseFilters(McpAuthFilter));
  return place({ decorator, addition, guard: McpAuthGuard }, bind);
}

function annotate(decorator: string, addition: DeclarationPart): ClassOrMethodDecorator {
  return place({ decorator, addition, guard: undefined }, () => undefined);
}

/** Where it cannot hold, nothing is declared, and the start of the application is refused. */
function place(
  what: { readonly decorator: string; readonly addition: DeclarationPart; readonly guard: object | undefined },
  bind: ReturnType<typeof applyDecorators>,
): ClassOrMethodDecorator {
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor): void => {
    const declaring = remember(target, key, descriptor, what);
    if (!declaring) return;
    addDeclaration(declaring, what.addition);
    if (key === undefined) bind(target as Type);
    else bind(target, key, descriptor as TypedPropertyDescriptor<unknown>);
  };
}

/** As it stands in the source, for messages. */
function written(decorator: string, values: readonly string[]): string {
  return `@${decorator}(${values.map((value) => JSON.stringify(value)).join(', ')})`;
}

function checkScopes(decorator: string, scopes: readonly unknown[]): void {
  const refused = scopes.filter((scope) => !isRequestableScope(scope));
  if (scopes.length > 0 && refused.length === 0) return;
  const seen = scopes.length === 0 ? 'nothing' : refused.map((scope) => JSON.stringify(scope)).join(', ');
  const why = 'each must be a scope that a resource server may ask for: visible ASCII without spaces, quotes and \\';
  throw new McpAuthConfigError([{ option: `@${decorator}()`, seen, why, write: `Write @${decorator}('notes:read')` }]);
}
