import { Readable } from 'node:stream';
import type { ExecutionContext } from '@nestjs/common';
import type { OperationKind } from '../request/rpc-body.js';
import { noteMcpContext } from '../request/mcp-origin.js';
import type { DirectHandler } from '../handlers/handler-explorer.js';

/** What an MCP framework calls a handler with, in the terms of Nest. */
interface Called {
  /** The arguments of the client, or the variables of a resource template. */
  readonly data: unknown;
  /** What the guard and the filter find the request and the caller by. */
  readonly rpcContext: unknown;
  readonly isStdio: boolean;
}

const METHODS: Readonly<Record<OperationKind, string>> = {
  tool: 'tools/call',
  prompt: 'prompts/get',
  resource: 'resources/read',
  'resource-template': 'resources/read',
};

/** As much of an execution context as the guard and the filter of this library ask for, of a handler that is called as a method. */
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
 * By version 1 of `@rekog/mcp-nest`: with the arguments, a context, and the request. Leaves out the request: in a session
 * that is the one which opened it, whose token may have been replaced by one for more, or less.
 */
function calledByMcpNest([data, rpcContext]: readonly unknown[]): Called {
  return { data, rpcContext, isStdio: readsStandardInput(rpcContext) };
}

/**
 * By `@nestjs-mcp/server`: last comes what the official SDK hands to handlers, and with it the caller of the very message.
 * Before it come the arguments of a tool or prompt, if it has a schema; the URI of a resource; and then the variables of a
 * template. It speaks HTTP only.
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

/** What is read of the contexts of `@rekog/mcp-nest` 1. */
interface TransportContext {
  readonly mcpServer?: { readonly server?: { readonly transport?: object } };
}

/** Whether the transport of the server has the standard input of this very process: no message of a client has that. */
function readsStandardInput(mcpContext: unknown): boolean {
  const transport = ((mcpContext ?? {}) as TransportContext).mcpServer?.server?.transport;
  return Object.values(transport ?? {}).some((member) => member instanceof Readable && member === process.stdin);
}
