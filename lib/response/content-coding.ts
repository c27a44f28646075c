import * as zlib from 'node:zlib';

/** Makes of the bytes that are sent those that they stand for. */
export type Decode = (bytes: Uint8Array) => Buffer;

/** Since version 22.15 of Node.js. */
const { zstdDecompressSync } = zlib as { readonly zstdDecompressSync?: Decode };

/** By the content coding (RFC 9110 §8.4.1). */
const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['', (bytes) => Buffer.from(bytes)],
  ['identity', (bytes) => Buffer.from(bytes)],
  ['gzip', (bytes) => zlib.gunzipSync(bytes)],
  ['x-gzip', (bytes) => zlib.gunzipSync(bytes)],
  ['deflate', (bytes) => zlib.inflateSync(bytes)],
  ['br', (bytes) => zlib.brotliDecompressSync(bytes)],
  ...(zstdDecompressSync ? [['zstd', (bytes: Uint8Array) => zstdDecompressSync(bytes)] as const] : []),
]);

/** Undefined for a coding that is not known here. */
export function decoderOf(encoding: unknown): Decode | undefined {
  return DECODERS.get(
    String(encoding ?? '')
      .trim()
      .toLowerCase(),
  );
}
