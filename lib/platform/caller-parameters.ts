import type { McpAuthInfo } from '../core/auth-info.js';
import type { ExecutionContext } from '@nestjs/common';
import { injectedToken } from '../caller/injected-token.js';
import { injectedCaller } from '../caller/injected-caller.js';
import { decoratedParameters } from '../handlers/decorated-parameters.js';

/** A parameter that this library injects, and how. */
interface InjectedParameter {
  readonly index: number;
  /** Its value, or a promise of it. */
  readonly inject: (context: ExecutionContext) => unknown;
}

/** The parameters of a method that are decorated with `@AuthInfo()` or `@DownstreamToken()`. */
export function callerParameters(classRef: object, methodName: string): InjectedParameter[] {
  return decoratedParameters(classRef, methodName).flatMap(({ index, factory, data }) => {
    if (factory === injectedCaller)
      return [{ index, inject: (context) => injectedCaller(data as keyof McpAuthInfo | undefined, context) }];
    if (factory === injectedToken) return [{ index, inject: (context) => injectedToken(data as string, context) }];
    return [];
  });
}
