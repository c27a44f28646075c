import type { ServerResponse } from 'node:http';
import { placeWith } from './core/kept.js';
import { placeOf, type HttpRequest } from './mcp-auth.context.js';

/** The arguments of `writeHead`: status, perhaps a reason, perhaps headers. */
export type Head = [status: number, ...rest: unknown[]];

/** What watches one response. */
export interface HeadWatcher {
  /** Is given the head that is about to be written; what it returns is written. */
  before(head: Head): Head;
  /** The head was written, and `getHeader` of the response knows all of it, if any header was there before. */
  after(): void;
}

type WriteHead = (...head: Head) => ServerResponse;

/** Says of responses that their prototype asks the watcher. */
const ASKS_WATCHER = Symbol('asks the watcher of the head');
const watchers = placeWith<{ readonly response: ServerResponse; readonly watcher: HeadWatcher }>();

/** Has the watcher asked when the head of the response is written, by whomever. */
export function watchHead(request: HttpRequest, response: ServerResponse, watcher: HeadWatcher): void {
  // Where somebody else has a hand in it already, this one has to come first.
  if (ASKS_WATCHER in response && !Object.hasOwn(response, 'writeHead')) {
    watchers.keep(placeOf(request), { response, watcher });
    return;
  }
  const writeHead = response.writeHead as WriteHead;
  const watched: WriteHead = (...head) => writeWatched(response, watcher, writeHead, head);
  response.writeHead = watched as ServerResponse['writeHead'];
}

function writeWatched(response: ServerResponse, watcher: HeadWatcher, writeHead: WriteHead, head: Head): ServerResponse {
  writeHead.apply(response, watcher.before(head));
  watcher.after();
  return response;
}

/** Has the watchers asked by the responses which have this prototype, so that nothing need be added to each of them. */
export function askWatchersOf(prototype: object): void {
  if (Object.hasOwn(prototype, 'writeHead')) return;
  const writeHead = function (this: ServerResponse, ...head: Head): ServerResponse {
    // Looked up each time: tools for tracing replace it while the application runs.
    const inherited = (Object.getPrototypeOf(prototype) as { writeHead: WriteHead }).writeHead;
    const kept = watchers.of(placeOf(this.req));
    return kept?.response === this ? writeWatched(this, kept.watcher, inherited, head) : inherited.apply(this, head);
  };
  Object.defineProperties(prototype, {
    writeHead: { value: writeHead, configurable: true, writable: true },
    [ASKS_WATCHER]: { value: true },
  });
}
