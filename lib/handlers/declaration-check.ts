import type { Type } from '@nestjs/common';
import type { ConfigProblem } from '../core/error.js';
import { isCalledByNest, isHandler, KNOWN_HANDLERS, servedOperation } from './mcp-frameworks.js';
import { declarationPartsOf, handlerDeclaration, type DeclarationPart } from './handler-declaration.js';
import {
  canHold,
  classesWriting,
  isReplaced,
  rememberedClasses,
  rememberedOn,
  wasGivenCaller,
  type Remembered,
} from './written-declarations.js';
import { boundTo, GUARDS_METADATA, PARAMETERS_METADATA } from './nest-metadata.js';

/** A class that Nest knows, with those behind it: its base classes, and those that decorators have replaced. */
interface Lineage {
  readonly classRef: Type<object>;
  /** The nearest first. */
  readonly prototypes: readonly object[];
  readonly classes: readonly object[];
}

/** What is found at a class under the name of a method. */
interface Found {
  readonly owner: object;
  /** Undefined for an accessor, and for what is no function. */
  readonly method: object | undefined;
}

/** A method with a decorator of this library, in a class that no module lists. */
export interface UnlistedMethod {
  readonly classRef: object;
  /** `Class.method` */
  readonly name: string;
  readonly decorator: string;
}

const NOTHING = 'so that nothing would ask for it';

/**
 * What is wrong with the decorators of this library on a class that Nest knows: those that mean nothing where they
 * stand, those that something else has dropped, and those on methods that nothing is known to call for a request.
 *
 * Whatever is left holds. Does not see handlers of an unknown framework in a class that declares something for the class
 * as a whole and has known handlers, too.
 */
export function declarationProblems(classRef: Type<object>): ConfigProblem[] {
  const lost = lostDeclarations(classRef);
  return lost.length > 0 ? lost : unrecognisedDeclarations(lineageOf(classRef));
}

/** What cannot hold where it stands, and what was written and is not found any more. */
export function lostDeclarations(classRef: Type<object>): ConfigProblem[] {
  const lineage = lineageOf(classRef);
  const onClasses = lineage.classes.flatMap((one) => rememberedOn(one).flatMap((entry) => misplaced(classRef, entry)));
  return [
    ...onClasses,
    ...namesOf(lineage).flatMap((name) => lostOfMethod(lineage, name)),
    ...lostOfClass(lineage),
    ...lostParameters(lineage),
  ];
}

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
 * Whether it cannot be known what is declared for a function that is called as a handler of a class: it is none of the
 * methods of the class, while some of these have declarations of their own.
 */
export function isStranger(classRef: object, method: object): boolean {
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

/**
 * The decorated methods of classes that are none of the given ones, nor behind them, and that nothing is known to call
 * for a request: likely a mistake, but the class may belong to another application of the process, or be abstract.
 */
export function unlistedMethods(listed: readonly Type<object>[]): UnlistedMethod[] {
  const known = new Set<object>(listed.flatMap((classRef) => lineageOf(classRef).classes));
  return rememberedClasses()
    .filter((classRef) => !known.has(classRef))
    .flatMap((classRef) => {
      const prototype = (classRef as Type<object>).prototype as object;
      return rememberedOn(prototype)
        .filter(asks)
        .flatMap(({ key, place, decorator }) => {
          const method = typeof key === 'string' && Object.getOwnPropertyDescriptor(prototype, key)?.value;
          if (place !== 'method' || typeof method !== 'function' || isHandler(method as object)) return [];
          return [{ classRef, name: `${(classRef as Type<object>).name}.${String(key)}`, decorator }];
        });
    });
}

function lineageOf(classRef: Type<object>): Lineage {
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

function namesOf({ prototypes }: Lineage): (string | symbol)[] {
  return [...new Set(prototypes.flatMap((prototype) => rememberedOn(prototype).flatMap(({ key }) => key ?? [])))];
}

/** What was written on methods of this name, with the prototypes they were written in. */
function entriesOf(
  { prototypes }: Lineage,
  name: string | symbol,
): { readonly prototype: object; readonly entry: Remembered }[] {
  return prototypes.flatMap((prototype) =>
    rememberedOn(prototype).flatMap((entry) => (entry.key === name ? [{ prototype, entry }] : [])),
  );
}

function lostOfMethod(lineage: Lineage, name: string | symbol): ConfigProblem[] {
  const { classRef, prototypes } = lineage;
  const found = findMethod(prototypes, name);
  return entriesOf(lineage, name).flatMap(({ prototype, entry }) => {
    const wrong = misplaced(classRef, entry);
    if (wrong.length > 0) return wrong;
    const isOverridden = found !== undefined && prototypes.indexOf(found.owner) < prototypes.indexOf(prototype);
    return isOverridden ? overridden(classRef, prototype, found, entry) : dropped(classRef, found, entry);
  });
}

/** Of a class and those behind it, the nearest that declares something of a kind says what holds. */
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
    seen: `${decorator} on the class, or on one that it stands for or extends, which is not found at the class that Nest knows`,
    why: `a decorator has put another class in its place, or the class declares something else, ${NOTHING}`,
    write: `Write ${decorator} on ${classRef.name} itself, above decorators that return another class`,
  }));
}

