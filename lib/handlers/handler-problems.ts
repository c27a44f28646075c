import type { Type } from '@nestjs/common';
import type { ConfigProblem } from '../core/error.js';
import type { ResolvedResource } from '../options/resource-options.js';
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

/** Reports a handler that names an unknown resource, and a route that must name a resource and does not. */
export function resourceProblems(
  { classRef, isRoute, declaration }: DeclaredHandler,
  resources: readonly Pick<ResolvedResource, 'id'>[],
): ConfigProblem[] {
  const known = `Known are ${resources.map(({ id }) => `"${id}"`).join(', ')}`;
  const option = `@ProtectedResource() of ${classRef.name}`;
  if (declaration.resourceId !== undefined) {
    if (resources.some(({ id }) => id === declaration.resourceId)) return [];
    return [{ option, seen: `"${declaration.resourceId}"`, why: 'no resource has this id', write: known }];
  }
  if (resources.length === 1 || !isRoute || declaration.isPublic) return [];
  const why = 'with several resources, each protected route must say whose tokens it accepts';
  return [{ option, seen: 'nothing', why, write: `${known}; or declare the route @Public()` }];
}
