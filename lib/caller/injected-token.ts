import type { ExecutionContext } from '@nestjs/common';
import type { McpAuthInfo } from '../core/auth-info.js';
import { callWithInstance } from './call-registry.js';
import { instancesWith, type Instance } from './module-instances.js';
import { COPY_MARK, moduleMissing, THIS_COPY } from './package-copies.js';

/** Obtains a token for an API by its name, on behalf of a caller. */
type TokenFor = (name: string, caller: McpAuthInfo | undefined) => Promise<string>;

/** How each instance obtains tokens. */
const sources = new WeakMap<Instance, TokenFor>();

/** Registers how an instance obtains tokens for parameters. */
export function provideTokens(instance: Instance, tokenFor: TokenFor): void {
  sources.set(instance, tokenFor);
}

/**
 * The value that `@DownstreamToken()` injects. Also called directly, for handlers that Nest does not call.
 *
 * @throws {McpAuthConfigError} if no instance of this copy of the package serves the handler.
 */
export async function injectedToken(name: string, context: ExecutionContext): Promise<string> {
  const current = callWithInstance(context);
  const [only, ...others] = instancesWith(context.getClass());
  const instance = current?.instance ?? (others.length === 0 ? only : undefined);
  const tokenFor = instance && sources.get(instance);
  if (!tokenFor) throw moduleMissing('@DownstreamToken()');
  return tokenFor(name, current?.call.auth);
}

// Marks the decorator for every copy of this package.
Object.defineProperty(injectedToken, COPY_MARK, { value: THIS_COPY });
