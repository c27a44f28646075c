import { Caller } from '../caller/caller.js';
import type { McpAuthInfo } from '../core/auth-info.js';

/** The key that all callers without a token share. */
export const ANONYMOUS = 'anonymous';

/**
 * The owner of what a caller creates: the principal, at the resource the token was issued for. A user stays the same owner
 * with a new token, with another client, and with another party that acts for them (`act`), since scopes are checked at
 * each request. The same user at another protected resource is another owner.
 */
export function ownerOf(caller: McpAuthInfo | undefined): string {
  return caller ? `${caller.principalKey} ${Caller.resourceIdentifierOf(caller)}` : ANONYMOUS;
}
