import type { McpAuthInfo } from '../core/auth-info.js';
import { AUTHORIZATION_SERVER_SCOPES, isScopeToken } from '../core/scopes.js';
import { showValue } from '../core/safe-text.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { ToolBehaviour } from '../core/tool-behaviour.js';
import { optional, type OptionReader, type ReadersOf, type ReadOption } from './option-reader.js';

/** The scopes that requests need, and those that are advertised. */
export interface ScopeOptions {
  /** Scopes that every protected request needs. @default none */
  required?: string[];
  /**
   * Published as `scopes_supported`. Clients without a better hint request all of these, so list only what basic use needs; a
   * challenge can name others.
   * @default `required` if there are any, else every scope named by a decorator
   */
  supported?: string[];
  /** Broader scope → the scopes it implies, transitively. @default none */
  hierarchy?: Record<string, string[]>;
  /**
   * Scopes of operations with handlers that cannot be decorated: tool name, resource URI or URI template, prompt name →
   * scopes. They add to those of decorators, and are checked only before dispatch. A URI needs the scopes of every form of it:
   * as sent, normalized, and without scheme, case and query, as `@rekog/mcp-nest` reads it. A URI of more than 2,048
   * characters, and text that is not a URI, need the scopes of all resources.
   * @default none
   */
  operations?: {
    /** By tool name. */
    tools?: Record<string, string[]>;
    /** By URI or URI template, as the server lists it. */
    resources?: Record<string, string[]>;
    /** By prompt name. */
    prompts?: Record<string, string[]>;
  };
  /**
   * Scopes of tools by their annotations, in addition to those of decorators and of `operations`. Each tool belongs to one of
   * three groups, with the defaults of MCP: `readOnlyHint: true` is read-only, otherwise `destructiveHint: false` is additive,
   * and every other tool is destructive. Tools with unknown annotations are destructive: those that are registered at run
   * time, those of `operations` without a known handler, and names of no tool. A tool that is `@Public()` needs the scopes
   * only from callers with a token, and with `allowAnonymous` from nobody.
   *
   * Checked before dispatch, and again at known handlers, with or without a decorator.
   * @default none
   */
  annotations?: AnnotationScopes;
  /**
   * What a caller sees in the lists of tools, resources and prompts:
   * - `show`: everything, since a client calls only what is listed, and could otherwise never step up;
   * - `hide`: what the token's scopes and the policies allow;
   * - `obtainable`: what some token of this caller would allow: a denying policy hides an entry, missing scopes do not.
   *
   * This is a convenience, not a protection: a call of a hidden operation is still refused. For lists, policies get `args`
   * undefined for tools, prompts and templates, and for resources the arguments of reading them.
   * @default 'show'
   */
  listing?: ListingPolicy;
  /**
   * Which scopes a challenge names, in the header and in tool results alike:
   * - `minimum`: those that the refused request needs;
   * - `granted-too`: also those of the caller's token, for authorization servers that grant only what was requested last.
   *   Without a verified caller, the minimum;
   * - `all`: also all supported scopes of the resource, for authorization servers that bind a client to the scopes with which
   *   it registered itself;
   * - a function that returns the scopes. It is synchronous. If it throws, or returns anything but a list of at most 100
   *   scopes (not empty at a 403), the challenge names the minimum, and the log says so.
   *
   * Requirements do not depend on it.
   * @default 'minimum'
   * @see RFC 6750 §3; MCP 2026-07-28, Authorization, "Scope Challenge Handling"
   */
  challenge?: ChallengeScopesOption;
}

/** Which scopes a challenge names; see {@link ScopeOptions.challenge}. */
export type ChallengeScopesOption =
  | 'minimum'
  | 'granted-too'
  | 'all'
  | ((context: ChallengeScopesContext) => readonly string[]);

/** The refusal whose challenge is written. */
export interface ChallengeScopesContext {
  /** The `id` of the protected resource. */
  readonly resource: string;
  /** 403 for missing scopes, 401 without a valid token and if the user must sign in again, 400 for a malformed request. */
  readonly status: number;
  /** All scopes that the request needs, granted or not, as far as known. */
  readonly needed: readonly string[];
  /** Those of the token, without implied ones; empty without a verified caller. */
  readonly granted: readonly string[];
  /** The advertised scopes of the resource. */
  readonly supported: readonly string[];
  /** The verified caller; undefined if there is none. */
  readonly auth: McpAuthInfo | undefined;
}

/** The scopes of tools by their annotations; see {@link ScopeOptions.annotations}. */
export interface AnnotationScopes {
  /** Tools with `readOnlyHint: true`. @default none */
  readOnlyHint?: string[];
  /** Tools that are not read-only and do not have `destructiveHint: false`. Required, since it is the group of the unknown. */
  destructiveHint: string[];
  /** Tools that are not read-only and have `destructiveHint: false`. @default those of `destructiveHint` */
  additive?: string[];
}

/** What a caller sees in lists; see {@link ScopeOptions.listing}. */
export type ListingPolicy = 'show' | 'hide' | 'obtainable';

/** The scopes of an operation with a handler that cannot be decorated. */
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
  annotations: optional(readAnnotationScopes),
  listing: (option) => option.choice(['show', 'hide', 'obtainable']),
  challenge: readChallengeScopes,
} satisfies ReadersOf<ScopeOptions>;

export const ANNOTATION_OPTIONS = {
  readOnlyHint: (option) => readScopes(option) ?? [],
  destructiveHint: readDestructive,
  additive: readScopes,
} satisfies ReadersOf<AnnotationScopes>;

function readAnnotationScopes(option: OptionReader): Readonly<Record<ToolBehaviour, readonly string[]>> {
  const { readOnlyHint, destructiveHint, additive } = option.section(ANNOTATION_OPTIONS);
  return { 'read-only': readOnlyHint, additive: additive ?? destructiveHint, destructive: destructiveHint };
}

/** Without these scopes, a tool without annotations would need less than one that is declared read-only. */
function readDestructive(option: OptionReader): string[] {
  if (option.isGiven && !(Array.isArray(option.value) && option.value.length === 0)) return readScopes(option) ?? [];
  const why = 'it must name a scope: tools without annotations count as destructive';
  option.refuse({ why, write: 'Write a list of scopes such as ["notes:write"]' });
  return [];
}

function readChallengeScopes(option: OptionReader): ChallengeScopesOption {
  const { value } = option;
  if (value === undefined) return 'minimum';
  if (value === 'minimum' || value === 'granted-too' || value === 'all') return value;
  if (typeof value === 'function') return value as Extract<ChallengeScopesOption, (...args: never[]) => unknown>;
  const write = 'Write "minimum", "granted-too", "all" or a function that returns a list of scopes';
  option.refuse({ why: 'is not a known value', write });
  return 'minimum';
}

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

/** The scopes without repetitions. An empty list is accepted. */
export function readScopes(option: OptionReader): string[] | undefined {
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
