import { Readable } from 'node:stream';
import type { ExecutionContext } from '@nestjs/common';
import type { OperationKind } from '../request/rpc-body.js';
import { noteMcpContext } from '../request/mcp-origin.js';
import type { DirectHandler } from '../handlers/handler-explorer.js';

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
  const { classRef, method, operation } = handler;
  const { data, rpcContext, isStdio } =
    operation?.host === '@nestjs-mcp/server' ? calledByNestjsMcp(handler, args) : calledByMcpNest(args);
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
