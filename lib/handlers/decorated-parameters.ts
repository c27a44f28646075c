import { PARAMETERS_METADATA } from './nest-metadata.js';

/** Nest's metadata of a parameter decorated by `createParamDecorator`. */
export interface DecoratedParameter {
  readonly index: number;
  /** The function that Nest calls for the value. */
  readonly factory?: unknown;
  /** The argument of the decorator. */
  readonly data?: unknown;
}

/** The decorated parameters of a method. Nest stores them under its name. */
export function decoratedParameters(classRef: object, methodName: string | symbol): DecoratedParameter[] {
  const parameters: unknown = Reflect.getMetadata(PARAMETERS_METADATA, classRef, methodName);
  return Object.values((parameters ?? {}) as Record<string, DecoratedParameter>);
}
