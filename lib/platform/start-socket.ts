import { Socket, type AddressInfo } from 'node:net';

/** As much of an answer as is looked at, in characters. */
const LONGEST_ANSWER = 4_096;

/** Answers that come before the answer, such as 103 Early Hints (RFC 9110 §15.2). */
const INFORMATIONAL = /^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/;

/**
 * Takes the place of a connection for a request that the library makes in the process. It has what middleware uses of a
 * connection, encrypted or not, and remembers the beginning of what is written to it. Nothing that is done to it, such as
 * destroying it with an error, has an effect elsewhere.
 */
export class StartSocket extends Socket {
  // The address of no client, for those who count requests by it.
  override readonly remoteAddress = '127.0.0.2';
  override readonly remotePort = 0;
  override readonly remoteFamily = 'IPv4';
  override readonly localAddress = '127.0.0.1';
  override readonly localPort = 0;
  /** As of one that is connected. */
  override readonly pending = false;
  /** As of a client without a certificate. */
  readonly authorized = false;
  readonly alpnProtocol = false;

  #written = '';
  #onWritten: () => void = () => undefined;

  constructor(
    readonly encrypted: boolean,
    readonly server: unknown,
  ) {
    super();
    this.on('error', () => undefined);
  }

  /** Called each time that something is written. */
  set onWritten(listener: () => void) {
    this.#onWritten = listener;
  }

  /** The beginning of the answer: status line, header fields and body. */
  get answer(): string {
    return this.#written.replace(INFORMATIONAL, '');
  }

  /** Undefined as long as no answer has begun. */
  get status(): number | undefined {
    const [, status] = /^HTTP\/1\.1 ([2-9]\d\d) /.exec(this.answer) ?? [];
    return status === undefined ? undefined : Number(status);
  }

  override address(): AddressInfo {
    return { address: this.localAddress, family: 'IPv4', port: this.localPort };
  }

  override setTimeout(): this {
    return this;
  }

  override ref(): this {
    return this;
  }

  override unref(): this {
    return this;
  }

  getPeerCertificate(): object {
    return {};
  }

  getProtocol(): string | null {
    return this.encrypted ? 'TLSv1.3' : null;
  }

  getCipher(): object {
    return {};
  }

  override _read(): void {
    // Nobody sends anything but the request, which does not come from here.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#note(chunk);
    done();
  }

  override _final(done: () => void): void {
    done();
  }

  override _writev(chunks: { chunk: Buffer | string; encoding: BufferEncoding }[], done: () => void): void {
    for (const { chunk, encoding } of chunks) this.#note(Buffer.from(chunk as string, encoding));
    done();
  }

  #note(chunk: Buffer): void {
    if (this.#written.length < LONGEST_ANSWER) this.#written += Buffer.from(chunk).toString('latin1');
    this.#onWritten();
  }
}
