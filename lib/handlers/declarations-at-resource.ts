import type { ToolBehaviour } from '../core/tool-behaviour.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { OperationKind } from '../request/rpc-body.js';
import { scopesDeclaration, type HandlerDeclaration } from './handler-declaration.js';
import type { AppliedDeclaration, PolicyArguments } from './operation-index.js';

/** One declaration that applies to an operation. */
export interface Declared {
  readonly kind: OperationKind;
  /** The declared tool name, prompt name, URI or URI template. */
  readonly name: string;
  readonly declaration: HandlerDeclaration;
  /** The arguments that its policies get. */
  readonly policyArguments: PolicyArguments;
}

/** The declarations for an operation at one protected resource. */
export interface Declarations {
  readonly all: readonly Declared[];
  /** What the annotations of a tool need in addition, as the options say. */
  readonly ofAnnotations: readonly HandlerDeclaration[];
  /** Whether all handlers that can serve the operation belong to other protected resources. */
  readonly isElsewhere: boolean;
}

/** The declarations of these entries that apply at a resource. */
export function declarationsAt(
  resourceId: string,
  entries: readonly AppliedDeclaration[],
  rules: ResolvedResource['annotationScopes'],
): Declarations {
  const here = entries.filter(({ entry }) => concerns(entry.declaration, resourceId));
  const all = here.map(({ entry: { kind, name, declaration }, policyArguments }) => ({
    kind,
    name,
    declaration,
    policyArguments,
  }));
  const behaviours = here.flatMap(({ entry: { origin, behaviour } }) => (origin === 'options' ? [] : [behaviour]));
  // An entry in the options of another resource does not assign the operation to that resource.
  const isServed = entries.some(({ entry }) => entry.origin !== 'options');
  return {
    all,
    ofAnnotations: rules ? annotationScopesOf(behaviours, rules, resourceId) : [],
    isElsewhere: isServed && here.length === 0,
  };
}

/** What tools of these behaviours need, as the options say. A tool without any known handler counts as destructive. */
export function annotationScopesOf(
  behaviours: readonly (ToolBehaviour | undefined)[],
  rules: NonNullable<ResolvedResource['annotationScopes']>,
  resourceId: string,
): HandlerDeclaration[] {
  const known = behaviours.length > 0 ? behaviours : [undefined];
  const scopes = known.flatMap((behaviour) => rules[behaviour ?? 'destructive']);
  return scopes.length > 0 ? [scopesDeclaration([...new Set(scopes)], resourceId)] : [];
}

/** Whether a declaration applies at a resource. */
export function concerns({ resourceId }: HandlerDeclaration, id: string): boolean {
  return resourceId === undefined || resourceId === id;
}
