import { Caller } from '../caller/caller.js';
import type { McpAuthInfo } from '../core/auth-info.js';

/** All callers without a token are one. */
export const ANONYMOUS = 'anonymous';

/**
 * To whom belongs what a caller makes: the principal, at the resource for which the token was issued. The same user with
 * a new token is the same owner, and so with another client, or with another party that acts for them (`act`): what
 * those may do, their scopes say at each request. The same user at another protected resource is another owner.
 */
export function ownerOf(caller: McpAuthInfo | undefined): string {
  return caller ? `${caller.principalKey} ${Caller.resourceIdentifierOf(caller)}` : ANONYMOUS;
}
