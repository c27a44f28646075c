import type { RpcMessage } from './rpc-body.js';

/** The methods and notifications of all protocol versions. `ping` is left out, since other protocols have it, too. */
const MCP_METHOD =
  /^(?:initialize$|(?:tools|resources|prompts|completion|logging|notifications|tasks|sampling|roots|elicitation|server|subscriptions)\/)/;

/** Whether a JSON-RPC message belongs to MCP and not to another API, by its method. A response has no method, and may belong to MCP. */
export function isMcpMessage({ method }: RpcMessage): boolean {
  return method === undefined || MCP_METHOD.test(method);
}
