/** The metadata that `@Sse()` of `@nestjs/common` sets on a method (Nest 11 and 12). */
const SSE_METADATA = '__sse__';

/** Whether Nest writes the event stream of this route. The ids of its events belong to the application. */
export function isSseRoute(handler: object): boolean {
  return Reflect.getMetadata(SSE_METADATA, handler) === true;
}
