import { statusOf, type McpAuthError } from '../core/error.js';
import { isRequestableScope } from '../core/scopes.js';
import type { RefusedRequest } from '../authorization/refused-requests.js';
import type { ChallengeScopesContext } from '../options/scope-options.js';
import type { ResolvedResource } from '../options/resource-options.js';

/** Most scopes, and most characters of their names, that a challenge gets beyond the needed ones: heads are limited. */
const MAX_SCOPES = 100;
const MAX_CHARACTERS = 4_000;

/** Chooses the scopes that a challenge names, as the option `scopes.challenge` says. Does not decide about requests. */
export class ChallengeScopes {
  /**
   * @param supportedScopes the advertised scopes of a resource
   * @param failed called if the option could not be followed
   */
  constructor(
    private readonly supportedScopes: (resource: ResolvedResource) => readonly string[],
    private readonly failed: (resource: string, error: unknown) => void,
  ) {}

  /** The scopes for the challenge of a refusal that has one. */
  choose(error: McpAuthError, refused: RefusedRequest): readonly string[] {
    const { resource, caller } = refused;
    const needed = neededScopes(error, refused);
    const option = resource.challengeScopes;
    if (option === 'minimum') return needed;
    const supported = this.supportedScopes(resource);
    if (option === 'all') return union(needed, supported);
    const granted = caller?.scopes.filter(isRequestableScope) ?? [];
    const context = { resource: resource.id, status: statusOf(error), needed, granted, supported, auth: caller };
    try {
      return checked(option === 'granted-too' ? union(needed, granted) : option(copyOf(context)), error);
    } catch (reason) {
      this.failed(resource.id, reason);
      return needed;
    }
  }
}

/** What the refused operation needs. An API behind this server needs its scopes beside those of the operation. */
function neededScopes(
  { scopes: named, reason }: McpAuthError,
  { resource, scopes }: RefusedRequest,
): readonly string[] {
  if (reason === 'downstream_consent') return union(union(resource.requiredScopes, scopes), named);
  return named.length > 0 ? named : scopes;
}

/** @throws {TypeError} naming what is wrong with the scopes. */
function checked(scopes: unknown, { code }: McpAuthError): readonly string[] {
  if (!Array.isArray(scopes) || !scopes.every(isRequestableScope))
    throw new TypeError('it must return a list of scopes: visible ASCII without spaces, quotes and \\');
  if (scopes.length === 0 && code === 'insufficient_scope')
    throw new TypeError('it must name at least one scope: without one, clients cannot step up');
  const distinct = union(scopes, []);
  if (distinct.length > MAX_SCOPES || distinct.join(' ').length > MAX_CHARACTERS)
    throw new TypeError(`a challenge names at most ${MAX_SCOPES} scopes of ${MAX_CHARACTERS} characters in all`);
  return distinct;
}

function copyOf({ needed, granted, supported, ...others }: ChallengeScopesContext): ChallengeScopesContext {
  return Object.freeze({
    ...others,
    needed: Object.freeze([...needed]),
    granted: Object.freeze([...granted]),
    supported: Object.freeze([...supported]),
  });
}

function union(first: readonly string[], second: readonly string[]): string[] {
  return [...new Set([...first, ...second])];
}
