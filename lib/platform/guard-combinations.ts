import type { CanActivate, Type } from '@nestjs/common';
import { APP_GUARD, type ModulesContainer } from '@nestjs/core';
import { dependenciesOf, wrappersIn, type Wrapper } from './injection.js';
import { boundTo, GUARDS_METADATA } from '../handlers/nest-metadata.js';
import { MODULE_MARK } from '../caller/package-copies.js';

/**
 * Finds the handlers whose guard combines `McpAuthGuard` with checks of the application: it extends that class, or
 * injects it, directly or through other providers. A guard that is a provider but bound to no handler counts for all
 * handlers, because it may be global.
 */
export class GuardCombinations {
  readonly #byToken = new Map<unknown, Wrapper[]>();
  readonly #isEverywhere: boolean;
  readonly #known = new WeakMap<object, WeakMap<object, boolean>>();

  /** @param guard the class `McpAuthGuard` */
  constructor(
    modules: ModulesContainer,
    private readonly guard: Type,
  ) {
    const others = [...modules.values()].filter(({ metatype }) => !(MODULE_MARK in metatype));
    const wrappers = wrappersIn(others);
    for (const wrapper of wrappers)
      this.#byToken.set(wrapper.token, [...(this.#byToken.get(wrapper.token) ?? []), wrapper]);
    const injectables = others.flatMap((one) => [...one.injectables.values()]);
    const bound = new Set(injectables.flatMap(({ token, metatype }) => (isGlobal(token) ? [] : [metatype])));
    this.#isEverywhere = wrappers.some(
      (wrapper) => !bound.has(wrapper.metatype) && isGuard(wrapper) && this.#isCombining(wrapper, new Set()),
    );
  }

  /** Generous: also if the only such guard is one that may be global. */
  isCombined(classRef: object, handler: object): boolean {
    return this.#isEverywhere || this.isBoundTo(classRef, handler);
  }

  /** Whether such a guard is bound to a handler. */
  isBoundTo(classRef: object, handler: object): boolean {
    const ofClass = this.#known.get(classRef) ?? new WeakMap<object, boolean>();
    this.#known.set(classRef, ofClass);
    let isCombined = ofClass.get(handler);
    if (isCombined === undefined)
      ofClass.set(
        handler,
        (isCombined = boundTo(classRef, handler, GUARDS_METADATA).some((guard) => this.combines(guard))),
      );
    return isCombined;
  }

  /** Whether this guard, a class or an instance, is such a guard. */
  combines(guard: unknown): boolean {
    return this.#isCombining({ metatype: guardClassOf(guard) } as Wrapper, new Set());
  }

  #isCombining(wrapper: Wrapper, seen: Set<unknown>): boolean {
    const { metatype } = wrapper;
    if (typeof metatype === 'function' && ((metatype as Type).prototype as unknown) instanceof this.guard) return true;
    return dependenciesOf(wrapper).some((token) => {
      if (token === this.guard) return true;
      if (seen.has(token)) return false;
      seen.add(token);
      return (this.#byToken.get(token) ?? []).some((one) => this.#isCombining(one, seen));
    });
  }
}

/** The class of a guard that is bound as a class or as an instance. */
export function guardClassOf(guard: unknown): unknown {
  return typeof guard === 'function' ? guard : (guard as { readonly constructor?: unknown } | null)?.constructor;
}

/** Nest creates a token for each `APP_GUARD`. Request-scoped ones are among the injectables. */
function isGlobal(token: unknown): boolean {
  return typeof token === 'string' && token.startsWith(APP_GUARD);
}

/** Bound by `APP_GUARD`, or a class with `canActivate()`. */
function isGuard({ subtype, metatype }: Wrapper): boolean {
  if (subtype === 'guard') return true;
  const prototype =
    typeof metatype === 'function' ? ((metatype as Type).prototype as Partial<CanActivate> | undefined) : undefined;
  return typeof prototype?.canActivate === 'function';
}
