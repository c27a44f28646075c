import { SSE_METADATA } from './nest-metadata.js';

/** Whether Nest writes the event stream of this route. The ids of its events belong to the application. */
export function isSseRoute(handler: object): boolean {
  return Reflect.getMetadata(SSE_METADATA, handler) === true;
}
