import type { McpAuthInfo } from '../core/auth-info.js';
import type { McpAuthError } from '../core/error.js';
import type { ResolvedResource } from '../options/resource-options.js';

/** A request that was let through. */
export interface AuthorizedCall {
  /** Undefined for an anonymous caller, where those are let in. */
  readonly auth: McpAuthInfo | undefined;
  readonly resource: ResolvedResource;
  /** The method of the route or handler that it was let through to. */
  readonly handler: object;
  /** The refusal that a handler raised while it served the call, for the answer to be made of. */
  handlerError?: McpAuthError;
}
