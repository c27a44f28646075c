import { behaviourOf, type ToolBehaviour } from '../core/tool-behaviour.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { ResolvedFramework } from '../options/framework-options.js';
import {
  FIELD_RESOLVER_METADATA,
  GATEWAY_MESSAGE_METADATA,
  PATTERN_METADATA,
  REFERENCE_RESOLVER_METADATA,
  RESOLVER_METADATA,
  ROUTE_PATH_METADATA,
} from './nest-metadata.js';

/** The operation that a method serves. */
export interface ServedOperation {
  readonly kind: OperationKind;
  readonly name: string;
  readonly origin: 'templates-first' | 'exact-first';
  /** `plain` for a template that the bridge of `nestjs-mcp-auth/sdk` matches itself; undefined if the framework matches it. */
  readonly syntax?: 'plain' | undefined;
  /** What the annotations of a tool say; undefined for other operations. */
  readonly behaviour?: ToolBehaviour | undefined;
  /** The name of the framework that calls the method. */
  readonly host: string;
  /** Set if the option `frameworks` describes that framework. */
  readonly framework?: ResolvedFramework | undefined;
}

/** The MCP frameworks whose decorators this library recognises by itself, without importing them. */
type KnownFramework = '@rekog/mcp-nest' | '@nestjs-mcp/server' | 'nestjs-mcp-auth/sdk';

/** The metadata that a decorator of a framework sets on a method. */
interface HostDecorator {
  readonly host: KnownFramework;
  readonly metadataKey: string;
  readonly kind: OperationKind;
  /** The member of the metadata that names the operation. */
  readonly nameMember: string;
  /** Which resource the framework chooses if a URI is that of one resource and matches the template of another. */
  readonly origin: ServedOperation['origin'];
}

const MCP_NEST = { host: '@rekog/mcp-nest', origin: 'templates-first' } as const;
const NESTJS_MCP = { host: '@nestjs-mcp/server', origin: 'exact-first' } as const;

const DECORATORS: readonly HostDecorator[] = [
  { ...MCP_NEST, metadataKey: 'mcp:tool', kind: 'tool', nameMember: 'name' },
  { ...MCP_NEST, metadataKey: 'mcp:prompt', kind: 'prompt', nameMember: 'name' },
  { ...MCP_NEST, metadataKey: 'mcp:resource', kind: 'resource', nameMember: 'uri' },
  { ...MCP_NEST, metadataKey: 'mcp:resource-template', kind: 'resource-template', nameMember: 'uriTemplate' },
  { ...NESTJS_MCP, metadataKey: '__mcp_tool__', kind: 'tool', nameMember: 'name' },
  { ...NESTJS_MCP, metadataKey: '__mcp_prompt__', kind: 'prompt', nameMember: 'name' },
  // One decorator for both: with `template` it declares a template, whatever its other members.
  { ...NESTJS_MCP, metadataKey: '__mcp_resource__', kind: 'resource-template', nameMember: 'template' },
  { ...NESTJS_MCP, metadataKey: '__mcp_resource__', kind: 'resource', nameMember: 'uri' },
];

/** The metadata of the decorators of `nestjs-mcp-auth/sdk`: `{ kind, name, config }`, and the syntax of a template. */
export const OPERATION_METADATA = 'nestjs-mcp-auth:operation';

/** The metadata of the other handlers that Nest runs guards for: WebSocket messages and GraphQL resolvers. */
export const OTHER_HANDLERS_METADATA = [
  GATEWAY_MESSAGE_METADATA,
  RESOLVER_METADATA,
  FIELD_RESOLVER_METADATA,
  REFERENCE_RESOLVER_METADATA,
];

/** Part of the errors that stop the start of the application. */
export const KNOWN_HANDLERS =
  'This library knows the handlers of Nest (routes of controllers, messages of microservices and WebSockets, GraphQL) ' +
  'the MCP handlers of @rekog/mcp-nest, @nestjs-mcp/server and nestjs-mcp-auth/sdk, and those of the option frameworks';

/** The operation that a method serves, if it serves one. */
export function servedOperation(method: object): ServedOperation | undefined {
  const own = record(Reflect.getMetadata(OPERATION_METADATA, method));
  if (own) {
    const { kind, name, syntax } = own as unknown as Pick<ServedOperation, 'kind' | 'name' | 'syntax'>;
    const behaviour = behaviourIn(kind, record(own['config']));
    return { kind, name, origin: 'exact-first', syntax, behaviour, host: 'nestjs-mcp-auth/sdk' };
  }
  for (const { metadataKey, nameMember, kind, origin, host } of DECORATORS) {
    const metadata = record(Reflect.getMetadata(metadataKey, method));
    if (!metadata || (nameMember === 'template' && !(nameMember in metadata))) continue;
    const name = metadata[nameMember];
    // A tool without a name has the name of its method.
    const behaviour = behaviourIn(kind, metadata);
    return { kind, name: typeof name === 'string' ? name : functionName(method), origin, behaviour, host };
  }
  return undefined;
}

export function hasRoute(method: object): boolean {
  return Reflect.hasMetadata(ROUTE_PATH_METADATA, method);
}

/** Whether Nest calls the method for a message, or for the bridge of `nestjs-mcp-auth/sdk`, which calls it through Nest. */
export function isCalledByNest(method: object): boolean {
  return [PATTERN_METADATA, OPERATION_METADATA].some((key) => Reflect.hasMetadata(key, method));
}

/** Whether Nest calls the method as a GraphQL resolver, or for a WebSocket message. */
export function isCalledOutside(method: object): boolean {
  return OTHER_HANDLERS_METADATA.some((key) => Reflect.hasMetadata(key, method));
}

/** What an application knows of its methods: the frameworks of the option `frameworks` differ between applications. */
export interface KnownHandlers {
  /** The operation that a method serves; undefined if it serves none. */
  operationOf(method: object): ServedOperation | undefined;
}

/** Whether Nest or a known MCP framework calls the method for requests, which is when its declarations are checked. */
export function isHandler(method: object, known: KnownHandlers): boolean {
  return (
    isCalledOutside(method) || hasRoute(method) || isCalledByNest(method) || known.operationOf(method) !== undefined
  );
}

function behaviourIn(kind: OperationKind, options: Record<string, unknown> | undefined): ToolBehaviour | undefined {
  return kind === 'tool' ? behaviourOf(options?.['annotations']) : undefined;
}

function functionName(method: object): string {
  return (method as { readonly name: string }).name;
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
