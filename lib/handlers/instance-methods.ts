import type { Type } from '@nestjs/common';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { declarationPartsOf, handlerDeclaration } from './handler-declaration.js';
import { entriesOf, findMethod, isRemembered, lineageOf, type Lineage } from './lineage.js';
import { NOTHING } from './lost-declarations.js';
import { isCalledByNest, servedOperation } from './mcp-frameworks.js';
import { PARAMETERS_METADATA } from './nest-metadata.js';
import { isReplaced, rememberedOn } from './written-declarations.js';

/**
 * What is wrong with an instance that has a method of its own, such as a bound one, in place of a decorated method:
 * Nest calls that one, and finds nothing of what the other declares.
 */
export function instanceProblems(classRef: Type<object>, instance: unknown): ConfigProblem[] {
  if (typeof instance !== 'object' || instance === null || !isRemembered(lineageOf(classRef))) return [];
  return Object.entries(Object.getOwnPropertyDescriptors(instance)).flatMap(([name, { value }]) => {
    const declared = (classRef.prototype as Record<string, unknown>)[name];
    if (typeof value !== 'function' || typeof declared !== 'function' || value === declared) return [];
    const isDirect = servedOperation(declared) !== undefined && !isCalledByNest(declared);
    const isDeclared =
      isDirect &&
      (handlerDeclaration(classRef, declared).isDeclared || Reflect.hasMetadata(PARAMETERS_METADATA, classRef, name));
    const lost = declarationPartsOf(declared).filter(
      (addition) => !declarationPartsOf(value as object).includes(addition),
    );
    if (lost.length === 0 && !isDeclared) return [];
    return [
      {
        option: `${classRef.name}.${name}`,
        seen: 'an instance with another function of that name, such as one that its constructor has bound',
        why: `Nest calls that function, and what the method declares is not found there, ${NOTHING}`,
        write: 'Leave the method as it is, and bind it where it is used',
      },
    ];
  });
}

/** Functions that instances have in the place of a method which declares nothing, as far as instances were looked at. */
const standingForUndeclared = new WeakSet<object>();

/** Notes the functions that an instance has in the place of methods which declare nothing: there is nothing to lose there. */
export function noteInstance(classRef: Type<object>, instance: unknown): void {
  if (typeof instance !== 'object' || instance === null) return;
  const lineage = lineageOf(classRef);
  if (!isRemembered(lineage)) return;
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(instance))) {
    if (typeof value === 'function' && isUndeclaredMethod(lineage, name)) standingForUndeclared.add(value as object);
  }
}

/**
 * Refuses a function that is called as a handler of a class if nobody can know what is declared for it.
 *
 * @throws {McpAuthConfigError}
 */
export function checkIsMethod(classRef: object, method: object): void {
  if (!isStranger(classRef, method)) return;
  const option = (classRef as Type).name;
  const seen = `a function "${(method as { readonly name?: unknown }).name}" in the place of one of its methods`;
  const why = 'it is not known what is declared for it';
  throw new McpAuthConfigError([{ option, seen, why, write: 'Leave the methods of the instance as they are' }]);
}

/**
 * Whether it cannot be known what is declared for a function that is called as a handler of a class: it is none of the
 * methods of the class, while some of these have declarations of their own.
 */
function isStranger(classRef: object, method: object): boolean {
  if (
    typeof classRef !== 'function' ||
    declarationPartsOf(method).length > 0 ||
    isReplaced(method) ||
    standingForUndeclared.has(method)
  )
    return false;
  const lineage = lineageOf(classRef as Type<object>);
  const { prototypes } = lineage;
  if (prototypes.every((prototype) => rememberedOn(prototype).every(({ addition }) => !addition))) return false;
  if (
    prototypes.some((prototype) =>
      Object.values(Object.getOwnPropertyDescriptors(prototype)).some(({ value }) => value === method),
    )
  )
    return false;
  // What is bound, and what tracers put around a handler, is called after the method that it runs.
  const name = String((method as { readonly name?: unknown }).name).replace(/^bound /, '');
  return !isUndeclaredMethod(lineage, name);
}

function isUndeclaredMethod(lineage: Lineage, name: string): boolean {
  return (
    findMethod(lineage.prototypes, name)?.method !== undefined &&
    entriesOf(lineage, name).every(({ entry }) => !entry.addition)
  );
}
