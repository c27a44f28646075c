import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { OptionReader } from './option-reader.js';

/** The MCP operation that a method serves. */
export interface McpFrameworkOperation {
  /** What clients call it: a tool, a resource, a template of resources, or a prompt. */
  readonly kind: OperationKind;
  /** Tool or prompt name, URI, or URI template, as clients see it. */
  readonly name: string;
  /** The annotations of a tool, for `scopes.annotations`. Without them, a tool counts as destructive. */
  readonly annotations?: unknown;
}

/** A call of a handler, as its framework hands it on. */
export interface McpFrameworkCall {
  /** What the client sent: the arguments of a tool or prompt, or the variables of a template. Policies get it as `args`. */
  readonly args?: unknown;
  /**
   * The object that the guard set as `auth` of the request of this message, if the framework hands it on, as the transports
   * of the official SDK do (`extra.authInfo`). Only this object itself counts, not one with the same members.
   */
  readonly authInfo?: unknown;
  /**
   * The HTTP request of this very message, of the platform or of Node.js, if the framework hands it on. Leave it out where a
   * framework passes the request that opened the session: its token may have had other scopes.
   */
  readonly request?: unknown;
}

/** An MCP framework for Nest: where its decorators leave what they declare, and what it calls methods with. */
export interface McpFramework {
  /** For messages. */
  name: string;
  /**
   * By the metadata key that a decorator of the framework sets on a method: which operation the method serves, from the
   * metadata and the name of the method; undefined if it serves none. Called at the start.
   */
  decorators: Readonly<
    Record<string | symbol, (metadata: unknown, methodName: string) => McpFrameworkOperation | undefined>
  >;
  /**
   * What the framework calls the method with, in the terms of this library. Called for each call of a protected handler,
   * before it runs; must not wait. Without `authInfo` and `request`, the caller is that of the request in whose asynchronous
   * context the method runs. Without such a request, as in a framework that queues calls, the call is refused.
   */
  callOf: (args: readonly unknown[], operation: McpFrameworkOperation) => McpFrameworkCall;
}

/** The option after validation. The functions are those of the user. */
export interface ResolvedFramework {
  readonly name: string;
  /** The place in the options, for messages. */
  readonly path: string;
  readonly decorators: readonly {
    readonly key: string | symbol;
    readonly operationOf: (metadata: unknown, methodName: string) => unknown;
  }[];
  readonly callOf: (args: readonly unknown[], operation: McpFrameworkOperation) => unknown;
}

const WRITE =
  "Write { name: 'acme', decorators: { 'acme:tool': (metadata) => ({ kind: 'tool', name: metadata.name }) }, " +
  'callOf: ([args, extra]) => ({ args, authInfo: extra.authInfo }) }';

export function readFrameworks(option: OptionReader): readonly ResolvedFramework[] {
  if (!option.isGiven) return [];
  if (!Array.isArray(option.value)) {
    option.refuse({ why: 'must be a list of frameworks', write: WRITE });
    return [];
  }
  return option.entries().map(readFramework);
}

function readFramework(option: OptionReader): ResolvedFramework {
  if (!isRecord(option.value)) option.refuse({ why: 'must be an object', write: WRITE });
  option.refuseUnknown(['name', 'decorators', 'callOf']);
  const name = option.at('name').requiredText('Write the name of the package');
  const callOf = requiredFunction<ResolvedFramework['callOf']>(option.at('callOf'));
  return { name, path: option.path, decorators: readDecorators(option.at('decorators')), callOf };
}

function readDecorators(option: OptionReader): ResolvedFramework['decorators'] {
  const { value } = option;
  const keys = isRecord(value) ? Reflect.ownKeys(value) : [];
  if (keys.length === 0)
    option.refuse({ why: 'must be an object with the metadata keys of its decorators', write: WRITE });
  return keys.map((key) => {
    const entry = (value as Readonly<Record<string | symbol, unknown>>)[key];
    const place = option.atKey(String(key)).withValue(entry);
    return { key, operationOf: requiredFunction<(metadata: unknown, methodName: string) => unknown>(place) };
  });
}

function requiredFunction<Wanted extends (...args: never[]) => unknown>(option: OptionReader): Wanted {
  const { value } = option;
  if (typeof value === 'function') return value as Wanted;
  option.refuse({ seen: showValue(value), why: 'must be a function', write: WRITE });
  return (() => undefined) as unknown as Wanted;
}
