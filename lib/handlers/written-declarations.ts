import 'reflect-metadata';
import { McpAuthConfigError } from '../core/error.js';
import type { DeclarationPart } from './handler-declaration.js';

/** Where a decorator of this library can be written. `@AuthInfo()` can hold on a parameter of a method, the others on a class and on a method. */
export type Place =
  | 'class'
  | 'method'
  | 'parameter'
  | 'static method'
  | 'property'
  | 'accessor'
  | 'method with a symbol for a name'
  | 'constructor parameter';

/** One decorator of this library at one place, as it was written. */
export interface Remembered {
  readonly place: Place;
  /** Undefined for a class and its constructor. */
  readonly key: string | symbol | undefined;
  /** As in the source: `@RequireScopes("notes:write")`. */
  readonly decorator: string;
  /** What it declares; undefined for `@AuthInfo()`. */
  readonly addition: DeclarationPart | undefined;
  /** The guard that it binds, if it binds one. */
  readonly guard: object | undefined;
}

/** By the class, or by its prototype for what belongs to instances. */
const remembered = new WeakMap<object, Remembered[]>();

/** Every class that is remembered, as long as it exists. */
const classes: WeakRef<object>[] = [];

/** Which decorated class a method was written in: another class may have been given the very same function. */
const writtenIn = new WeakMap<object, Set<object>>();

/**
 * Remembers a decorator at the moment it runs, so that the start of the application can compare what was written with
 * what is still there: another decorator may put a function or a class in the place of the one that was decorated.
 *
 * @param third the descriptor of a method, the index of a parameter, or nothing
 * @returns what the decorator may write its metadata to; undefined where it cannot hold, and the start will be refused
 * @throws {McpAuthConfigError} for the decorators of ECMAScript, which Nest does not support.
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

/** Whether a decorator means anything at this place. */
export function canHold(place: Place, { addition }: Pick<Remembered, 'addition'>): boolean {
  return addition ? place === 'class' || place === 'method' : place === 'parameter';
}

/** Whether it declares something for a whole class. */
export function isOnClass({ place, addition }: Remembered): boolean {
  return place === 'class' && addition !== undefined;
}

/** What was written on a class, or on a prototype. */
export function rememberedOn(target: object): readonly Remembered[] {
  return remembered.get(target) ?? [];
}

/** The decorated classes in which a method was written, whatever class it is found at. */
export function classesWriting(method: object): ReadonlySet<object> {
  return writtenIn.get(method) ?? new Set();
}

/** The metadata of a method that wants the caller, which goes along with it when it is given to another class. */
const WANTS_CALLER_METADATA = 'nestjs-mcp-auth:wants-caller';

/** Whether `@AuthInfo()` was written on a parameter of the method, in whatever class. */
export function wasGivenCaller(method: object): boolean {
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

/** Methods in whose place this library has put others, which go on to call them. */
const replaced = new WeakSet<object>();

/** Notes that a function of this library stands in the place of a method, and calls it. */
export function noteReplaced(method: object): void {
  replaced.add(method);
}

export function isReplaced(method: object): boolean {
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
  const why = 'Nest works with the decorators of TypeScript only';
  const write =
    'Set "experimentalDecorators": true in tsconfig.json, or the option of that name of the compiler in use';
  return new McpAuthConfigError([{ option: decorator, seen: 'a decorator as in ECMAScript', why, write }]);
}
