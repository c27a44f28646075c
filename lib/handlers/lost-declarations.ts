import type { Type } from '@nestjs/common';
import type { ConfigProblem } from '../core/error.js';
import { declarationPartsOf, type DeclarationPart } from './handler-declaration.js';
import { entriesOf, findMethod, lineageOf, methodsOf, namesOf, type Found, type Lineage } from './lineage.js';
import { isHandler, type KnownHandlers } from './mcp-frameworks.js';
import { boundTo, GUARDS_METADATA, PARAMETERS_METADATA } from './nest-metadata.js';
import {
  canHold,
  classesWriting,
  isOnClass,
  rememberedOn,
  injectsCaller,
  type Remembered,
} from './written-declarations.js';

export const NOTHING = 'so nothing would enforce it';

/** Problems with decorators that have no effect at their place, and with decorators that lost their metadata. */
export function lostDeclarations(classRef: Type<object>, known: KnownHandlers): ConfigProblem[] {
  const lineage = lineageOf(classRef);
  const onClasses = lineage.classes.flatMap((one) => rememberedOn(one).flatMap((entry) => misplaced(classRef, entry)));
  return [
    ...onClasses,
    ...namesOf(lineage).flatMap((name) => lostOfMethod(lineage, name, known)),
    ...lostOfClass(lineage),
    ...lostParameters(lineage, known),
  ];
}

function lostOfMethod(lineage: Lineage, name: string | symbol, known: KnownHandlers): ConfigProblem[] {
  const { classRef, prototypes } = lineage;
  const found = findMethod(prototypes, name);
  return entriesOf(lineage, name).flatMap(({ prototype, entry }) => {
    const wrong = misplaced(classRef, entry);
    if (wrong.length > 0) return wrong;
    const isOverridden = found !== undefined && prototypes.indexOf(found.owner) < prototypes.indexOf(prototype);
    if (!isOverridden) return dropped(classRef, found, entry);
    // The overriding method is not a handler, or the lost decorator is `@AuthInfo()`, which it need not repeat.
    const isKept = !found.method || !isHandler(found.method, known) || !entry.addition;
    return isKept ? [] : overridden(classRef, prototype, found.method, entry);
  });
}

/** Problems with decorators of classes. For each kind of declaration, the nearest class in the lineage decides. */
function lostOfClass(lineage: Lineage): ConfigProblem[] {
  const { classRef, classes } = lineage;
  const copiedFrom = methodsOf(lineage).flatMap((method) => [...classesWriting(method)]);
  const declared = [...new Set([...classes, ...copiedFrom])].map((one) => rememberedOn(one).filter(isOnClass));
  const found = declarationPartsOf(classRef);
  const isKept = (entry: Remembered, index: number): boolean => {
    const isDeclaredNearer = declared.slice(0, index).some((entries) => entries.length > 0);
    return isDeclaredNearer ? isRepeated(entry, found) : found.includes(entry.addition as DeclarationPart);
  };
  const lost = declared.flatMap((entries, index) => entries.filter((entry) => !isKept(entry, index)));
  return lost.map(({ decorator }) => ({
    option: classRef.name,
    seen: `${decorator} on the class, or on one that it replaces or extends, which is missing on the class that Nest knows`,
    why: `a decorator replaced the class, or the class declares something else, ${NOTHING}`,
    write: `Write ${decorator} on ${classRef.name} itself, above decorators that return another class`,
  }));
}

/** Nest stores parameter decorators by class and method name, so a method that moves to another class loses them. */
function lostParameters({ classRef, prototypes }: Lineage, known: KnownHandlers): ConfigProblem[] {
  return prototypes.flatMap((prototype) =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, { value }]) => {
      if (typeof value !== 'function' || !injectsCaller(value as object) || !isHandler(value as object, known))
        return [];
      if (Reflect.hasMetadata(PARAMETERS_METADATA, classRef, name)) return [];
      return [
        {
          option: `${classRef.name}.${name}`,
          seen: 'a method with @AuthInfo() that was written in another class, or under another name',
          why: 'Nest does not find its parameter decorators here, so the caller would be undefined',
          write: 'Let the class extend the one in which the method was written',
        },
      ];
    }),
  );
}

/** A subclass that overrides a handler must repeat each kind of declaration of that handler. */
function overridden(classRef: Type<object>, prototype: object, method: object, entry: Remembered): ConfigProblem[] {
  if (isRepeated(entry, declarationPartsOf(method))) return [];
  const base = (prototype.constructor as Type).name;
  return [
    {
      option: `${classRef.name}.${String(entry.key)}`,
      seen: `a method that overrides that of ${base}, which declares ${entry.decorator}`,
      why: `the decorators of a method are not inherited by one that overrides it, ${NOTHING}`,
      write: `Write ${entry.decorator}, or its replacement, on the overriding method too`,
    },
  ];
}

/**
 * Whether a declaration is repeated, or replaced by another one of the same kind. `@Public()` replaces every kind except
 * `resourceId`. A lost `@Public()` counts as repeated: without it, the method is protected.
 */
function isRepeated({ addition }: Remembered, found: readonly DeclarationPart[]): boolean {
  if (!addition || addition.isPublic || found.includes(addition)) return true;
  const kind = kindOf(addition);
  return found.some((one) => kindOf(one) === kind || (one.isPublic === true && kind !== 'resourceId'));
}

/** `requirement`, `policies`, `authentications`, `needsProof`, `isPublic` or `resourceId`: each decorator adds one member. */
function kindOf(addition: DeclarationPart): string | undefined {
  return Object.keys(addition)[0];
}

function dropped(classRef: Type<object>, found: Found | undefined, entry: Remembered): ConfigProblem[] {
  const method = found?.method;
  if (method && isStillThere(classRef, method, entry)) return [];
  const above = method ? 'another function in its place' : 'an accessor in its place';
  return [
    {
      option: `${classRef.name}.${String(entry.key)}`,
      seen: `${entry.decorator}, which another decorator of the method or of its class removed: it put ${above}, without the metadata`,
      why: `Nest and MCP frameworks do not find what was declared, ${NOTHING}`,
      write: `Write ${entry.decorator} above that decorator, as the first line`,
    },
  ];
}

function isStillThere(classRef: Type<object>, method: object, { key, addition, guard }: Remembered): boolean {
  if (!addition) return Reflect.hasMetadata(PARAMETERS_METADATA, classRef, String(key));
  if (!declarationPartsOf(method).includes(addition)) return false;
  return guard === undefined || boundTo(classRef, method, GUARDS_METADATA).includes(guard);
}

function misplaced({ name }: Type<object>, entry: Remembered): ConfigProblem[] {
  const { place, key, decorator, addition } = entry;
  if (canHold(place, entry)) return [];
  const option = key === undefined ? name : `${name}.${String(key)}`;
  const write = addition
    ? 'Move it to the method of a handler, or to its class'
    : 'Move it to a parameter of a handler';
  return [{ option, seen: `${decorator} on a ${place}`, why: `it has no effect there, ${NOTHING}`, write }];
}
