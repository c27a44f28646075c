import { combineAll, isEmptyRequirement, NO_REQUIREMENT, type Requirement } from '../core/requirement.js';
import type { AuthenticationRequirement } from '../core/authentication.js';
import type { Operation } from '../request/rpc-body.js';
import type { HandlerDeclaration, Policy } from '../handlers/handler-declaration.js';
import type { Declarations, Declared } from '../handlers/handler-explorer.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';

/** One thing a request wants to do, about which the application decides: the route itself, or an MCP operation in its body. */
export interface Use {
  readonly operation: Operation | undefined;
  readonly policies: readonly Policy[];
  /** Of a handler outside of MCP, as the framework hands them over. */
  readonly args?: unknown;
}

/** What must hold for a caller to be let through. */
export interface Conditions {
  readonly server: ResourceServer;
  readonly requirement: Requirement;
  readonly authentications: readonly AuthenticationRequirement[];
  readonly uses: readonly Use[];
  /** Whether policies are asked of a caller without the scopes, so that one challenge names all of them. */
  readonly asksBeforeScopes: boolean;
  /** Why nobody is let in, whatever their token. */
  readonly refusal: 'resource_mismatch' | 'policy_not_asked' | undefined;
}

/** An operation with what is declared of it. */
export interface DeclaredOperation {
  readonly operation: Operation;
  readonly declarations: Declarations;
}

/** What several handlers need together of a caller at this server. */
export function conditionsOf(
  server: ResourceServer,
  handlers: readonly HandlerDeclaration[],
  uses: readonly Use[],
): Conditions {
  return {
    server,
    requirement: combineAll([server.baseline, ...handlers.map(({ requirement }) => requirement)]),
    authentications: handlers.flatMap(({ authentications }) => authentications),
    uses,
    asksBeforeScopes: false,
    refusal: undefined,
  };
}

/** For a caller who is let in whatever their token, unless a policy objects. */
export function withoutScopes(conditions: Conditions): Conditions {
  return { ...conditions, requirement: NO_REQUIREMENT };
}

/** What the policies of these operations are asked about. */
export function usesOf(operations: readonly DeclaredOperation[]): Use[] {
  return operations.flatMap(({ operation, declarations }) =>
    declarations.all.flatMap((declared) => usesOfDeclaration(operation, declared)),
  );
}

function usesOfDeclaration(operation: Operation, { kind, name, declaration, given }: Declared): Use[] {
  if (!hasPolicies(declaration) || given === 'unknown') return [];
  const { policies } = declaration;
  if (given === 'as-sent') return [{ operation, policies }];
  return given.map((args) => ({ operation: { ...operation, kind, name, args }, policies }));
}

/** Why nobody may do all of this, whatever their token. */
export function refusalOf(operations: readonly DeclaredOperation[]): Conditions['refusal'] {
  if (operations.some(({ declarations }) => declarations.isElsewhere)) return 'resource_mismatch';
  // Where a handler is called, the policies are asked there.
  const isNotAsked = operations.some(
    ({ operation, declarations }) =>
      !operation.reachesHandler &&
      declarations.all.some(({ declaration, given }) => hasPolicies(declaration) && given === 'unknown'),
  );
  return isNotAsked ? 'policy_not_asked' : undefined;
}

/** What the handlers of an operation declare. */
export function handlersOf(declarations: Declarations | undefined): HandlerDeclaration[] {
  return declarations ? declarations.all.map(({ declaration }) => declaration) : [];
}

/** Whether something is declared, and all of it public. */
export function isPublic({ all, isElsewhere }: Declarations): boolean {
  return !isElsewhere && all.length > 0 && all.every(({ declaration }) => declaration.isPublic);
}

/** Whether the application decides, too. */
export function hasPolicies({ policies }: HandlerDeclaration): boolean {
  return policies.length > 0;
}

/** Whether neither class nor method say anything that a caller would have to meet. */
export function requiresNothing({ requirement, authentications, policies }: HandlerDeclaration): boolean {
  return isEmptyRequirement(requirement) && authentications.length === 0 && policies.length === 0;
}
