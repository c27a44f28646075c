/** Nest's own keys for what is bound to a class or method. */
export const GUARDS_METADATA = '__guards__';
export const FILTERS_METADATA = '__exceptionFilters__';

/** Nest's own key for what the decorators of parameters say. */
export const PARAMETERS_METADATA = '__routeArguments__';

/** Nest's own key for the path of a route. */
export const ROUTE_PATH_METADATA = 'path';

/** Nest's own key for the message that a handler of a microservice is called for. */
export const PATTERN_METADATA = 'microservices:pattern';

/** Nest's own keys for the other handlers before which it runs guards: of WebSocket messages, and of GraphQL. */
export const GATEWAY_MESSAGE_METADATA = 'websockets:message_mapping';
export const RESOLVER_METADATA = 'graphql:resolver_type';
export const FIELD_RESOLVER_METADATA = 'graphql:resolve_property';
export const REFERENCE_RESOLVER_METADATA = 'graphql:resolve_reference';

/** What decorators such as `@UseGuards()` have bound to a class and to its method. */
export function boundTo(classRef: object, method: object, key: string): unknown[] {
  return [classRef, method].flatMap((target) => (Reflect.getMetadata(key, target) as unknown) ?? []);
}
