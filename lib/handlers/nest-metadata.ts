// Read in @nestjs/common 11.2 and 12.5, microservices and websockets 11.2 and 12.1, graphql 13.4 and 14.0, schedule 6.1 and 12.0.

/** Nest's keys for the guards, filters and interceptors of a class or method. */
export const GUARDS_METADATA = '__guards__';
export const FILTERS_METADATA = '__exceptionFilters__';
export const INTERCEPTORS_METADATA = '__interceptors__';

/** Nest's key for the parameter decorators of a method. */
export const PARAMETERS_METADATA = '__routeArguments__';

/** Nest's keys for the path, the HTTP method and the version of a route. Controllers have the first and the last, too. */
export const ROUTE_PATH_METADATA = 'path';
export const ROUTE_METHOD_METADATA = 'method';
export const VERSION_METADATA = '__version__';

/** Nest's keys for `@Res({ passthrough: true })` and for `@Sse()`. */
export const PASSTHROUGH_METADATA = '__responsePassthrough__';
export const SSE_METADATA = '__sse__';

/** Nest's key for the hosts of a controller. */
export const HOST_METADATA = 'host';

/** Nest's key for the path that `RouterModule` gives a module; the id of the application may follow. */
export const MODULE_PATH_METADATA = '__module_path__';

/** Nest's key for the imports of a module class. */
export const IMPORTS_METADATA = 'imports';

/** Nest's keys for the dependencies of a class: types from TypeScript, parameters with `@Inject()`, and properties. */
export const PARAMETER_TYPES_METADATA = 'design:paramtypes';
export const INJECTED_PARAMETERS_METADATA = 'self:paramtypes';
export const INJECTED_PROPERTIES_METADATA = 'self:properties_metadata';

/**
 * Nest's key for classes that are entry points of requests. Nest binds request-scoped and transient global enhancers only to
 * these.
 */
export const ENTRY_METADATA = '__entryProvider__';

/** Nest's keys for the pattern of a microservice handler, and for what it receives: messages or events. */
export const PATTERN_METADATA = 'microservices:pattern';
export const PATTERN_HANDLER_METADATA = 'microservices:handler_type';

/** Nest's keys for the other handlers that it runs guards for: WebSocket messages and GraphQL. */
export const GATEWAY_MESSAGE_METADATA = 'websockets:message_mapping';
export const RESOLVER_METADATA = 'graphql:resolver_type';
export const FIELD_RESOLVER_METADATA = 'graphql:resolve_property';
export const REFERENCE_RESOLVER_METADATA = 'graphql:resolve_reference';

/** Nest's key for the port of a gateway; 0 for that of the application. */
export const GATEWAY_PORT_METADATA = 'port';

/** The key of `@nestjs/schedule` for a method that it calls: `@Cron()`, `@Interval()`, `@Timeout()`. */
export const TIMER_METADATA = 'SCHEDULER_TYPE';

/** What decorators such as `@UseGuards()` bind to a class and to its method. */
export function boundTo(classRef: object, method: object, key: string): unknown[] {
  return [classRef, method].flatMap((target) => (Reflect.getMetadata(key, target) as unknown) ?? []);
}