/** Nest keeps what is said of parameters by class and name: a method that is given to another class loses it. */
function lostParameters({ classRef, prototypes }: Lineage): ConfigProblem[] {
  return prototypes.flatMap((prototype) =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, { value }]) => {
      if (typeof value !== 'function' || !wasGivenCaller(value as object) || !isHandler(value as object)) return [];
      if (Reflect.hasMetadata(PARAMETERS_METADATA, classRef, name)) return [];
      return [
        {
          option: `${classRef.name}.${name}`,
          seen: 'a method with @AuthInfo() that was written in another class, or under another name',
          why: 'Nest finds nothing of its parameters here, so that the caller would be undefined',
          write: 'Let the class extend the one in which the method was written',
        },
      ];
    }),
  );
}

function unrecognisedDeclarations(lineage: Lineage): ConfigProblem[] {
  const { classRef, classes } = lineage;
  const methods = namesOf(lineage).flatMap((name) => {
    const first = entriesOf(lineage, name).find(({ entry }) => asks(entry));
    const isReached = first && lineage.prototypes.some((prototype) => isHandlerAt(prototype, name));
    return first && !isReached
      ? [unrecognised(`${classRef.name}.${String(name)}`, first.entry.decorator, 'no handler that is known')]
      : [];
  });
  const onClass = classes.flatMap((one) => rememberedOn(one).filter(isOnClass)).find(asks);
  if (!onClass || methodsOf(lineage).some(isHandler)) return methods;
  return [...methods, unrecognised(classRef.name, onClass.decorator, 'a class without any handler that is known')];
}

function isRemembered({ prototypes, classes }: Lineage): boolean {
  return [...prototypes, ...classes].some((one) => rememberedOn(one).length > 0);
}

/** Whether anybody has to be asked for anything: of what is public, it holds whoever calls. */
function asks({ addition }: Remembered): boolean {
  return addition?.isPublic !== true;
}

function methodsOf({ prototypes }: Lineage): object[] {
  const descriptors = prototypes.flatMap((prototype) => Object.values(Object.getOwnPropertyDescriptors(prototype)));
  return descriptors.flatMap(({ value }) => (typeof value === 'function' ? [value as object] : []));
}

function isHandlerAt(prototype: object, name: string | symbol): boolean {
  const value: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
  return typeof value === 'function' && isHandler(value);
}

function isOnClass({ place, addition }: Remembered): boolean {
  return place === 'class' && addition !== undefined;
}

function findMethod(prototypes: readonly object[], name: string | symbol): Found | undefined {
  const owner = prototypes.find((prototype) => Object.hasOwn(prototype, name));
  if (!owner) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(owner, name)?.value;
  return { owner, method: typeof value === 'function' ? value : undefined };
}

/** A subclass that overrides a handler has to write anew each kind of thing that is declared for it. */
function overridden(classRef: Type<object>, prototype: object, { method }: Found, entry: Remembered): ConfigProblem[] {
  // It is no handler any more, or takes parameters of its own.
  if (!method || !isHandler(method) || !entry.addition || isRepeated(entry, declarationPartsOf(method))) return [];
  const base = (prototype.constructor as Type).name;
  return [
    {
      option: `${classRef.name}.${String(entry.key)}`,
      seen: `a method that overrides that of ${base}, which declares ${entry.decorator}`,
      why: `the decorators of a method are not inherited by one that overrides it, ${NOTHING}`,
      write: `Write ${entry.decorator}, or what is to hold instead, on the overriding method too`,
    },
  ];
}

/** Whatever is declared public anew has been thought about; and what is public no more is closed, which does no harm. */
function isRepeated({ addition }: Remembered, found: readonly DeclarationPart[]): boolean {
  if (!addition || addition.isPublic || found.includes(addition)) return true;
  const kind = kindOf(addition);
  return found.some((one) => kindOf(one) === kind || (one.isPublic === true && kind !== 'resourceId'));
}

/** `requirement`, `policies`, `authentications`, `isPublic` or `resourceId`: each decorator adds one of them. */
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
      seen: `${entry.decorator}, which another decorator of the method or of its class has dropped: it has put ${above}, without the metadata`,
      why: `nothing of what was declared is left on what Nest and MCP frameworks find, ${NOTHING}`,
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
  return [{ option, seen: `${decorator} on a ${place}`, why: `it can mean nothing there, ${NOTHING}`, write }];
}

function unrecognised(option: string, decorator: string, what: string): ConfigProblem {
  const why = `whatever calls it would do so without asking for what is declared. ${KNOWN_HANDLERS}`;
  const write = `Move ${decorator} to the handler that uses it; for another MCP framework, name the scopes in the option scopes.operations`;
  return { option, seen: `${decorator} on ${what}`, why, write };
}
