import type { ServerResponse } from 'node:http';
import { isRecord } from '../core/record.js';

/** The arguments of `writeHead`: status, perhaps a reason, perhaps headers. */
export type Head = [status: number, ...rest: unknown[]];

/** What is called when the head of one response is written. */
export interface WriteHeadHook {
  /** Is given the head that is about to be written; what it returns is written. */
  before(head: Head): Head;
  /** The head was written; `getHeader` of the response knows all of it. */
  after(): void;
}

type WriteHead = (...head: Head) => ServerResponse;

/**
 * Calls the hook when the head of the response is written, by whomever: Node writes it through this method, too, before
 * the first byte of a body. It is put on the response itself, where it stays when another application is handed the response.
 */
export function addWriteHeadHook(response: ServerResponse, hook: WriteHeadHook): void {
  const writeHead = response.writeHead as WriteHead;
  const watched: WriteHead = (...head) => {
    writeHead.apply(response, hook.before(head));
    hook.after();
    return response;
  };
  response.writeHead = watched as ServerResponse['writeHead'];
}

/**
 * A header of a response whose head is about to be written: as the arguments of `writeHead` say, or else as it was set before.
 *
 * @param name in lower case
 */
export function headerInHead(response: ServerResponse, head: Head, name: string): unknown {
  const entry = entriesOf(head.at(-1)).findLast(([field]) => String(field).toLowerCase() === name);
  return entry ? entry[1] : response.getHeader(name);
}

/**
 * The arguments of `writeHead` without some headers, in the form in which they were given.
 *
 * @param names in lower case
 */
export function headWithout([status, ...rest]: Head, names: readonly string[]): Head {
  const headers = rest.at(-1);
  if (!Array.isArray(headers) && !isRecord(headers)) return [status, ...rest];
  const entries = entriesOf(headers).filter(([field]) => !names.includes(String(field).toLowerCase()));
  const isFlat = Array.isArray(headers) && !Array.isArray(headers[0]);
  const left = isFlat
    ? entries.flat(1)
    : Array.isArray(headers)
      ? entries
      : Object.fromEntries(entries as [string, unknown][]);
  return [status, ...rest.slice(0, -1), left];
}

type Entry = readonly [name: unknown, value: unknown];

/** `writeHead` takes headers as an object, as a list of pairs, and as a list in which names and values take turns. */
function entriesOf(headers: unknown): Entry[] {
  if (isRecord(headers)) return Object.entries(headers);
  if (!Array.isArray(headers)) return [];
  if (Array.isArray(headers[0])) return headers as Entry[];
  return headers.flatMap((name: unknown, at): Entry[] => (at % 2 === 0 ? [[name, headers[at + 1]]] : []));
}
