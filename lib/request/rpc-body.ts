import { isRecord } from '../core/record.js';

/** The kinds of MCP primitives whose handlers can carry requirements of their own. */
export type OperationKind = 'tool' | 'resource' | 'resource-template' | 'prompt';

/** One use of one primitive, as a JSON-RPC message asks for it. */
export interface Operation {
  readonly kind: OperationKind;
  /** Tool or prompt name, resource URI or URI template, exactly as sent. */
  readonly name: string;
  /** The arguments as sent: parsed, not validated. */
  readonly args: unknown;
  /**
   * Whether a handler is called for it, where its declarations are checked again. None is for subscriptions and completions.
   */
  readonly reachesHandler: boolean;
}

/** One JSON-RPC message, as far as authorization is concerned. */
export interface RpcMessage {
  /** Undefined for a response to a request of the server. */
  readonly method: string | undefined;
  /** The primitives it uses; several for a subscription to several resources. */
  readonly operations: readonly Operation[];
  /** What a `Mcp-Name` header must repeat; undefined where the method has none. */
  readonly mirroredName: string | undefined;
  /** Whether it names its own protocol version, as from 2026-07-28 on, and so belongs to no session. */
  readonly isSessionless: boolean;
}

/** What the parsed body of a POST means to the authorization decision. */
export interface RpcBody {
  /** Empty where the body is no JSON-RPC. */
  readonly messages: readonly RpcMessage[];
  /** What all of them use. */
  readonly operations: readonly Operation[];
  readonly isBatch: boolean;
  /** What there is more of than is read, so that the request must be refused; undefined where all was read. */
  readonly excess: 'messages' | 'operations' | undefined;
  /** Of a single request its id, null if that id is unusable; undefined where the body is no JSON-RPC request. */
  readonly requestId: string | number | null | undefined;
}

/** Where a request names its protocol version from 2026-07-28 on. */
const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';

/** Messages of a batch that are read. Of one that has more, none is dispatched. */
const MAX_MESSAGES = 100;

/** Operations of a request that are read, such as the resources of a subscription. Of more, none is dispatched. */
const MAX_OPERATIONS = 1000;

const NOT_RPC: RpcBody = { messages: [], operations: [], isBatch: false, excess: undefined, requestId: undefined };

const NOTHING: Readonly<Record<string, unknown>> = {};
export const NO_OPERATIONS: readonly Operation[] = [];

/**
 * Methods that use no primitive and disclose no more than what a server lists: opening and keeping a connection,
 * and the lists themselves. Where anonymous callers are let in at all, they are let in for these.
 */
const OPEN_METHODS: ReadonlySet<string | undefined> = new Set([
  'initialize',
  'notifications/initialized',
  'notifications/cancelled',
  'server/discover',
  'ping',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'prompts/list',
]);

/**
 * Reads which primitives a body uses. Only ever adds requirements: a body that is not understood here needs the
 * baseline, and meets the requirement of its handler at the handler. Reads a limited part of what is too long, and says so.
 *
 * Reads the very object that the transport goes on to dispatch; never the raw text, never a header.
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
    // Counted by messages, so that what stands before them hides none.
    if (!isEnvelope(envelope)) continue;
    const message = readMessage(envelope, MAX_OPERATIONS - operations.length);
    messages.push(message);
    for (const operation of message.operations) operations.push(operation);
  }
  const isCutShort = messages.some((message) => message.isCutShort);
  const excess = body.length > MAX_MESSAGES ? 'messages' : isCutShort ? 'operations' : undefined;
  return { messages, operations, isBatch: true, excess, requestId: null };
}

/** Whether the message opens or keeps a connection, or asks for a list. */
export function isOpenMethod({ method }: RpcMessage): boolean {
  return OPEN_METHODS.has(method);
}

/** A value that counts as a message of JSON-RPC 2.0, with whatever members. */
type Envelope = Readonly<Record<string, unknown>>;

/** Whether a value counts as a message of JSON-RPC 2.0, whatever its other members are. */
export function isEnvelope(value: unknown): value is Envelope {
  return isRecord(value) && value['jsonrpc'] === '2.0';
}

function requestId({ method, id }: Envelope): string | number | null | undefined {
  if (typeof method !== 'string' || id === undefined) return undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** A message of which no more operations were read than there was room for. */
interface ReadMessage extends RpcMessage {
  readonly isCutShort: boolean;
}

function readMessage({ method, params }: Envelope, room: number): ReadMessage {
  const name = typeof method === 'string' ? method : undefined;
  const given = isRecord(params) ? params : NOTHING;
  // One more than there is room for, to see that there are more.
  const operations = operationsOf(name, given, room + 1);
  const isCutShort = operations.length > room;
  return {
    method: name,
    operations: isCutShort ? operations.slice(0, room) : operations,
    isCutShort,
    mirroredName: mirroredName(name, given),
    isSessionless: isRecord(given['_meta']) && Object.hasOwn(given['_meta'], PROTOCOL_VERSION),
  };
}

function operationsOf(
  method: string | undefined,
  params: Readonly<Record<string, unknown>>,
  limit: number,
): readonly Operation[] {
  switch (method) {
    case 'tools/call':
      return named('tool', params['name'], params['arguments'], true);
    case 'prompts/get':
      return named('prompt', params['name'], params['arguments'], true);
    case 'resources/read':
      return named('resource', params['uri'], undefined, true);
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return named('resource', params['uri'], undefined, false);
    case 'subscriptions/listen':
      return subscribed(params['notifications'], limit);
    case 'completion/complete':
      return completed(params);
    default:
      return NO_OPERATIONS;
  }
}

/** The resources whose changes a 2026-07-28 subscription asks to be told of. */
function subscribed(notifications: unknown, limit: number): Operation[] {
  const uris: unknown = isRecord(notifications) ? notifications['resourceSubscriptions'] : undefined;
  if (!Array.isArray(uris)) return [];
  return uris.slice(0, limit).flatMap((uri: unknown) => named('resource', uri, undefined, false));
}

/** Completing an argument reveals what values there are, so it needs what the prompt or resource itself needs. */
function completed({ ref, argument, context }: Readonly<Record<string, unknown>>): Operation[] {
  if (!isRecord(ref)) return [];
  const args = isRecord(context) ? context['arguments'] : undefined;
  if (ref['type'] === 'ref/prompt') return named('prompt', ref['name'], args, false);
  return ref['type'] === 'ref/resource'
    ? named('resource-template', ref['uri'], withArgument(args, argument), false)
    : [];
}

/** The variables that are known already, with the one that is being completed. */
function withArgument(args: unknown, argument: unknown): unknown {
  if (!isRecord(argument) || typeof argument['name'] !== 'string') return args;
  return { ...(isRecord(args) ? args : {}), [argument['name']]: argument['value'] };
}

function named(kind: OperationKind, name: unknown, args: unknown, reachesHandler: boolean): Operation[] {
  return typeof name === 'string' ? [{ kind, name, args, reachesHandler }] : [];
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
