import type { ServerResponse } from 'node:http';
import { isRecord } from '../core/record.js';

/** The arguments of `writeHead`: the status, an optional reason, and optional headers. */
export type Head = [status: number, ...rest: unknown[]];

/** Runs when the head of one response is written. */
export interface WriteHeadHook {
  /** Receives the head that is about to be written, and returns the head to write. */
  before(head: Head): Head;
  /** Called after the head was written: `getHeader` of the response returns all of it. */
  after(): void;
}

type WriteHead = (...head: Head) => ServerResponse;

/**
 * Calls the hook when the head of the response is written. Node calls `writeHead`, too, before the first byte of a body.
 * Replaces the method of the response object itself, where it stays if another application receives the response.
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
 * The value of a header in a head that is about to be written: from the arguments of `writeHead`, or else as set before.
 *
 * @param name in lower case
 */
export function headerInHead(response: ServerResponse, head: Head, name: string): unknown {
  const entry = entriesOf(head.at(-1)).findLast(([field]) => String(field).toLowerCase() === name);
  return entry ? entry[1] : response.getHeader(name);
}

/**
 * The arguments of `writeHead` without some headers, in their original form.
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

/** The headers in each form that `writeHead` takes: an object, a list of pairs, or a list of names and values in turn. */
function entriesOf(headers: unknown): Entry[] {
  if (isRecord(headers)) return Object.entries(headers);
  if (!Array.isArray(headers)) return [];
  if (Array.isArray(headers[0])) return headers as Entry[];
  return headers.flatMap((name: unknown, at): Entry[] => (at % 2 === 0 ? [[name, headers[at + 1]]] : []));
}
