import type { ExecutionContext } from '@nestjs/common';
import { McpAuthConfigError } from '../core/error.js';
import { callWithInstance } from './call-registry.js';
import { copiesProblem, COPY_MARK, otherCopies, THIS_COPY } from './package-copies.js';
import type { McpAuthInfo } from '../core/auth-info.js';

/**
 * The value that `@AuthInfo()` injects. Also called directly, for handlers that Nest does not call.
 *
 * @throws {McpAuthConfigError} if the guard of another copy of this package protects the application: this copy does
 * not know its caller.
 */
export function injectedCaller(key: keyof McpAuthInfo | undefined, context: ExecutionContext): unknown {
  if (THIS_COPY.running === 0 && otherCopies().some(({ running }) => running > 0)) {
    throw new McpAuthConfigError([
      copiesProblem('@AuthInfo()', 'the decorator of one copy and McpAuthModule of another'),
    ]);
  }
  const auth = callWithInstance(context)?.call.auth;
  return key === undefined ? auth : auth?.[key];
}

// Marks the decorator for every copy of this package.
Object.defineProperty(injectedCaller, COPY_MARK, { value: THIS_COPY });
