import { redactTokens } from '../core/safe-text.js';
import type { Operation, RpcBody, RpcMessage } from '../request/rpc-body.js';
import type { McpMessageFacts } from './event-types.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';

/** Number of messages of one request that are named; a batch may have many. */
const MAX_MESSAGES = 20;

/** Longest name of an operation, in characters. */
const MAX_LENGTH = 200;

/**
 * The operations of a request, as sent but shortened: `tools/call add-note` for each message of an MCP request; method
 * and path for other routes. Leaves out the query, which may contain a misplaced token.
 */
export function operationNames(request: HttpRequest | undefined, { messages }: RpcBody): string[] {
  if (messages.length > 0) return messages.slice(0, MAX_MESSAGES).map((message) => shortened(nameOf(message)));
  return request ? [shortened(`${request.method} ${targetPath(request)}`)] : [];
}

function nameOf({ method = 'a response', operations }: RpcMessage): string {
  return [method, ...operations.slice(0, MAX_MESSAGES).map(({ name }) => name)].join(' ');
}

/** The messages of an MCP request, as sent but shortened. The function adds what is known of an operation. */
export function messageFacts(
  { messages }: RpcBody,
  factsOf: (operation: Operation) => OperationFacts,
): McpMessageFacts[] {
  return messages.slice(0, MAX_MESSAGES).map(({ method, operations: [operation] }) => ({
    method: method === undefined ? undefined : shortened(method),
    kind: operation?.kind,
    name: operation && shortened(operation.name),
    ...(operation ? factsOf(operation) : { isDeclared: false }),
  }));
}

type OperationFacts = Pick<McpMessageFacts, 'isDeclared' | 'arguments' | 'argumentsOmitted'>;

/** For text that clients chose. */
export function shortened(text: string): string {
  return redactTokens(text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text);
}
