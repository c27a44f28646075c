import { isRecord } from '../core/record.js';

/** The kinds of MCP primitives whose handlers can declare requirements. */
export type OperationKind = 'tool' | 'resource' | 'resource-template' | 'prompt';

/** The method that runs the handler of each kind of primitive. */
export const HANDLER_METHODS = {
  tool: 'tools/call',
  prompt: 'prompts/get',
  resource: 'resources/read',
  'resource-template': 'resources/read',
} as const satisfies Readonly<Record<OperationKind, string>>;

/** One use of one MCP primitive in a JSON-RPC message. */
export interface Operation {
  readonly kind: OperationKind;
  /** The JSON-RPC method that uses it, such as `tools/call`. */
  readonly method: string;
  /** Tool or prompt name, resource URI or URI template, exactly as sent. */
  readonly name: string;
  /** The arguments as sent: parsed, not validated. */
  readonly args: unknown;
  /** Whether a handler runs for it, where its declarations are checked again. False for subscriptions and completions. */
  readonly reachesHandler: boolean;
}

/** The parts of one JSON-RPC message that authorization needs. */
export interface RpcMessage {
  /** Undefined for a response to a request of the server. */
  readonly method: string | undefined;
  /** The primitives it uses; several for a subscription to several resources. */
  readonly operations: readonly Operation[];
  /** The value that an `Mcp-Name` header must repeat; undefined if the method has none. */
  readonly mirroredName: string | undefined;
  /** Whether the message names its own protocol version (since 2026-07-28), and so belongs to no session. */
  readonly isSessionless: boolean;
}

/** The parts of a parsed request body that authorization needs. */
export interface RpcBody {
  /** Empty if the body is not JSON-RPC. */
  readonly messages: readonly RpcMessage[];
  /** The operations of all messages. */
  readonly operations: readonly Operation[];
  readonly isBatch: boolean;
  /** What exceeds a limit and was not read: the request must be refused. Undefined if everything was read. */
  readonly excess: 'messages' | 'operations' | undefined;
  /** The id of a single request; null for an unusable id and for a batch; undefined if the body is not a JSON-RPC request. */
  readonly requestId: string | number | null | undefined;
}

/** The member of `_meta` that names the protocol version of a request, since 2026-07-28. */
const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';

/** Most messages of a batch that are read. A batch with more is refused. */
const MAX_MESSAGES = 100;

/** Most operations of a request that are read, such as the resources of a subscription. A request with more is refused. */
const MAX_OPERATIONS = 1000;

const NOT_RPC: RpcBody = { messages: [], operations: [], isBatch: false, excess: undefined, requestId: undefined };

const NOTHING: Readonly<Record<string, unknown>> = {};
export const NO_OPERATIONS: readonly Operation[] = [];

/**
 * Methods that use no primitive and disclose no more than the lists of a server: those that open and keep a connection, and
 * the lists themselves. Anonymous callers may use them, if the options allow it.
 */
const OPEN_METHODS: ReadonlyMap<string | undefined, 'connect' | 'list'> = new Map([
  ['initialize', 'connect'],
  ['notifications/initialized', 'connect'],
  ['notifications/cancelled', 'connect'],
  ['ping', 'connect'],
  ['server/discover', 'list'],
  ['tools/list', 'list'],
  ['resources/list', 'list'],
  ['resources/templates/list', 'list'],
  ['prompts/list', 'list'],
]);

/**
 * Reads which primitives a body uses. The result only adds requirements: a body that is not understood here still needs the
 * baseline, and its handler still checks its own requirements. Stops at a limit, and reports that as `excess`.
 *
 * Reads the same object that the transport dispatches; never the raw text, never a header.
 */
export function readRpcBody(body: unknown): RpcBody {
  if (Array.isArray(body)) return body.some(isEnvelope) ? readBatch(body) : NOT_RPC;
  if (!isEnvelope(body)) return NOT_RPC;
  const message = readMessage(body, MAX_OPERATIONS);
  const excess = message.isCutShort ? 'operations' : undefined;
  return { messages: [message], operations: message.operations, isBatch: false, excess, requestId: requestId(body) };
}

function readBatch(body: readonly unknown[]): RpcBody {
  const messages: ReadMessage[] = [];
  const operations: Operation[] = [];
  for (const envelope of body) {
    if (messages.length === MAX_MESSAGES) break;
    // Other items do not count: they cannot push a message beyond the limit.
    if (!isEnvelope(envelope)) continue;
    const message = readMessage(envelope, MAX_OPERATIONS - operations.length);
    messages.push(message);
    for (const operation of message.operations) operations.push(operation);
  }
  const isCutShort = messages.some((message) => message.isCutShort);
  const excess = body.length > MAX_MESSAGES ? 'messages' : isCutShort ? 'operations' : undefined;
  return { messages, operations, isBatch: true, excess, requestId: null };
}

