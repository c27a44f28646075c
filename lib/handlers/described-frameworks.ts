import 'reflect-metadata';
import { McpAuthConfigError } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';
import { behaviourOf } from '../core/tool-behaviour.js';
import type { ResolvedFramework } from '../options/framework-options.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { ServedOperation } from './mcp-frameworks.js';

const KINDS: readonly OperationKind[] = ['tool', 'resource', 'resource-template', 'prompt'];

type Described = Pick<ServedOperation, 'kind' | 'name' | 'behaviour'>;

/** The longest name or URI of an operation. */
const LONGEST_NAME = 2_048;

/**
 * The operation that a method serves, if the option `frameworks` says so.
 *
 * @throws {McpAuthConfigError} if a function of the application returns something else than an operation.
 */
export function describedOperation(
  method: object,
  frameworks: readonly ResolvedFramework[],
): ServedOperation | undefined {
  for (const framework of frameworks) {
    for (const { key, operationOf } of framework.decorators) {
      if (!Reflect.hasOwnMetadata(key, method)) continue;
      const place = `${framework.path}.decorators["${String(key)}"]`;
      const { name } = method as { readonly name: string };
      const operation = checked(place, name, () => operationOf(Reflect.getOwnMetadata(key, method), name));
      if (operation) return servedBy(framework, operation);
    }
  }
  return undefined;
}

function servedBy(framework: ResolvedFramework, operation: Described): ServedOperation {
  // As the official SDK, on which MCP frameworks are built. The handler is protected in any order.
  return Object.freeze({ ...operation, origin: 'exact-first', host: framework.name, framework });
}

function checked(option: string, methodName: string, operationOf: () => unknown): Described | undefined {
  let result: unknown;
  try {
    result = operationOf();
  } catch (error) {
    throw refused(option, `an error for ${methodName}: ${showValue(error instanceof Error ? error.message : error)}`);
  }
  if (result === undefined) return undefined;
  if (!isRecord(result)) throw refused(option, `${showValue(result)} for ${methodName}`);
  const { kind, name, annotations } = result;
  const isNamed = typeof name === 'string' && name !== '' && name.length <= LONGEST_NAME;
  if (isNamed && KINDS.includes(kind as OperationKind))
    return { kind: kind as OperationKind, name, behaviour: kind === 'tool' ? behaviourOf(annotations) : undefined };
  throw refused(option, `kind ${showValue(kind)} and name ${showValue(name)} for ${methodName}`);
}

function refused(option: string, seen: string): McpAuthConfigError {
  const why = 'it must return the operation that a method serves, or undefined';
  const write = `Return { kind, name }: kind is one of ${KINDS.join(', ')}; name is text of at most ${LONGEST_NAME} characters`;
  return new McpAuthConfigError([{ option, seen, why, write }]);
}
