import type { McpAuthInfo } from '../core/auth-info.js';
import { injectedCaller } from '../caller/injected-caller.js';
import { PARAMETERS_METADATA } from '../handlers/nest-metadata.js';

/** Nest's metadata of a parameter decorated by `createParamDecorator`. */
interface DecoratedParameter {
  readonly index: number;
  readonly factory?: unknown;
  readonly data?: keyof McpAuthInfo;
}

/** The parameters of a method that are decorated with `@AuthInfo()`. Nest stores them under the name of the method. */
export function callerParameters(classRef: object, methodName: string): DecoratedParameter[] {
  const parameters: unknown = Reflect.getMetadata(PARAMETERS_METADATA, classRef, methodName);
  return Object.values((parameters ?? {}) as Record<string, DecoratedParameter>).filter(
    ({ factory }) => factory === injectedCaller,
  );
}
