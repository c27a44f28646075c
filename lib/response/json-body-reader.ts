import type { ServerResponse } from 'node:http';
import { decoderOf, type Decode } from './content-coding.js';
import type { BodyListener } from './response-body.js';

/** In bytes, as sent. A longer body is not read. */
const MAX_LENGTH = 262_144;

/**
 * Reads a body that is one JSON text, with or without a content coding. Middleware of Express compresses the body after it was
 * read here, but sets the head before. A body with an unknown coding is not read.
 */
export class JsonBodyReader implements BodyListener {
  readonly #decode: Decode | undefined;
  #pieces: Uint8Array[] = [];
  #length = 0;

  /**
   * @param response its head must be known
   * @param read returns whether it understood the text; called again with the decoded text if it did not
   */
  constructor(
    response: ServerResponse,
    private readonly read: (text: string) => boolean,
  ) {
    this.#decode = codingOf(response);
  }

  piece(piece: string | Uint8Array): void {
    this.#length += Buffer.byteLength(piece);
    if (this.#length > MAX_LENGTH) this.#pieces = [];
    // A copy: the writer may use the memory of its bytes again for the next piece.
    else this.#pieces.push(Buffer.from(piece as string));
  }

  end(): void {
    if (this.#length > MAX_LENGTH) return;
    const bytes = Buffer.concat(this.#pieces);
    if (!this.read(bytes.toString('utf8'))) this.read(decoded(bytes, this.#decode));
  }
}

/** The decoder for the content coding of a response; undefined if it has no coding, or an unknown one. */
function codingOf(response: ServerResponse): Decode | undefined {
  const coding = response.getHeader('content-encoding');
  return coding === undefined ? undefined : decoderOf(coding);
}

/** The decoded text; empty if the bytes cannot be decoded. */
function decoded(bytes: Uint8Array, decode: Decode | undefined): string {
  try {
    return decode?.(bytes).toString('utf8') ?? '';
  } catch {
    return '';
  }
}
