import type { McpAuthInfo } from '../core/auth-info.js';
import type { ExecutionContext } from '@nestjs/common';
import { injectedToken } from '../caller/injected-token.js';
import { injectedCaller } from '../caller/injected-caller.js';
import { PARAMETERS_METADATA } from '../handlers/nest-metadata.js';

/** Nest's metadata of a parameter decorated by `createParamDecorator`. */
interface DecoratedParameter {
  readonly index: number;
  readonly factory?: unknown;
  readonly data?: unknown;
}

/** A parameter that this library injects, and how. */
interface InjectedParameter {
  readonly index: number;
  /** Its value, or a promise of it. */
  readonly inject: (context: ExecutionContext) => unknown;
}

/** The parameters of a method that are decorated with `@AuthInfo()` or `@DownstreamToken()`. Nest stores them under the name of the method. */
export function callerParameters(classRef: object, methodName: string): InjectedParameter[] {
  const parameters: unknown = Reflect.getMetadata(PARAMETERS_METADATA, classRef, methodName);
  return Object.values((parameters ?? {}) as Record<string, DecoratedParameter>).flatMap(({ index, factory, data }) => {
    if (factory === injectedCaller)
      return [{ index, inject: (context) => injectedCaller(data as keyof McpAuthInfo | undefined, context) }];
    if (factory === injectedToken) return [{ index, inject: (context) => injectedToken(data as string, context) }];
    return [];
  });
}
