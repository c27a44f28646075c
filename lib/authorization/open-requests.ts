import type { AnonymousAccess } from '../options/anonymous-access.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';
import { openPurposeOf, type RpcBody, type RpcMessage } from '../request/rpc-body.js';

/**
 * Whether an anonymous caller may send this to an MCP endpoint, provided that all operations in it are public: a body whose
 * messages are all known and allowed; or no body, to open a stream or to end a session.
 */
export function isOpenRequest(
  { method }: HttpRequest,
  { messages, operations }: RpcBody,
  allowed: Exclude<AnonymousAccess, false>,
): boolean {
  if (method === 'GET' || method === 'DELETE') return allowed.connect && (allowed.call || operations.length === 0);
  return messages.length > 0 && messages.every((message) => isOpenMessage(message, allowed));
}

function isOpenMessage(message: RpcMessage, allowed: Exclude<AnonymousAccess, false>): boolean {
  if (message.operations.length > 0) return allowed.call;
  const purpose = openPurposeOf(message);
  return purpose !== undefined && allowed[purpose];
}

/** Whether a request is sent to the endpoint of a resource; a slash at the end does not count. */
export function isAt({ identifier }: ResolvedResource, request: HttpRequest): boolean {
  return withoutSlash(targetPath(request)) === withoutSlash(identifier.path);
}

function withoutSlash(path: string): string {
  return path.replace(/\/$/, '');
}
