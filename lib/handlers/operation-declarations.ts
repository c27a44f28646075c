import { Injectable } from '@nestjs/common';
import { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { Operation } from '../request/rpc-body.js';
import { annotationScopesOf, concerns, declarationsAt, type Declarations } from './declarations-at-resource.js';
import { scopesDeclaration, type HandlerDeclaration } from './handler-declaration.js';
import { HandlerExplorer } from './handler-explorer.js';
import { OperationIndex, type OperationEntry } from './operation-index.js';

type DeclarationsByEntries = WeakMap<object, Map<string, Declarations>>;

/** Finds what decorators and options declare for an MCP operation, and for all operations of a resource. */
@Injectable()
export class OperationDeclarations {
  #index: OperationIndex | undefined;
  /** By the entries that the index found, then by resource. */
  readonly #declared: DeclarationsByEntries = new WeakMap();
  /** The same for tools: unknown names of all kinds have the same entries, and annotations are those of tools only. */
  readonly #declaredTools: DeclarationsByEntries = new WeakMap();

  constructor(
    private readonly explorer: HandlerExplorer,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * The declarations for an operation; empty for an unknown operation. Several handlers can share a name, one for each server
   * in the process; handlers of other resources are left out.
   *
   * Returns the same object each time, except for a URI.
   */
  of(operation: Operation, resourceId: string): Declarations {
    this.#index ??= new OperationIndex([...this.#served(), ...this.#configured()]);
    const entries = this.#index.find(operation);
    const isTool = operation.kind === 'tool';
    const declared = isTool ? this.#declaredTools : this.#declared;
    const ofEntries = declared.get(entries);
    const known = ofEntries?.get(resourceId);
    if (known) return known;
    const rules = isTool ? this.#annotationScopes(resourceId) : undefined;
    const declarations = declarationsAt(resourceId, entries, rules);
    declared.set(entries, (ofEntries ?? new Map<string, Declarations>()).set(resourceId, declarations));
    return declarations;
  }

  /** What the annotations of the tool that a method serves need at a resource; empty if they need nothing. */
  ofAnnotations(method: object, resourceId: string): readonly HandlerDeclaration[] {
    const behaviour = this.explorer.operationOf(method)?.behaviour;
    const rules = behaviour && this.#annotationScopes(resourceId);
    return rules ? annotationScopesOf([behaviour], rules, resourceId) : [];
  }

  /** The scopes that a resource advertises: those of the options, or else all that decorators or the options name, sorted. */
  supportedScopes({ id, supportedScopes, requiredScopes }: ResolvedResource): readonly string[] {
    return supportedScopes ?? (requiredScopes.length > 0 ? requiredScopes : this.#declaredScopes(id));
  }

  #declaredScopes(resourceId: string): string[] {
    const scopes = [...this.explorer.handlers, ...this.#configured()]
      .filter(({ declaration }) => concerns(declaration, resourceId))
      .flatMap(({ declaration: { requirement } }) => [...requirement.allOf, ...requirement.anyOf.flat()]);
    const ofAnnotations = Object.values(this.#annotationScopes(resourceId) ?? {}).flat();
    return [...new Set([...scopes, ...ofAnnotations])].toSorted();
  }

  #annotationScopes(resourceId: string): ResolvedResource['annotationScopes'] {
    return this.options.resources.find(({ id }) => id === resourceId)?.annotationScopes;
  }

  #served(): OperationEntry[] {
    return this.explorer.operations.map(({ operation: { kind, name, origin, syntax, behaviour }, declaration }) => ({
      kind,
      name,
      origin,
      syntax,
      behaviour,
      declaration,
    }));
  }

  #configured(): OperationEntry[] {
    return this.options.resources.flatMap(({ id, operationScopes }) =>
      operationScopes.map(({ kind, name, scopes }): OperationEntry => {
        return { kind, name, origin: 'options', declaration: scopesDeclaration(scopes, id) };
      }),
    );
  }
}
