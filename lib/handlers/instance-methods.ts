import type { Type } from '@nestjs/common';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { declarationPartsOf, handlerDeclaration } from './handler-declaration.js';
import { entriesOf, findMethod, isRemembered, lineageOf, type Lineage } from './lineage.js';
import { NOTHING } from './lost-declarations.js';
import { isCalledByNest, type KnownHandlers } from './mcp-frameworks.js';
import { PARAMETERS_METADATA } from './nest-metadata.js';
import { isWrapped, rememberedOn } from './written-declarations.js';

/**
 * Problems with an instance that has a function of its own, such as a bound one, in place of a decorated method. Nest calls
 * that function, and does not find the declarations of the method.
 */
export function instanceProblems(classRef: Type<object>, instance: unknown, known: KnownHandlers): ConfigProblem[] {
  if (typeof instance !== 'object' || instance === null || !isRemembered(lineageOf(classRef))) return [];
  return Object.entries(Object.getOwnPropertyDescriptors(instance)).flatMap(([name, { value }]) => {
    const declared = (classRef.prototype as Record<string, unknown>)[name];
    if (typeof value !== 'function' || typeof declared !== 'function' || value === declared) return [];
    const isDirect = known.operationOf(declared) !== undefined && !isCalledByNest(declared);
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
        seen: 'an instance with another function of that name, such as one that its constructor bound',
        why: `Nest calls that function, and does not find what the method declares, ${NOTHING}`,
        write: 'Leave the method as it is, and bind it where it is used',
      },
    ];
  });
}

/** Functions of noted instances in place of methods without declarations. */
const standingForUndeclared = new WeakSet<object>();

/** Notes the functions that an instance has in place of methods without declarations: with these, no declaration is lost. */
export function noteInstance(classRef: Type<object>, instance: unknown): void {
  if (typeof instance !== 'object' || instance === null) return;
  const lineage = lineageOf(classRef);
  if (!isRemembered(lineage)) return;
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(instance))) {
    if (typeof value === 'function' && isUndeclaredMethod(lineage, name)) standingForUndeclared.add(value as object);
  }
}

/**
 * Refuses a function that is called as a handler of a class if its declarations cannot be determined.
 *
 * @throws {McpAuthConfigError} naming the class and the function.
 */
export function checkIsMethod(classRef: object, method: object): void {
  if (!isStranger(classRef, method)) return;
  const option = (classRef as Type).name;
  const seen = `a function "${(method as { readonly name?: unknown }).name}" in place of one of its methods`;
  const why = 'its declarations cannot be determined';
  throw new McpAuthConfigError([{ option, seen, why, write: 'Leave the methods of the instance as they are' }]);
}

/**
 * Whether the declarations of a handler cannot be determined: the function is not a method of the class, and some methods of
 * the class have declarations of their own.
 */
function isStranger(classRef: object, method: object): boolean {
  if (
    typeof classRef !== 'function' ||
    declarationPartsOf(method).length > 0 ||
    isWrapped(method) ||
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
  // Bound functions and the wrappers of tracers have the name of the method that they call.
  const name = String((method as { readonly name?: unknown }).name).replace(/^bound /, '');
  return !isUndeclaredMethod(lineage, name);
}

function isUndeclaredMethod(lineage: Lineage, name: string): boolean {
  return (
    findMethod(lineage.prototypes, name)?.method !== undefined &&
    entriesOf(lineage, name).every(({ entry }) => !entry.addition)
  );
}
