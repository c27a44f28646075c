import type { ForwardReference } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import {
  INJECTED_PARAMETERS_METADATA,
  INJECTED_PROPERTIES_METADATA,
  PARAMETER_TYPES_METADATA,
} from '../handlers/nest-metadata.js';

/** Nest's internal object for a module. */
export type NestModule = NonNullable<ReturnType<ModulesContainer['get']>>;

/** Nest's internal object for a provider, controller or injectable. */
export type Wrapper = NestModule['providers'] extends Map<unknown, infer One> ? One : never;

/** All providers, controllers and injectables of the modules. */
export function wrappersIn(modules: readonly NestModule[]): Wrapper[] {
  return modules.flatMap(({ providers, controllers, injectables }) =>
    [providers, controllers, injectables].flatMap((wrappers) => [...wrappers.values()] as Wrapper[]),
  );
}

/** The tokens of the injected dependencies. */
export function dependenciesOf({ metatype, inject }: Wrapper): unknown[] {
  if (inject) return inject.map((one) => (typeof one === 'object' && 'token' in one ? one.token : one)).map(target);
  if (typeof metatype !== 'function') return [];
  const types = metadata<unknown>(PARAMETER_TYPES_METADATA, metatype);
  const parameters = metadata<{ readonly param: unknown }>(INJECTED_PARAMETERS_METADATA, metatype).map(
    ({ param }) => param,
  );
  const properties = metadata<{ readonly type: unknown }>(INJECTED_PROPERTIES_METADATA, metatype).map(
    ({ type }) => type,
  );
  return [...types, ...parameters, ...properties].map(target);
}

function metadata<Entry>(key: string, metatype: object): readonly Entry[] {
  return (Reflect.getMetadata(key, metatype) as readonly Entry[] | undefined) ?? [];
}

function target(token: unknown): unknown {
  const reference = token as ForwardReference | undefined;
  return typeof reference === 'object' && 'forwardRef' in reference ? (reference.forwardRef() as unknown) : token;
}
