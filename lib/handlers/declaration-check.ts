import type { Type } from '@nestjs/common';
import type { ConfigProblem } from '../core/error.js';
import { entriesOf, lineageOf, methodsOf, namesOf, type Lineage } from './lineage.js';
import { lostDeclarations } from './lost-declarations.js';
import { isHandler, KNOWN_HANDLERS, type KnownHandlers } from './mcp-frameworks.js';
import { TIMER_METADATA } from './nest-metadata.js';
import { isOnClass, rememberedClasses, rememberedOn, type Remembered } from './written-declarations.js';

/** A decorated method of a class that no module lists. */
export interface UnlistedMethod {
  readonly classRef: object;
  /** `Class.method` */
  readonly name: string;
  readonly decorator: string;
}

/**
 * Problems with this library's decorators on a class that Nest knows: decorators without an effect at their place, decorators
 * with lost metadata, and decorators on methods that no known framework calls for a request.
 *
 * All other decorators are enforced. Does not find handlers of an unknown framework if a decorator stands on the class itself
 * and the class also has known handlers.
 */
export function declarationProblems(classRef: Type<object>, known: KnownHandlers): ConfigProblem[] {
  const lost = lostDeclarations(classRef, known);
  return lost.length > 0 ? lost : unrecognisedDeclarations(lineageOf(classRef), known);
}

/**
 * The decorated methods of classes that are neither listed nor in the lineage of a listed class, if no known framework calls
 * them for a request. This is probably a mistake, but the class may belong to another application of the process, or be
 * abstract.
 */
export function unlistedMethods(listed: readonly Type<object>[], known: KnownHandlers): UnlistedMethod[] {
  const classes = new Set<object>(listed.flatMap((classRef) => lineageOf(classRef).classes));
  return rememberedClasses()
    .filter((classRef) => !classes.has(classRef))
    .flatMap((classRef) => {
      const prototype = (classRef as Type<object>).prototype as object;
      return rememberedOn(prototype)
        .filter(restricts)
        .flatMap(({ key, place, decorator }) => {
          const method = typeof key === 'string' && Object.getOwnPropertyDescriptor(prototype, key)?.value;
          if (place !== 'method' || typeof method !== 'function' || isHandler(method as object, known)) return [];
          return [{ classRef, name: `${(classRef as Type<object>).name}.${String(key)}`, decorator }];
        });
    });
}

function unrecognisedDeclarations(lineage: Lineage, known: KnownHandlers): ConfigProblem[] {
  const { classRef, classes } = lineage;
  const methods = namesOf(lineage).flatMap((name) => {
    const first = entriesOf(lineage, name).find(({ entry }) => restricts(entry));
    const isReached = first && lineage.prototypes.some((prototype) => isHandlerAt(prototype, name, known));
    if (!first || isReached) return [];
    const option = `${classRef.name}.${String(name)}`;
    const isTimer = lineage.prototypes.some((prototype) => isTimerAt(prototype, name));
    return isTimer
      ? [onTimer(option, first.entry.decorator)]
      : [unrecognised(option, first.entry.decorator, 'no handler that is known')];
  });
  const onClass = classes.flatMap((one) => rememberedOn(one).filter(isOnClass)).find(restricts);
  if (!onClass || methodsOf(lineage).some((method) => isHandler(method, known))) return methods;
  return [...methods, unrecognised(classRef.name, onClass.decorator, 'a class without any handler that is known')];
}

/** Whether a decorator restricts callers. All do except `@Public()`. */
function restricts({ addition }: Remembered): boolean {
  return addition?.isPublic !== true;
}

function isHandlerAt(prototype: object, name: string | symbol, known: KnownHandlers): boolean {
  const value: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
  return typeof value === 'function' && isHandler(value, known);
}

function isTimerAt(prototype: object, name: string | symbol): boolean {
  const value: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
  return typeof value === 'function' && Reflect.hasMetadata(TIMER_METADATA, value);
}

function onTimer(option: string, decorator: string): ConfigProblem {
  const why = 'a timer has no caller, and Nest runs no guards for it';
  const write = `Remove ${decorator}, or put it on the handlers that requests reach`;
  return { option, seen: `${decorator} on a method that @nestjs/schedule calls`, why, write };
}

function unrecognised(option: string, decorator: string, what: string): ConfigProblem {
  const why = `an unknown caller of it would not enforce what is declared. ${KNOWN_HANDLERS}`;
  const write = `Move ${decorator} to the handler that uses it; for another MCP framework, describe it in the option frameworks, or name the scopes in scopes.operations`;
  return { option, seen: `${decorator} on ${what}`, why, write };
}
