import { AUTHORIZATION_SERVER_SCOPES, isScopeToken } from '../core/scopes.js';
import { showValue } from '../core/safe-text.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { OptionReader, ReadersOf, ReadOption } from './option-reader.js';

/** What calls need beyond a valid token, and what is advertised of it. */
export interface ScopeOptions {
  /** Needed by every protected request. @default none */
  required?: string[];
  /**
   * Published as `scopes_supported`. Clients without a better hint ask for all of it, so keep it to what basic use
   * needs; a challenge may name others.
   * @default `required` if there are any, else every scope named by a decorator
   */
  supported?: string[];
  /** Broader scope → the scopes it implies, transitively. @default none */
  hierarchy?: Record<string, string[]>;
  /**
   * What operations need whose handlers cannot be decorated: tool name, resource URI or URI template, prompt name →
   * scopes. Adds to what decorators say, and is checked before dispatch only. A URI needs what any reading of it needs: as
   * it was sent, in normal form, and without scheme, case and query, as `@rekog/mcp-nest` reads it; one of more than 2,048
   * characters, or one that is no URI, needs the scopes of all resources.
   * @default none
   */
  operations?: {
    /** By tool name. */
    tools?: Record<string, string[]>;
    /** By URI, or URI template, as the server lists it. */
    resources?: Record<string, string[]>;
    /** By prompt name. */
    prompts?: Record<string, string[]>;
  };
  /**
   * What a caller finds in the lists of tools, resources and prompts:
   * - `show`: everything, since a client calls only what is listed, and could otherwise never step up;
   * - `hide`: what the token's scopes and the policies allow;
   * - `obtainable`: what some token of this caller would allow: policies that say no hide, missing scopes don't.
   *
   * Comfort, not protection: what is hidden is refused all the same when it is called. Policies are asked about
   * listed tools, prompts and templates with `args` undefined, and about resources with what reading them would give.
   * @default 'show'
   */
  listing?: ListingPolicy;
}

/** What lists hold for a caller who may not use everything; see {@link ScopeOptions.listing}. */
export type ListingPolicy = 'show' | 'hide' | 'obtainable';

/** What an operation needs whose handler cannot be decorated. */
export interface OperationScopes {
  readonly kind: OperationKind;
  readonly name: string;
  readonly scopes: readonly string[];
}

export const OPERATION_OPTIONS = {
  tools: operationsOf(() => 'tool'),
  resources: operationsOf((uri) => (uri.includes('{') ? 'resource-template' : 'resource')),
  prompts: operationsOf(() => 'prompt'),
} satisfies ReadersOf<NonNullable<ScopeOptions['operations']>>;

export const SCOPE_OPTIONS = {
  required: (option) => readScopes(option) ?? [],
  supported: readScopes,
  hierarchy: readHierarchy,
  operations: (option) => Object.values(option.section(OPERATION_OPTIONS)).flat(),
  listing: (option) => option.choice(['show', 'hide', 'obtainable']),
} satisfies ReadersOf<ScopeOptions>;

function operationsOf(kindOf: (name: string) => OperationKind): ReadOption<OperationScopes[]> {
  return (option) =>
    option.keys().map((name) => ({
      kind: kindOf(name),
      name,
      scopes: readScopes(option.atKey(name)) ?? [],
    }));
}

function readHierarchy(option: OptionReader): Record<string, string[]> {
  const entries = option.keys().map((broader): [string, string[]] => {
    requireScope(option, broader);
    return [broader, readScopes(option.atKey(broader)) ?? []];
  });
  return Object.fromEntries(entries);
}

/** Without repetitions. An empty list is one. */
function readScopes(option: OptionReader): string[] | undefined {
  if (Array.isArray(option.value) && option.value.length === 0) return [];
  const scopes = option.texts(WRITE_SCOPES);
  for (const scope of scopes ?? []) requireScope(option, scope);
  return scopes && [...new Set(scopes)];
}

const WRITE_SCOPES = 'Write a list of scopes such as ["notes:read"]';

function requireScope(option: OptionReader, scope: string): void {
  const seen = showValue(scope);
  if (!isScopeToken(scope)) {
    const why = 'a scope is visible ASCII without spaces, quotes and backslashes';
    option.refuse({ seen, why, write: WRITE_SCOPES });
  } else if (AUTHORIZATION_SERVER_SCOPES.has(scope)) {
    const why = 'it concerns the authorization server alone, and a resource server should not ask for it';
    option.refuse({ seen, why, write: 'Remove it; clients ask for it by themselves' });
  }
}
