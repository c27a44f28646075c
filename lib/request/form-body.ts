import type { IncomingMessage } from 'node:http';
import { mediaTypeOf } from '../core/media-type.js';
import { isRecord, ownMember } from '../core/record.js';

/** In bytes. The longest form that is read. */
const MAX_LENGTH = 65_536;

/**
 * The only value of a field in the form of a request; undefined if the body is not a form, is too long, or does not have the field
 * exactly once. Reads the body, unless a parser of the platform has done so.
 *
 * @see OpenID Connect Back-Channel Logout 1.0 §2.5, for the media type
 */
export async function formField(
  request: IncomingMessage & { readonly body?: unknown },
  name: string,
): Promise<string | undefined> {
  if (mediaTypeOf(request.headers['content-type']) !== 'application/x-www-form-urlencoded') return undefined;
  // A parser that finds no body ends the stream without reading it.
  const isUntouched = !request.readableDidRead && !request.readableEnded;
  if (isUntouched) return only(textFields(await textOf(request), name));
  const { body } = request;
  if (typeof body === 'string') return only(textFields(body, name));
  if (body instanceof Uint8Array) return only(textFields(Buffer.from(body).toString(), name));
  return only([isRecord(body) ? ownMember(body, name) : undefined]);
}

function textFields(text: string | undefined, name: string): unknown[] {
  return new URLSearchParams(text).getAll(name);
}

/** Parsers make a list of a field that is repeated. */
function only(values: readonly unknown[]): string | undefined {
  const [value] = values;
  return values.length === 1 && typeof value === 'string' && value !== '' ? value : undefined;
}

/** Keeps nothing beyond the limit; undefined for a longer body, and for one that breaks off. */
function textOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  return new Promise((resolve) => {
    request.on('data', (chunk: Uint8Array) => {
      length += chunk.byteLength;
      if (length <= MAX_LENGTH) chunks.push(chunk);
      else resolve(undefined);
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString()));
    for (const event of ['error', 'close']) request.once(event, () => resolve(undefined));
  });
}
