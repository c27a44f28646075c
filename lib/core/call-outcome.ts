/**
 * How an admitted request ended. Of several outcomes, the first in this list counts:
 *
 * - `aborted`: the connection closed before the answer was complete;
 * - `http-error`: the status is 400 or higher;
 * - `rpc-error`: a JSON-RPC request was answered with an error;
 * - `tool-error`: a tool call was answered with a result whose `isError` is true;
 * - `unknown`: the answer has no response to a JSON-RPC request that could be read. It is longer than 256 KiB, has an unknown
 *   content coding, or is on another stream;
 * - `ok`: none of these.
 */
export type CallOutcome = 'aborted' | 'http-error' | 'rpc-error' | 'tool-error' | 'unknown' | 'ok';

/** The end of an admitted request. */
export interface CallEnd {
  /** What the answer says, see {@link CallOutcome}. */
  readonly outcome: CallOutcome;
  /** The HTTP status; undefined if the connection closed before there was one. */
  readonly status: number | undefined;
  /** The code of the first JSON-RPC error in the answer; undefined if there is none. */
  readonly errorCode: number | undefined;
}
