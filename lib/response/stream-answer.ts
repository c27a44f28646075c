import type { ServerResponse } from 'node:http';
import { mediaTypeOf } from '../core/media-type.js';

/**
 * Media types of answers that continue for as long as there are messages. Any other answer, such as a file, has a size that is
 * fixed when it begins: it may take longer than its token is valid.
 */
const STREAM_TYPES: ReadonlySet<string> = new Set([
  'text/event-stream',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/json-seq',
  'application/stream+json',
  'multipart/x-mixed-replace',
]);

export function isStream(contentType: unknown): boolean {
  return STREAM_TYPES.has(mediaTypeOf(contentType));
}

/** Ends a stream. What the MCP framework writes after that is dropped. */
export function endStream(response: ServerResponse): void {
  response.end();
  response.write = () => true;
  response.end = () => response;
}