/** Whether the message opens or keeps a connection, or asks for a list; undefined if it does neither. */
export function openPurposeOf({ method }: RpcMessage): 'connect' | 'list' | undefined {
  return OPEN_METHODS.get(method);
}

/** A JSON-RPC 2.0 message. Its members are not validated. */
type Envelope = Readonly<Record<string, unknown>>;

/** Whether a value counts as a JSON-RPC 2.0 message. Does not check its other members. */
export function isEnvelope(value: unknown): value is Envelope {
  return isRecord(value) && value['jsonrpc'] === '2.0';
}

/**
 * The ids of the requests in a parsed body, which their responses repeat. Leaves out notifications, and what exceeds the
 * limit of {@link readRpcBody}.
 */
export function requestIdsIn(body: unknown): unknown[] {
  const messages: readonly unknown[] = Array.isArray(body) ? body.slice(0, MAX_MESSAGES) : [body];
  return messages
    .filter((message) => isEnvelope(message) && requestId(message) !== undefined)
    .map((message) => (message as Envelope)['id']);
}

function requestId({ method, id }: Envelope): string | number | null | undefined {
  if (typeof method !== 'string' || id === undefined) return undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** A message, and whether it has more operations than were read. */
interface ReadMessage extends RpcMessage {
  readonly isCutShort: boolean;
}

function readMessage({ method, params }: Envelope, limit: number): ReadMessage {
  const name = typeof method === 'string' ? method : undefined;
  const members = isRecord(params) ? params : NOTHING;
  // Reads one more than the limit, to learn whether there are more.
  const operations = operationsOf(name, members, limit + 1);
  const isCutShort = operations.length > limit;
  return {
    method: name,
    operations: isCutShort ? operations.slice(0, limit) : operations,
    isCutShort,
    mirroredName: mirroredName(name, members),
    isSessionless: isRecord(members['_meta']) && Object.hasOwn(members['_meta'], PROTOCOL_VERSION),
  };
}

function operationsOf(
  method: string | undefined,
  params: Readonly<Record<string, unknown>>,
  limit: number,
): readonly Operation[] {
  switch (method) {
    case 'tools/call':
      return operationNamed('tool', method, params['name'], params['arguments']);
    case 'prompts/get':
      return operationNamed('prompt', method, params['name'], params['arguments']);
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return operationNamed('resource', method, params['uri'], undefined);
    case 'subscriptions/listen':
      return subscribedResources(method, params['notifications'], limit);
    case 'completion/complete':
      return completedPrimitive(method, params);
    default:
      return NO_OPERATIONS;
  }
}

/** The resources whose updates a client subscribes to in one request, since 2026-07-28. */
function subscribedResources(method: string, notifications: unknown, limit: number): Operation[] {
  const uris: unknown = isRecord(notifications) ? notifications['resourceSubscriptions'] : undefined;
  if (!Array.isArray(uris)) return [];
  return uris.slice(0, limit).flatMap((uri: unknown) => operationNamed('resource', method, uri, undefined));
}

/** The prompt or resource that a completion is for. A completion reveals existing values, so it needs the same scopes. */
function completedPrimitive(
  method: string,
  { ref, argument, context }: Readonly<Record<string, unknown>>,
): Operation[] {
  if (!isRecord(ref)) return [];
  const args = isRecord(context) ? context['arguments'] : undefined;
  if (ref['type'] === 'ref/prompt') return operationNamed('prompt', method, ref['name'], args);
  return ref['type'] === 'ref/resource'
    ? operationNamed('resource-template', method, ref['uri'], withArgument(args, argument))
    : [];
}

/** The arguments known so far, together with the one that is being completed. */
function withArgument(args: unknown, argument: unknown): unknown {
  if (!isRecord(argument) || typeof argument['name'] !== 'string') return args;
  return { ...(isRecord(args) ? args : {}), [argument['name']]: argument['value'] };
}

function operationNamed(kind: OperationKind, method: string, name: unknown, args: unknown): Operation[] {
  const reachesHandler = method === HANDLER_METHODS[kind];
  return typeof name === 'string' ? [{ kind, method, name, args, reachesHandler }] : [];
}

/** @see SEP-2243: the parameter that `Mcp-Name` repeats */
function mirroredName(method: string | undefined, params: Readonly<Record<string, unknown>>): string | undefined {
  const name = mirroredParameter(method);
  const value = name === undefined ? undefined : params[name];
  return typeof value === 'string' ? value : undefined;
}

function mirroredParameter(method: string | undefined): string | undefined {
  switch (method) {
    case 'tools/call':
    case 'prompts/get':
      return 'name';
    case 'resources/read':
      return 'uri';
    case 'tasks/get':
    case 'tasks/update':
    case 'tasks/cancel':
      return 'taskId';
    default:
      return undefined;
  }
}
