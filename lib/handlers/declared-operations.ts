import type { ResolvedResource } from '../options/resource-options.js';
import type { OperationKind } from '../request/rpc-body.js';
import { concerns } from './declarations-at-resource.js';
import type { ListedHandler } from './handler-explorer.js';

/** An operation that handlers or the options declare for a resource. */
export interface DeclaredOperationName {
  readonly kind: OperationKind;
  readonly name: string;
  /** Empty if only the options declare it. */
  readonly handlers: readonly ListedHandler[];
}

/** The operations of a resource that handlers or the options declare, each once. */
export function operationsAt(
  { id, operationScopes }: ResolvedResource,
  handlers: readonly ListedHandler[],
): DeclaredOperationName[] {
  const found = new Map<string, { kind: OperationKind; name: string; handlers: ListedHandler[] }>();
  const entryOf = (kind: OperationKind, name: string): { readonly handlers: ListedHandler[] } => {
    const key = `${kind} ${name}`;
    const entry = found.get(key) ?? { kind, name, handlers: [] };
    found.set(key, entry);
    return entry;
  };
  for (const handler of handlers) {
    const { operation, declaration } = handler;
    if (operation && concerns(declaration, id)) entryOf(operation.kind, operation.name).handlers.push(handler);
  }
  for (const { kind, name } of operationScopes) entryOf(kind, name);
  return [...found.values()];
}
