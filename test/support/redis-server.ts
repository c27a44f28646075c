import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';

/** `REDIS_SERVER=/path/of/valkey-server npm run test:brokers` runs the same tests with Valkey. */
const BINARY = process.env['REDIS_SERVER'] ?? 'redis-server';

/** A real `redis-server` on a free port, or another server with the same command line. */
export class RedisServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'redis-'));
  #process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly options: readonly string[],
    private readonly binary: string,
  ) {}

  /** Without persistence unless the options say otherwise. */
  static async start(options: readonly string[] = [], binary = BINARY): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), options, binary);
    await server.restart();
    return server;
  }

  /** A sentinel that watches this server under the name `main`. */
  async startSentinel(): Promise<RedisServer> {
    const sentinel = new RedisServer(await freePort(), ['--sentinel'], this.binary);
    const file = join(sentinel.#folder, 'sentinel.conf');
    writeFileSync(file, `sentinel monitor main 127.0.0.1 ${this.port} 1\n`);
    await sentinel.#run([file, '--port', String(sentinel.port), '--bind', '127.0.0.1', '--sentinel']);
    return sentinel;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, after {@link kill}. */
  async restart(): Promise<void> {
    const options = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder];
    await this.#run([...options, ...this.options]);
  }

  async #run(commandLine: readonly string[]): Promise<void> {
    this.#process = spawn(this.binary, commandLine, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of this.#process.stdout!)
      if (/Ready to accept connections|\+monitor/.test(String(line))) break;
    this.#process.stdout!.resume();
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(name);
  }

  /** Ends it at once: it writes nothing more. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (!process) return;
    const exit = once(process, 'exit');
    process.kill('SIGKILL');
    await exit;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}
