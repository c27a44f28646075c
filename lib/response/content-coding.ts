import * as zlib from 'node:zlib';

/** Decodes a body that has a content coding. */
export type Decode = (bytes: Uint8Array) => Buffer;

/** Remove with Node 22, in favour of a named import: Node 20 does not have this function. */
const { zstdDecompressSync } = zlib as { readonly zstdDecompressSync?: Decode };

/** The decoders by content coding (RFC 9110 §8.4.1). */
const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['', (bytes) => Buffer.from(bytes)],
  ['identity', (bytes) => Buffer.from(bytes)],
  ['gzip', (bytes) => zlib.gunzipSync(bytes)],
  ['x-gzip', (bytes) => zlib.gunzipSync(bytes)],
  ['deflate', (bytes) => zlib.inflateSync(bytes)],
  ['br', (bytes) => zlib.brotliDecompressSync(bytes)],
  ...(zstdDecompressSync ? [['zstd', (bytes: Uint8Array) => zstdDecompressSync(bytes)] as const] : []),
]);

/** The decoder for a `Content-Encoding`; undefined if the coding is unknown. */
export function decoderOf(encoding: unknown): Decode | undefined {
  return DECODERS.get(
    String(encoding ?? '')
      .trim()
      .toLowerCase(),
  );
}
