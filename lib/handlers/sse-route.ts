/** Where `@Sse()` of `@nestjs/common` keeps that a method is such a route (Nest 11 and 12). */
const SSE_METADATA = '__sse__';

/** Whether Nest writes the event stream of this route, with ids that the application gives to its own events. */
export function isSseRoute(handler: object): boolean {
  return Reflect.getMetadata(SSE_METADATA, handler) === true;
}
