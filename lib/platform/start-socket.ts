import { Socket, type AddressInfo } from 'node:net';

/** Greatest length of an answer that is read, in characters. */
const LONGEST_ANSWER = 4_096;

/** Answers that come before the answer, such as 103 Early Hints (RFC 9110 §15.2). */
const INFORMATIONAL = /^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/;

/**
 * Replaces the connection of a request that the library sends within the process. Has the members of a connection,
 * encrypted or not, that middleware uses, and records the beginning of the answer. Nothing done to it, such as
 * destroying it with an error, has an effect elsewhere.
 */
export class StartSocket extends Socket {
  // An address that no client has, for code that counts requests by address.
  override readonly remoteAddress = '127.0.0.2';
  override readonly remotePort = 0;
  override readonly remoteFamily = 'IPv4';
  override readonly localAddress = '127.0.0.1';
  override readonly localPort = 0;
  /** Like a connected socket. */
  override readonly pending = false;
  /** Like a client without a certificate. */
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

  /** Called after each write. */
  set onWritten(listener: () => void) {
    this.#onWritten = listener;
  }

  /** The beginning of the answer: status line, header fields and body. */
  get answer(): string {
    return this.#written.replace(INFORMATIONAL, '');
  }

  /** Undefined until an answer has begun. */
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
    // There is nothing to read: the request does not come from this socket.
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
