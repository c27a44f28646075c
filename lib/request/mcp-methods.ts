import type { RpcMessage } from './rpc-body.js';

/** The methods and notifications of all protocol versions. `ping` is left out: other protocols have it, and it tells nothing. */
const MCP_METHOD =
  /^(?:initialize$|(?:tools|resources|prompts|completion|logging|notifications|tasks|sampling|roots|elicitation|server|subscriptions)\/)/;

/** Whether a JSON-RPC message is one of MCP by its method, as opposed to those of other APIs. A response has no method, and counts. */
export function isMcpMessage({ method }: RpcMessage): boolean {
  return method === undefined || MCP_METHOD.test(method);
}
