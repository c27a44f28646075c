import { Caller } from '../caller/caller.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import type { ResolvedResource } from '../options/resource-options.js';

/** Who creates or uses something, and at which resource. */
export interface CallerAt {
  /** Undefined for a caller without a token. */
  readonly auth: McpAuthInfo | undefined;
  readonly resource: ResolvedResource;
}

/**
 * The owner of what a caller creates: the principal, at the resource the token was issued for. A user stays the same owner
 * with a new token, with another client, and with another party that acts for them (`act`), since scopes are checked at
 * each request. The same user at another protected resource, or at another tenant, is another owner. All callers of a resource
 * without a token are one owner.
 */
export function ownerOf({ auth, resource }: CallerAt): string {
  return auth ? `${auth.principalKey} ${Caller.resourceIdentifierOf(auth)}` : `anonymous ${resource.identifier.value}`;
}
