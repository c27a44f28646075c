import type { EventEmitter } from 'node:events';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ConfigProblem } from '../core/error.js';
import { logger } from '../observability/logger.js';
import { ResolvedOptions } from '../options/options.js';
import { httpAdapterOf } from './http-adapter.js';
import { StartCheck } from './start-check.js';

/** The used members of the HTTP server of an application. Servers of HTTP/2 do not have the optional one. */
interface ListeningServer extends EventEmitter {
  readonly listening: boolean;
  close(): unknown;
  closeAllConnections?(): void;
}

/** What to do about code that answers before the guard since the application listens. */
const WRITE =
  'Add middleware, routes and listeners of requests before app.init() or app.listen(): there, the application does not start ' +
  'with an MCP endpoint outside of Nest. Or set allowUnguardedMounts, if anyone may call it';

/**
 * Asks the application once more when it listens, since code can be added between `app.init()` and `app.listen()`. Does
 * nothing in an application that never listens.
 */
@Injectable()
export class ListenCheck {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly startCheck: StartCheck,
    private readonly options: ResolvedOptions,
  ) {}

  /** Call it before the application listens. */
  prepare(): void {
    const server = httpAdapterOf(this.host)?.getHttpServer() as ListeningServer | undefined;
    if (typeof server?.once === 'function')
      server.once('listening', () => {
        // Nobody waits for this check, and a logger of the application may throw.
        this.#ask(server).catch(() => undefined);
      });
  }

  async #ask(server: ListeningServer): Promise<void> {
    const problems = await this.startCheck.askAgain(server);
    // A server that is closing refuses requests by itself.
    if (problems.length === 0 || !server.listening) return;
    if (this.options.startCheck === 'log') return logger.error(`${textOf(problems)}. ${WRITE}`);
    server.close();
    server.closeAllConnections?.();
    // No connection that is left, as over HTTP/2, is served either.
    server.removeAllListeners('request');
    logger.fatal(`${textOf(problems)}; the HTTP server is closed (startCheck: 'close'). ${WRITE}`);
  }
}

function textOf(problems: readonly ConfigProblem[]): string {
  const found = problems.map(({ option, seen }) => `${option} gives ${seen}`).join(', and ');
  return `Since the application listens, ${found}, before McpAuthGuard is asked`;
}
