import { redactTokens } from '../core/safe-text.js';
import type { RpcBody, RpcMessage } from '../request/rpc-body.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';

/** Messages of one request that are named; a batch may have thousands. */
const MAX_MESSAGES = 20;

/** Longest name of what was asked for, in characters. */
const MAX_LENGTH = 200;

/**
 * What a request asked for, in words as it was sent, shortened: `tools/call add-note` for each message of an MCP request;
 * for other routes method and path, without the query, where tokens stand that do not belong there.
 */
export function operationNames(request: HttpRequest | undefined, { messages }: RpcBody): string[] {
  if (messages.length > 0) return messages.slice(0, MAX_MESSAGES).map((message) => shortened(wordsFor(message)));
  return request ? [shortened(`${request.method} ${targetPath(request)}`)] : [];
}

function wordsFor({ method = 'a response', operations }: RpcMessage): string {
  return [method, ...operations.slice(0, MAX_MESSAGES).map(({ name }) => name)].join(' ');
}

/** For what clients chose. */
export function shortened(text: string): string {
  return redactTokens(text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text);
}
