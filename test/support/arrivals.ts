import type { IncomingMessage, Server } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import type { NotesServer } from './notes-server.js';
import { until } from './until.js';

/**
 * Watches the requests that arrive from now on. The returned function waits until `count` requests have arrived completely
 * and have reached the guard, which Nest calls in the turn of the event loop in which the body ends.
 */
export function watchArrivals({ app }: Pick<NotesServer, 'app'>): (count: number) => Promise<void> {
  let arrived = 0;
  const server = app.getHttpServer() as Server;
  server.on('request', (request: IncomingMessage) => request.once('end', () => (arrived += 1)));
  return async (count) => {
    await until(() => arrived >= count);
    await turn();
  };
}
