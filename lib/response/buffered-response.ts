import type { ServerResponse } from 'node:http';
import { decoderOf } from './content-coding.js';
import { headerInHead, headWithout, type Head } from './write-head-hook.js';

/** Makes the text that is sent from the text that was written. */
export type ChangeText = (text: string) => Promise<string>;

/** What is sent if the text cannot be read, because the body has an unknown content coding. */
export type UnreadableBody = 'as-it-is' | 'nothing';

/**
 * Keeps everything that is written to a response until its end, then sends the text that the function makes of it, under
 * the head that was written. A response that is destroyed instead sends nothing.
 */
export function rewriteBody(response: ServerResponse, change: ChangeText, otherwise: UnreadableBody): void {
  const buffered = new BufferedResponse(response, change, otherwise);
  response.flushHeaders = () => undefined;
  response.writeHead = ((...head: Head) => {
    buffered.head = head;
    return response;
  }) as ServerResponse['writeHead'];
  response.write = ((chunk: unknown, ...rest: unknown[]) => {
    buffered.keep(chunk, rest);
    return true;
  }) as ServerResponse['write'];
  response.end = ((chunk?: unknown, ...rest: unknown[]) => {
    buffered.keep(chunk, rest);
    buffered.end();
    return response;
  }) as ServerResponse['end'];
}

/** What was written to one response so far. */
class BufferedResponse {
  /** The head, if it was written before the end. */
  head: Head | undefined;
  readonly #methods: Pick<ServerResponse, 'writeHead' | 'write' | 'end' | 'flushHeaders'>;
  readonly #chunks: Uint8Array[] = [];
  #isEnded = false;

  constructor(
    private readonly response: ServerResponse,
    private readonly change: ChangeText,
    private readonly otherwise: UnreadableBody,
  ) {
    const { writeHead, write, end, flushHeaders } = response;
    this.#methods = { writeHead, write, end, flushHeaders };
  }

  keep(chunk: unknown, rest: readonly unknown[]): void {
    // Chunks after the end are dropped: they have no place in the answer, and frameworks do write them.
    if (!this.#isEnded) this.#chunks.push(...bytesOf(chunk, rest));
    callBack(chunk, rest);
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#send().catch((error: unknown) => this.response.destroy(error instanceof Error ? error : undefined));
  }

  async #send(): Promise<void> {
    const { response } = this;
    const head = this.head ?? [response.statusCode];
    const bytes = Buffer.concat(this.#chunks);
    const body = await this.#bodyOf(bytes, headerInHead(response, head, 'content-encoding'));
    // All of them are put back before anything is sent: `end(text)` of HTTP/2, and of some middleware, calls `write`.
    Object.assign(response, this.#methods);
    // A changed body has another length, and is not compressed.
    const outdated = body !== bytes ? ['content-length', 'content-encoding'] : ['content-length'];
    for (const name of outdated) response.removeHeader(name);
    Reflect.apply(this.#methods.writeHead, response, headWithout(head, outdated));
    response.end(body);
  }

  async #bodyOf(bytes: Buffer, contentCoding: unknown): Promise<string | Buffer> {
    const decode = decoderOf(contentCoding);
    if (decode) return this.change(decode(bytes).toString('utf8'));
    return this.otherwise === 'nothing' ? '' : bytes;
  }
}

/** A copy: the writer may use the memory of its chunk again once that was taken. */
function bytesOf(chunk: unknown, [encoding]: readonly unknown[]): Uint8Array[] {
  if (typeof chunk === 'string') return [Buffer.from(chunk, (encoding as BufferEncoding | undefined) ?? 'utf8')];
  return chunk instanceof Uint8Array ? [Buffer.from(chunk)] : [];
}

/** Calls the function that may be the last argument of `write` and `end`: the chunk was taken. */
function callBack(chunk: unknown, rest: readonly unknown[]): void {
  const taken = rest.findLast((one) => one !== undefined) ?? chunk;
  if (typeof taken === 'function') taken();
}
