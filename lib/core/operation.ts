/** The kinds of MCP primitives whose handlers can carry requirements of their own. */
export type OperationKind = 'tool' | 'resource' | 'prompt';

/** One use of one primitive, as a JSON-RPC message asks for it. */
export interface Operation {
  readonly kind: OperationKind;
  /** Tool or prompt name, or resource URI, exactly as sent. */
  readonly name: string;
  /** The arguments as sent: parsed, not validated. */
  readonly args: unknown;
}

/** What the parsed body of a POST means to the authorization decision. */
export interface RpcBody {
  /** One entry for every message that uses a primitive; a batch has several. */
  readonly operations: readonly Operation[];
  /** Of a single request its id, null if that id is unusable; undefined where the body is no JSON-RPC request. */
  readonly requestId: string | number | null | undefined;
}

const NOT_RPC: RpcBody = { operations: [], requestId: undefined };

/**
 * Reads which primitives a body uses. Only ever adds requirements: a body that is not understood here needs the
 * baseline, and meets the requirement of its handler at the handler.
 *
 * Reads the very object that the transport goes on to dispatch; never the raw text, never a header.
 */
export function readRpcBody(body: unknown): RpcBody {
  if (Array.isArray(body)) {
    const requests = body.filter(isRpcMessage);
    if (requests.length === 0) return NOT_RPC;
    return { operations: requests.flatMap(operationOf), requestId: null };
  }
  if (!isRpcMessage(body)) return NOT_RPC;
  return { operations: operationOf(body), requestId: requestId(body) };
}

interface RpcMessage {
  readonly jsonrpc: '2.0';
  readonly method?: unknown;
  readonly params?: unknown;
  readonly id?: unknown;
}

function isRpcMessage(value: unknown): value is RpcMessage {
  return isRecord(value) && value['jsonrpc'] === '2.0';
}

function requestId({ method, id }: RpcMessage): string | number | null | undefined {
  if (typeof method !== 'string' || id === undefined) return undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

function operationOf({ method, params }: RpcMessage): Operation[] {
  if (!isRecord(params)) return [];
  switch (method) {
    case 'tools/call':
      return named('tool', params['name'], params['arguments']);
    case 'prompts/get':
      return named('prompt', params['name'], params['arguments']);
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return named('resource', params['uri'], undefined);
    default:
      return [];
  }
}

function named(kind: OperationKind, name: unknown, args: unknown): Operation[] {
  return typeof name === 'string' ? [{ kind, name, args }] : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
