import { mediaTypeOf } from '../core/media-type.js';
import { Deadline } from '../core/deadline.js';
import { requestName, send, type Outbound, type OutboundRequest } from './outbound.js';
import type { OutboundError } from './outbound-error.js';
import { endTransfer, readText } from './response-text.js';

/** An answer with any status. */
export interface ProbedAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** In lower case, without parameters. */
  readonly contentType: string;
  /** The body; empty if it could not be read. */
  readonly text: string;
  /** Why the body could not be read; undefined if it could. */
  readonly flaw: string | undefined;
}

/**
 * Sends one request for the doctor, which judges the answer itself, whatever its status and type. Limits time and size, and
 * follows no redirects. Leaves out a body that is too long or too late, and does not wait for an event stream.
 *
 * @throws {OutboundError} when there is no answer
 */
export async function probe(url: string, request: OutboundRequest, outbound: Outbound): Promise<ProbedAnswer> {
  const deadline = new Deadline(outbound);
  try {
    const response = await send(url, request, outbound, deadline);
    const { status, headers } = response;
    const contentType = mediaTypeOf(headers.get('content-type'));
    const body = await readBody(requestName(url, request), response, contentType, outbound, deadline);
    return { status, headers, contentType, ...body };
  } finally {
    deadline.clear();
  }
}

async function readBody(
  request: string,
  response: Response,
  contentType: string,
  { maxBytes }: Outbound,
  deadline: Deadline,
): Promise<Pick<ProbedAnswer, 'text' | 'flaw'>> {
  try {
    if (contentType === 'text/event-stream') return { text: '', flaw: 'the body is a stream of events' };
    return { text: await readText(request, response, maxBytes, deadline), flaw: undefined };
  } catch (error) {
    return { text: '', flaw: (error as OutboundError).what };
  } finally {
    endTransfer(response);
  }
}
