import { Readable } from 'node:stream';
import type { ExecutionContext } from '@nestjs/common';
import type { OperationKind } from '../request/rpc-body.js';
import { mcpOriginOf, noteMcpContext } from '../request/mcp-origin.js';
import { isRecord } from '../core/record.js';
import type { ServedOperation } from '../handlers/mcp-frameworks.js';
import type { ResolvedFramework } from '../options/framework-options.js';
import type { DirectHandler, HandlerExplorer } from '../handlers/handler-explorer.js';

/** The arguments of an MCP framework for a handler, in the terms of Nest. */
interface Called {
  /** The arguments of the client, or the variables of a resource template. */
  readonly data: unknown;
  /** The RPC context, by which guard and filter find the request and the caller. */
  readonly rpcContext: unknown;
  readonly isStdio: boolean;
}

const METHODS: Readonly<Record<OperationKind, string>> = {
  tool: 'tools/call',
  prompt: 'prompts/get',
  resource: 'resources/read',
  'resource-template': 'resources/read',
};

/**
 * The execution context of a handler that is called as a plain method. Has only the members that the guard and the
 * filter of this library use.
 */
export function directContext(handler: DirectHandler, args: readonly unknown[]): ExecutionContext {
  const { classRef, method } = handler;
  const { data, rpcContext, isStdio } = calledWith(handler, args);
  const context = {
    getType: () => 'rpc',
    getClass: () => classRef,
    getHandler: () => method,
    getArgs: () => [data, rpcContext],
    switchToRpc: () => ({ getData: () => data, getContext: () => rpcContext }),
  };
  noteMcpContext(context, { isStdio });
  return context as unknown as ExecutionContext;
}

function calledWith(handler: DirectHandler, args: readonly unknown[]): Called {
  const { operation } = handler;
  if (operation?.framework) return calledByFramework(operation, operation.framework, args);
  return operation?.host === '@nestjs-mcp/server' ? calledByNestjsMcp(handler, args) : calledByMcpNest(args);
}

/**
 * The same for a handler that its framework calls through Nest, so that guards run; undefined if the option `frameworks` does
 * not describe the framework. A context of this file is already in those terms.
 */
export function describedContext(context: ExecutionContext, explorer: HandlerExplorer): ExecutionContext | undefined {
  const method = context.getHandler();
  const operation = explorer.operationOf(method);
  if (!operation?.framework || mcpOriginOf(context)) return undefined;
  return directContext({ classRef: context.getClass(), methodName: method.name, method, operation }, context.getArgs());
}

/**
 * The function of the application only says where to look: a caller counts if the guard set that very object, and a request
 * if the guard admitted it.
 */
function calledByFramework(
  { kind, name }: ServedOperation,
  { callOf }: ResolvedFramework,
  args: readonly unknown[],
): Called {
  const call: unknown = callOf(Object.freeze([...args]), Object.freeze({ kind, name }));
  const { args: data, authInfo, request } = isRecord(call) ? call : {};
  const isRead = kind === 'resource' || kind === 'resource-template';
  const rpcContext = {
    mcpRequest: { method: METHODS[kind], params: isRead ? { uri: name } : { name, arguments: data } },
    sdkContext: { authInfo },
    getSession: () => ({ stateless: true }),
    getRawRequest: () => request,
  };
  return { data, rpcContext, isStdio: false };
}

/**
 * Version 1 of `@rekog/mcp-nest` passes the arguments, a context and the request. Leaves out the request: in a session,
 * it is the request that opened the session, and a later token may have more or fewer scopes.
 */
function calledByMcpNest([data, rpcContext]: readonly unknown[]): Called {
  return { data, rpcContext, isStdio: readsStandardInput(rpcContext) };
}

/**
 * `@nestjs-mcp/server` passes, as the last argument, what the official SDK passes to handlers, which contains the
 * caller of the message. Before it come the arguments of a tool or prompt (if it has a schema), or the URI of a
 * resource and the variables of its template. This framework supports HTTP only.
 */
function calledByNestjsMcp({ operation }: DirectHandler, args: readonly unknown[]): Called {
  const sdkContext = args.at(-1);
  const before = args.slice(0, -1);
  const isRead = operation?.kind === 'resource' || operation?.kind === 'resource-template';
  const data = before[isRead ? 1 : 0];
  const params = isRead ? { uri: String(before[0]) } : { name: operation?.name, arguments: data };
  return {
    data,
    rpcContext: { mcpRequest: { method: METHODS[operation?.kind ?? 'tool'], params }, sdkContext },
    isStdio: false,
  };
}

/** The members that are read from contexts of `@rekog/mcp-nest` 1. */
interface TransportContext {
  readonly mcpServer?: { readonly server?: { readonly transport?: object } };
}

/**
 * Whether the transport of the server reads the standard input of this process. A message of a client cannot contain
 * that stream.
 */
function readsStandardInput(mcpContext: unknown): boolean {
  const transport = ((mcpContext ?? {}) as TransportContext).mcpServer?.server?.transport;
  return Object.values(transport ?? {}).some((member) => member instanceof Readable && member === process.stdin);
}
