import { applyDecorators, createParamDecorator, UseFilters, UseGuards, type Type } from '@nestjs/common';
import { McpAuthConfigError } from './core/error.js';
import { showValue } from './core/safe-text.js';
import { isRequestableScope, isScopeToken } from './core/scopes.js';
import { McpAuthFilter } from './mcp-auth.filter.js';
import { McpAuthGuard } from './mcp-auth.guard.js';
import { injectedToken } from './caller/injected-token.js';
import { injectedCaller } from './caller/injected-caller.js';
import type { McpAuthInfo } from './core/auth-info.js';
import { addDeclaration, type DeclarationPart } from './handlers/handler-declaration.js';
import { isPolicyOption, WRITE_POLICY, type PolicyOption } from './options/policy-option.js';
import { remember } from './handlers/written-declarations.js';

type ClassOrMethodDecorator = ClassDecorator & MethodDecorator;

/**
 * Requires all of these scopes. Write it on a method or a class, for MCP tools, resources and prompts, HTTP routes, GraphQL
 * resolvers and WebSocket handlers. The scopes of class and method add up. A caller who lacks a scope gets
 * `403 insufficient_scope` before the handler runs, and may step up.
 *
 * Binds {@link McpAuthGuard} to the handler, which enforces the requirement however the handler is reached.
 *
 * @throws {McpAuthConfigError} when the class is loaded, if a name is not a valid scope.
 * @see MCP 2026-07-28, Authorization, "Scope Challenge Handling"
 */
export function RequireScopes(...scopes: [string, ...string[]]): ClassOrMethodDecorator {
  checkScopes('RequireScopes', scopes);
  return protect(written('RequireScopes', scopes), { requirement: { allOf: scopes, anyOf: [] } });
}

/**
 * Requires one of these scopes. List the least privileged first: a caller without any of them is asked to get that one.
 *
 * @throws {McpAuthConfigError} when the class is loaded, if a name is not a valid scope.
 */
export function RequireAnyScope(...scopes: [string, ...string[]]): ClassOrMethodDecorator {
  checkScopes('RequireAnyScope', scopes);
  return protect(written('RequireAnyScope', scopes), { requirement: { allOf: [], anyOf: [scopes] } });
}

/**
 * Lets the application decide, too: see {@link Policy}. A refusal that no other token could change is `403` without a
 * challenge.
 *
 * For a request with one operation, the policy is asked even if the token lacks scopes that `@RequireScopes()` names: one
 * challenge then names these and the policy's scopes. The policy cannot let such a caller in. For a batch, for a subscription
 * to several resources, and for lists, the policy is asked only if the token has the scopes.
 *
 * For a resource template, the policy is asked with the variables of the template. If they cannot be determined, a request
 * that reaches no handler, such as a subscription or a completion, is refused.
 *
 * @param policy a function, or the class of a provider that extends {@link AccessPolicy}
 * @throws {McpAuthConfigError} when the class is loaded, if the policy is neither.
 */
export function Authorize(policy: PolicyOption): ClassOrMethodDecorator {
  if (!isPolicyOption(policy)) {
    const why = 'must be a function, or a class with the method `decide`';
    throw new McpAuthConfigError([{ option: '@Authorize()', seen: showValue(policy), why, write: WRITE_POLICY }]);
  }
  return protect('@Authorize()', { policies: [policy] });
}

