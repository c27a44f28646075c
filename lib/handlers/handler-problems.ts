import type { Type } from '@nestjs/common';
import type { ConfigProblem } from '../core/error.js';
import type { ResolvedOptions } from '../options/options.js';
import { shareRoutes, type ResolvedResource } from '../options/resource-options.js';
import { contradictsItself, type HandlerDeclaration } from './handler-declaration.js';

/** A method that a request can reach, with its declaration. */
export interface DeclaredHandler {
  readonly classRef: Type<object>;
  readonly methodName: string;
  readonly method: object;
  readonly isRoute: boolean;
  readonly declaration: HandlerDeclaration;
}

/** Reports a class or method that is declared both public and protected. */
export function contradictions({ classRef, methodName, method }: DeclaredHandler): ConfigProblem[] {
  const why = 'it is declared both public and protected';
  const write = 'Remove @Public(), or the requirements';
  const at = [
    ...(contradictsItself(classRef) ? [classRef.name] : []),
    ...(contradictsItself(method) ? [`${classRef.name}.${methodName}`] : []),
  ];
  return at.map((option) => ({ option, seen: '@Public() beside requirements', why, write }));
}

/**
 * Reports a handler that names an unknown resource, and a route that must name a resource and does not. Unless the guard is
 * global, a route without decorators is left to {@link missingResources}.
 */
export function resourceProblems(
  { classRef, isRoute, declaration }: DeclaredHandler,
  {
    resources,
    globalGuard,
  }: Pick<ResolvedOptions, 'globalGuard'> & { readonly resources: readonly ResolvedResource[] },
): ConfigProblem[] {
  if (declaration.resourceId !== undefined) {
    if (resources.some(({ id }) => id === declaration.resourceId)) return [];
    const seen = `"${declaration.resourceId}"`;
    return [{ option: optionOf(classRef), seen, why: 'no resource has this id', write: knownOf(resources) }];
  }
  const isProtected = isRoute && (globalGuard === true || declaration.isDeclared);
  return isProtected ? missingResources({ classRef, declaration }, resources) : [];
}

/** Reports a protected route that must name a resource and does not. */
export function missingResources(
  { classRef, declaration }: Pick<DeclaredHandler, 'classRef' | 'declaration'>,
  resources: readonly ResolvedResource[],
): ConfigProblem[] {
  // Resources that differ in their hosts are told apart by the host of each request.
  if (resources.length === 1 || shareRoutes(resources)) return [];
  if (declaration.isPublic || declaration.resourceId !== undefined) return [];
  const why = 'with several resources, each protected route must say whose tokens it accepts';
  const write = `${knownOf(resources)}; or declare the route @Public()`;
  return [{ option: optionOf(classRef), seen: 'nothing', why, write }];
}

/** Reports a handler that needs a proof of a key, if no resource that it may belong to accepts one: nobody could call it. */
export function proofProblems(
  { classRef, methodName, declaration }: Omit<DeclaredHandler, 'isRoute' | 'method'>,
  resources: readonly Pick<ResolvedResource, 'id' | 'dpop' | 'mutualTls'>[],
): ConfigProblem[] {
  const { needsProof, resourceId } = declaration;
  const possible = resources.filter(({ id }) => resourceId === undefined || id === resourceId);
  if (!needsProof || possible.length === 0 || possible.some(acceptsProof)) return [];
  const option = `@RequireProof() of ${classRef.name}.${methodName}`;
  const ids = possible.map(({ id }) => `"${id}"`).join(', ');
  const why = `the resource ${ids} accepts no tokens that are bound to a key, so nobody could call it`;
  const write = 'Set the option dpop or mutualTls of the resource to "accepted"';
  return [{ option, seen: 'dpop "off", mutualTls "off"', why, write }];
}

function acceptsProof({ dpop, mutualTls }: Pick<ResolvedResource, 'dpop' | 'mutualTls'>): boolean {
  return dpop !== undefined || mutualTls !== undefined;
}

type WithId = Pick<ResolvedResource, 'id'>;

function optionOf({ name }: Type): string {
  return `@ProtectedResource() of ${name}`;
}

function knownOf(resources: readonly WithId[]): string {
  return `Known are ${resources.map(({ id }) => `"${id}"`).join(', ')}`;
}
