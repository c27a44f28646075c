import { Injectable, RequestMethod, type Type } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { McpAuthConfigError } from '../core/error.js';
import { HandlerExplorer, type DirectHandler } from '../handlers/handler-explorer.js';
import {
  boundTo,
  INTERCEPTORS_METADATA,
  PARAMETERS_METADATA,
  PASSTHROUGH_METADATA,
  ROUTE_METHOD_METADATA,
} from '../handlers/nest-metadata.js';
import { injectsCaller } from '../handlers/written-declarations.js';
import { GuardReach } from './guard-reach.js';
import { dependenciesOf, type Wrapper } from './injection.js';

/** The token of the cache in `@nestjs/cache-manager`, and its metadata key for `@CacheKey()`. */
const CACHE_MANAGER = 'CACHE_MANAGER';
const CACHE_KEY_METADATA = 'cache_module:cache_key';

/** How the keys of Nest's parameter metadata begin for `@Res()`. */
const RESPONSE_PARAMETER = '1:';

/** The methods of `CacheInterceptor`. Its `trackBy()` makes the key. */
const CACHE_METHODS = ['intercept', 'trackBy', 'isRequestCacheable'] as const;

/** How many handlers an error names. */
const MOST_NAMED = 10;

/**
 * Finds protected handlers whose answers `CacheInterceptor` of `@nestjs/cache-manager` would give to other callers: its key
 * is the URL, or the text of `@CacheKey()`. Recognises the class by what it injects and by its methods, without importing it.
 * Trusts a subclass with a `trackBy()` of its own, a function in `@CacheKey()`, and its text on a handler that does not
 * inject the caller.
 */
@Injectable()
export class SharedCaches {
  constructor(
    private readonly explorer: HandlerExplorer,
    private readonly reach: GuardReach,
    private readonly application: ApplicationConfig,
  ) {}

  /** @throws {McpAuthConfigError} naming the handlers, and what to write. */
  check(): void {
    const isEverywhere = this.#globalInterceptors().some(isCacheByUrl);
    const isCached = ({ classRef, method }: DirectHandler): boolean =>
      boundTo(classRef, method, INTERCEPTORS_METADATA).some(isCacheByUrl);
    const routes = this.explorer.routeHandlers
      .filter((route) => (isEverywhere || isCached(route)) && isShared(route) && this.#isProtected(route))
      .filter(({ method }) => cacheKeyOf(method) === undefined || hasKeyInVain(method));
    const others = this.explorer.rpcHandlers
      .filter(isCached)
      .filter(({ method }) => hasKeyInVain(method) || this.#isKeyedByCaller(method));
    const names = [...routes, ...others].map(({ classRef, methodName }) => `${classRef.name}.${methodName}`);
    if (names.length > 0) throw shared([...new Set(names)]);
  }

  #isProtected({ classRef, method }: DirectHandler): boolean {
    if (this.explorer.declarationOf(classRef, method).isPublic) return false;
    return this.reach.protectsAnywhere(classRef, method);
  }

  /** The first argument of an MCP handler is what the caller sent. The interceptor takes it for the request, with its URL. */
  #isKeyedByCaller(method: object): boolean {
    return cacheKeyOf(method) === undefined && this.explorer.operationOf(method) !== undefined;
  }

  #globalInterceptors(): unknown[] {
    const ofRequests = this.application.getGlobalRequestInterceptors().map(({ metatype }) => metatype);
    return [...this.application.getGlobalInterceptors(), ...ofRequests];
  }
}

/** Whether an interceptor, or its class, takes its keys from `CacheInterceptor` itself. */
function isCacheByUrl(interceptor: unknown): boolean {
  const classRef =
    typeof interceptor === 'function' ? interceptor : (interceptor as object | null | undefined)?.constructor;
  let prototype = (classRef as Partial<Type<object>> | undefined)?.prototype as object | null | undefined;
  while (prototype && !Object.hasOwn(prototype, 'trackBy'))
    prototype = Object.getPrototypeOf(prototype) as object | null;
  if (!prototype || !CACHE_METHODS.every((name) => Object.hasOwn(prototype, name))) return false;
  return dependenciesOf({ metatype: prototype.constructor } as Wrapper).includes(CACHE_MANAGER);
}

/** Text, or a function of the context. */
function cacheKeyOf(method: object): unknown {
  return Reflect.getMetadata(CACHE_KEY_METADATA, method);
}

/** Whether a handler has the same key for all callers, although it injects the caller. */
function hasKeyInVain(method: object): boolean {
  return typeof cacheKeyOf(method) === 'string' && injectsCaller(method);
}

/** Whether Nest sends what the handler returns to a GET, which is what the interceptor keeps. */
function isShared({ classRef, methodName, method }: DirectHandler): boolean {
  const verb = Reflect.getMetadata(ROUTE_METHOD_METADATA, method) as RequestMethod;
  if (verb !== RequestMethod.GET && verb !== RequestMethod.ALL) return false;
  const parameters = (Reflect.getMetadata(PARAMETERS_METADATA, classRef, methodName) ?? {}) as object;
  const answersItself = Object.keys(parameters).some((key) => key.startsWith(RESPONSE_PARAMETER));
  return !answersItself || Reflect.getMetadata(PASSTHROUGH_METADATA, classRef, methodName) === true;
}

function shared(names: readonly string[]): McpAuthConfigError {
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return new McpAuthConfigError([
    {
      option: names.slice(0, MOST_NAMED).join(', ') + more,
      seen: 'CacheInterceptor of @nestjs/cache-manager on a protected handler',
      why: 'its key does not contain the caller, so it would give the answer for one caller to the others',
      write:
        'Bind a subclass of CacheInterceptor instead, whose trackBy() adds principalKey of the caller to the key; or declare ' +
        "@CacheKey('…') on a handler whose answer is the same for every caller",
    },
  ]);
}