/**
 * Requires how the user signed in: with one of these authentication context classes, and at most this many seconds ago. A
 * caller whose token does not show that gets `401 insufficient_user_authentication`, and may sign in again.
 *
 * @param requirement `acr`: one class or several in order of preference; `maxAgeSeconds`: a whole number of seconds
 * @throws {McpAuthConfigError} when the class is loaded, if the requirement is empty or invalid.
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
    const why = 'acr must be one or several names without spaces and quotes, maxAgeSeconds a whole number, at least 0';
    const write = "Write @RequireAuthentication({ acr: 'urn:example:mfa', maxAgeSeconds: 300 }), or one of the two";
    throw new McpAuthConfigError([{ option: '@RequireAuthentication()', seen, why, write }]);
  }
  return protect('@RequireAuthentication()', { authentications: [{ acr, maxAgeSeconds }] });
}

/**
 * Requires a token that is bound to a key of the client, with the proof of that key: DPoP (RFC 9449), or mutual TLS
 * (RFC 8705). A caller with a Bearer token that is not bound gets `401`, with a challenge for the accepted schemes only. Scopes
 * are checked after that: `@RequireScopes()` adds its scopes.
 *
 * Does NOT turn DPoP or mutual TLS on: the options `dpop` and `mutualTls` of the resource do.
 *
 * @throws {McpAuthConfigError} at the start, if no resource of the handler accepts such tokens.
 * @see RFC 9449 §7.1; SEP-1932; RFC 8705 §3
 */
export function RequireProof(): ClassOrMethodDecorator {
  return protect('@RequireProof()', { needsProof: true });
}

/**
 * Declares that an HTTP route, GraphQL resolver or message handler needs no token. Tokens are NOT verified there, and the
 * handler sees no caller. On MCP tools, resources and prompts it has an effect only with the option `allowAnonymous`:
 * then they also work without a token, and a token in the request is verified.
 */
export function Public(): ClassOrMethodDecorator {
  return annotate('@Public()', { isPublic: true });
}

/**
 * Names the resource that a controller, a provider or one of their methods belongs to, by its `id` or resource identifier.
 * Needed with several configured resources, except for a route that serves several hosts: the host of each request then says
 * which resource it is for. A tool, resource or prompt of one resource is refused at another, with any token.
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
 * `@AuthInfo('subject') subject: string`. Undefined if there is no caller, which happens on public routes only.
 *
 * With the global guard, a GraphQL resolver or message handler that injects the caller is protected as if by a decorator,
 * unless it is {@link Public}.
 *
 * If the MCP framework calls the method directly, as version 1 of `@rekog/mcp-nest` does, the caller replaces the argument at
 * this position.
 */
export function AuthInfo(key?: keyof McpAuthInfo): ParameterDecorator {
  const inject = injectCaller(key);
  return (target, propertyKey, index) => {
    const what = { decorator: '@AuthInfo()', addition: undefined, guard: undefined };
    if (remember(target, propertyKey, index, what)) inject(target, propertyKey, index);
  };
}

/** Nest's decorator, which calls {@link injectedToken}. */
const injectToken: (name: string) => ParameterDecorator = createParamDecorator(injectedToken);

/**
 * Injects a token for an API of the option `downstream`, on behalf of the caller, into an HTTP or MCP handler:
 * `@DownstreamToken('calendar') token: string`. The handler does not run if none is issued: then the client gets what
 * `McpAuthDownstream.tokenFor` throws.
 *
 * Protects the handler where `@AuthInfo()` does.
 *
 * @throws {McpAuthConfigError} at the start, if the option has no API of this name, or its tokens are bound to a key (`dpop`).
 */
export function DownstreamToken(name: string): ParameterDecorator {
  const inject = injectToken(name);
  return (target, propertyKey, index) => {
    const what = { decorator: '@DownstreamToken()', addition: undefined, guard: undefined };
    if (remember(target, propertyKey, index, what)) inject(target, propertyKey, index);
  };
}

/** Binds the guard together with the declaration: it is enforced however the handler is reached. */
function protect(decorator: string, addition: DeclarationPart): ClassOrMethodDecorator {
  const bind = applyDecorators(UseGuards(McpAuthGuard), UseFilters(McpAuthFilter));
  return place({ decorator, addition, guard: McpAuthGuard }, bind);
}

function annotate(decorator: string, addition: DeclarationPart): ClassOrMethodDecorator {
  return place({ decorator, addition, guard: undefined }, () => undefined);
}

/** Declares nothing where the decorator has no effect: then the application refuses to start. */
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

/** The decorator as in the source, for messages. */
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
