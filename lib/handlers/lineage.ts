import type { Type } from '@nestjs/common';
import { rememberedOn, type Remembered } from './written-declarations.js';

/** A class that Nest knows, with its base classes and the classes that decorators replaced. */
export interface Lineage {
  readonly classRef: Type<object>;
  /** From the class to its furthest base class. */
  readonly prototypes: readonly object[];
  readonly classes: readonly object[];
}

/** The member with the name of a method, and the prototype that has it. */
export interface Found {
  readonly owner: object;
  /** Undefined for an accessor, and for a value that is not a function. */
  readonly method: object | undefined;
}

export function lineageOf(classRef: Type<object>): Lineage {
  const prototypes: object[] = [];
  let prototype = classRef.prototype as object | null | undefined;
  while (prototype && prototype !== Object.prototype) {
    prototypes.push(prototype);
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  const constructors = prototypes.flatMap((one) =>
    Object.hasOwn(one, 'constructor') ? [one.constructor as object] : [],
  );
  return { classRef, prototypes, classes: [...new Set<object>([classRef, ...constructors])] };
}

export function isRemembered({ prototypes, classes }: Lineage): boolean {
  return [...prototypes, ...classes].some((one) => rememberedOn(one).length > 0);
}

export function namesOf({ prototypes }: Lineage): (string | symbol)[] {
  return [...new Set(prototypes.flatMap((prototype) => rememberedOn(prototype).flatMap(({ key }) => key ?? [])))];
}

/** The decorators of methods with this name, with the prototype of each. */
export function entriesOf(
  { prototypes }: Lineage,
  name: string | symbol,
): { readonly prototype: object; readonly entry: Remembered }[] {
  return prototypes.flatMap((prototype) =>
    rememberedOn(prototype).flatMap((entry) => (entry.key === name ? [{ prototype, entry }] : [])),
  );
}

export function methodsOf({ prototypes }: Lineage): object[] {
  const descriptors = prototypes.flatMap((prototype) => Object.values(Object.getOwnPropertyDescriptors(prototype)));
  return descriptors.flatMap(({ value }) => (typeof value === 'function' ? [value as object] : []));
}

export function findMethod(prototypes: readonly object[], name: string | symbol): Found | undefined {
  const owner = prototypes.find((prototype) => Object.hasOwn(prototype, name));
  if (!owner) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(owner, name)?.value;
  return { owner, method: typeof value === 'function' ? value : undefined };
}
