import 'reflect-metadata';
import { McpAuthConfigError } from '../core/error.js';
import type { DeclarationPart } from './handler-declaration.js';

/** Where a decorator is written. `@AuthInfo()` has an effect on a parameter of a method, the others on a class or a method. */
export type Place =
  | 'class'
  | 'method'
  | 'parameter'
  | 'static method'
  | 'property'
  | 'accessor'
  | 'method with a symbol for a name'
  | 'constructor parameter';

/** One decorator of this library, and where it was written. */
export interface Remembered {
  readonly place: Place;
  /** Undefined for a class and its constructor. */
  readonly key: string | symbol | undefined;
  /** As in the source: `@RequireScopes("notes:write")`. */
  readonly decorator: string;
  /** What it declares; undefined for `@AuthInfo()`. */
  readonly addition: DeclarationPart | undefined;
  /** The guard that it binds, if any. */
  readonly guard: object | undefined;
}

/** Decorators by the class, or by its prototype for members of instances. */
const remembered = new WeakMap<object, Remembered[]>();

/** Every class with a remembered decorator, until it is garbage-collected. */
const classes: WeakRef<object>[] = [];

/** The decorated classes that a method was written in. Another class may have the same function as a method. */
const writtenIn = new WeakMap<object, Set<object>>();

/**
 * Remembers a decorator when it runs. The start of the application compares it with the metadata that is left, since another
 * decorator may have replaced the decorated function or class.
 *
 * @param third the descriptor of a method, the index of a parameter, or nothing
 * @returns the object for the metadata of the decorator; undefined where the decorator has no effect: then the application
 * refuses to start
 * @throws {McpAuthConfigError} for standard ECMAScript decorators, which Nest does not support.
 */
export function remember(
  target: object,
  key: string | symbol | undefined,
  third: unknown,
  what: Pick<Remembered, 'decorator' | 'addition' | 'guard'>,
): object | undefined {
  if (typeof key === 'object') throw unsupported(what.decorator);
  const place = placeOf(target, key, third);
  const known = remembered.get(target);
  if (!known) classes.push(new WeakRef(typeof target === 'function' ? target : target.constructor));
  remembered.set(target, [...(known ?? []), { place, key, ...what }]);
  if (place === 'class') noteMethods(target);
  if (place === 'parameter') noteParameter(target, key);
  if (!canHold(place, what)) return undefined;
  return place === 'method' ? functionOf(third) : target;
}

/** Whether a decorator has an effect at this place. */
export function canHold(place: Place, { addition }: Pick<Remembered, 'addition'>): boolean {
  return addition ? place === 'class' || place === 'method' : place === 'parameter';
}

/** Whether a decorator declares something for a whole class. */
export function isOnClass({ place, addition }: Remembered): boolean {
  return place === 'class' && addition !== undefined;
}

/** The decorators that were written on a class, or on the members of a prototype. */
export function rememberedOn(target: object): readonly Remembered[] {
  return remembered.get(target) ?? [];
}

/** The decorated classes that a method was written in, whichever classes have it now. */
export function classesWriting(method: object): ReadonlySet<object> {
  return writtenIn.get(method) ?? new Set();
}

/** The metadata of a method that injects the caller. It stays on the function if another class takes it over. */
const WANTS_CALLER_METADATA = 'nestjs-mcp-auth:wants-caller';

/** Whether `@AuthInfo()` was written on a parameter of the method, in any class. */
export function injectsCaller(method: object): boolean {
  return Reflect.hasMetadata(WANTS_CALLER_METADATA, method);
}

function noteParameter(target: object, key: string | symbol | undefined): void {
  const method = key !== undefined && functionOf(Object.getOwnPropertyDescriptor(target, key));
  if (method) Reflect.defineMetadata(WANTS_CALLER_METADATA, true, method);
}

/** Every class of the process that has a decorator of this library. */
export function rememberedClasses(): object[] {
  return [...new Set(classes.flatMap((reference) => reference.deref() ?? []))];
}

/** Methods that this library has replaced by wrappers. */
const replaced = new WeakSet<object>();

/** Marks a method that a wrapper of this library has replaced. The wrapper calls it. */
export function markWrapped(method: object): void {
  replaced.add(method);
}

export function isWrapped(method: object): boolean {
  return replaced.has(method);
}

function placeOf(target: object, key: string | symbol | undefined, third: unknown): Place {
  if (key === undefined) return typeof third === 'number' ? 'constructor parameter' : 'class';
  if (typeof target === 'function') return 'static method';
  if (typeof key === 'symbol') return 'method with a symbol for a name';
  if (typeof third === 'number') return 'parameter';
  if (functionOf(third)) return 'method';
  const { get, set } = (third ?? {}) as PropertyDescriptor;
  return get || set ? 'accessor' : 'property';
}

function functionOf(descriptor: unknown): object | undefined {
  const { value } = (descriptor ?? {}) as PropertyDescriptor;
  return typeof value === 'function' ? (value as object) : undefined;
}

function noteMethods(classRef: object): void {
  const { prototype } = classRef as { readonly prototype?: object };
  for (const { value } of Object.values(Object.getOwnPropertyDescriptors(prototype ?? {}))) {
    if (typeof value !== 'function' || value === classRef) continue;
    writtenIn.set(value as object, (writtenIn.get(value as object) ?? new Set<object>()).add(classRef));
  }
}

function unsupported(decorator: string): McpAuthConfigError {
  const why = 'Nest supports only the experimental decorators of TypeScript';
  const write = 'Set "experimentalDecorators": true in tsconfig.json, or the same option of your compiler';
  return new McpAuthConfigError([{ option: decorator, seen: 'a standard ECMAScript decorator', why, write }]);
}
