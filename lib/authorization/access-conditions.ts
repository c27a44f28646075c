import { combineAll, isEmptyRequirement, NO_REQUIREMENT, type Requirement } from '../core/requirement.js';
import type { AuthenticationRequirement } from '../core/authentication.js';
import type { Operation } from '../request/rpc-body.js';
import type { HandlerDeclaration, Policy } from '../handlers/handler-declaration.js';
import type { Declarations, Declared } from '../handlers/handler-explorer.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';

/** The policies that are asked about one part of a request: the route itself, or an MCP operation in the body. */
export interface PolicyCheck {
  readonly operation: Operation | undefined;
  readonly policies: readonly Policy[];
  /** The arguments of a handler outside MCP, as the framework passes them. */
  readonly args?: unknown;
}

/** What must hold before a caller is let through. */
export interface AccessConditions {
  readonly server: ResourceServer;
  readonly requirement: Requirement;
  readonly authentications: readonly AuthenticationRequirement[];
  readonly policyChecks: readonly PolicyCheck[];
  /** Whether policies are asked even if scopes are missing, so that one challenge names all scopes. */
  readonly asksBeforeScopes: boolean;
  /** Why the request is refused with any token. */
  readonly refusal: 'resource_mismatch' | 'policy_not_asked' | undefined;
}

/** An operation, and what is declared for it. */
export interface DeclaredOperation {
  readonly operation: Operation;
  readonly declarations: Declarations;
}

/** What several handlers of this resource server need together. */
export function conditionsOf(
  server: ResourceServer,
  handlers: readonly HandlerDeclaration[],
  policyChecks: readonly PolicyCheck[],
): AccessConditions {
  return {
    server,
    requirement: combineAll([server.baseline, ...handlers.map(({ requirement }) => requirement)]),
    authentications: handlers.flatMap(({ authentications }) => authentications),
    policyChecks,
    asksBeforeScopes: false,
    refusal: undefined,
  };
}

/** The same without scopes, for a request that needs no token: a policy can still deny it. */
export function withoutScopes(conditions: AccessConditions): AccessConditions {
  return { ...conditions, requirement: NO_REQUIREMENT };
}

/** The policies of these operations, with what they are asked about. */
export function policyChecksOf(operations: readonly DeclaredOperation[]): PolicyCheck[] {
  return operations.flatMap(({ operation, declarations }) =>
    declarations.all.flatMap((declared) => checksOfDeclaration(operation, declared)),
  );
}

function checksOfDeclaration(
  operation: Operation,
  { kind, name, declaration, policyArguments }: Declared,
): PolicyCheck[] {
  if (!hasPolicies(declaration) || policyArguments === 'unknown') return [];
  const { policies } = declaration;
  if (policyArguments === 'as-sent') return [{ operation, policies }];
  return policyArguments.map((args) => ({ operation: { ...operation, kind, name, args }, policies }));
}

/** Why these operations are refused with any token; undefined if they are not. */
export function refusalOf(operations: readonly DeclaredOperation[]): AccessConditions['refusal'] {
  if (operations.some(({ declarations }) => declarations.isElsewhere)) return 'resource_mismatch';
  // If a handler runs, its policies are asked there.
  const isNotAsked = operations.some(
    ({ operation, declarations }) =>
      !operation.reachesHandler &&
      declarations.all.some(
        ({ declaration, policyArguments }) => hasPolicies(declaration) && policyArguments === 'unknown',
      ),
  );
  return isNotAsked ? 'policy_not_asked' : undefined;
}

/** The declarations of all handlers of an operation. */
export function handlersOf(declarations: Declarations | undefined): HandlerDeclaration[] {
  return declarations ? declarations.all.map(({ declaration }) => declaration) : [];
}

/** Whether an operation is declared, and only as public. */
export function isPublic({ all, isElsewhere }: Declarations): boolean {
  return !isElsewhere && all.length > 0 && all.every(({ declaration }) => declaration.isPublic);
}

/** Whether a declaration has policies of the application. */
export function hasPolicies({ policies }: HandlerDeclaration): boolean {
  return policies.length > 0;
}

/** Whether neither class nor method declares anything that a caller must meet. */
export function requiresNothing({ requirement, authentications, policies }: HandlerDeclaration): boolean {
  return isEmptyRequirement(requirement) && authentications.length === 0 && policies.length === 0;
}
