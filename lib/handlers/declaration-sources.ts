import type { Type } from '@nestjs/common';
import { declarationPartsOf, hasOwnDeclaration } from './handler-declaration.js';
import { findMethod, lineageOf } from './lineage.js';

/** Where a handler is declared: `Class.method` and `Class`, with the base class that has the decorators. */
export function declarationSources(classRef: Type<object>, methodName: string): string[] {
  const lineage = lineageOf(classRef);
  const found = findMethod(lineage.prototypes, methodName);
  const method = found?.method;
  const ofMethod =
    method && declarationPartsOf(method).length > 0 ? [`${found.owner.constructor.name}.${methodName}`] : [];
  const declaring = lineage.prototypes.map(({ constructor }) => constructor).find(hasOwnDeclaration);
  return [...ofMethod, ...(declaring ? [declaring.name] : [])];
}
