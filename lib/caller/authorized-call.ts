import type { McpAuthInfo } from '../core/auth-info.js';
import type { McpAuthError } from '../core/error.js';
import type { ResolvedResource } from '../options/resource-options.js';

/** An admitted request, or an admitted call of a handler. */
export interface AuthorizedCall {
  /** Undefined for an anonymous caller (`allowAnonymous`). */
  readonly auth: McpAuthInfo | undefined;
  readonly resource: ResolvedResource;
  /** The method of the route or handler for which it was admitted. */
  readonly handler: object;
  /** The refusal that the handler threw, from which the answer is made. */
  handlerError?: McpAuthError;
}
