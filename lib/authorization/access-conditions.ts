import { combineAll, isEmptyRequirement, NO_REQUIREMENT, type Requirement } from '../core/requirement.js';
import type { AuthenticationRequirement } from '../core/authentication.js';
import type { ResolvedOptions } from '../options/options.js';
import type { PolicyOption } from '../options/policy-option.js';
import type { Operation, RpcMessage } from '../request/rpc-body.js';
import type { HandlerDeclaration } from '../handlers/handler-declaration.js';
import type { Declarations, Declared } from '../handlers/declarations-at-resource.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';

/** The policies that are asked about one part of a request: the route itself, or an MCP operation in the body. */
export interface PolicyCheck {
  readonly operation: Operation | undefined;
  readonly policies: readonly PolicyOption[];
  /** The method of a message that uses no primitive. */
  readonly method?: string | undefined;
  /** The arguments of a handler outside MCP, as the framework passes them. */
  readonly args?: unknown;
}

/** What must hold before a caller is let through. */
export interface AccessConditions {
  readonly server: ResourceServer;
  readonly requirement: Requirement;
  readonly authentications: readonly AuthenticationRequirement[];
  /** Whether the caller must prove to hold the key to which the token is bound. */
  readonly needsProof: boolean;
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
    needsProof: handlers.some(({ needsProof }) => needsProof),
    policyChecks,
    asksBeforeScopes: false,
    refusal: undefined,
  };
}

/** The same without scopes, for a request that needs no token: a policy can still deny it. */
export function withoutScopes(conditions: AccessConditions): AccessConditions {
  return { ...conditions, requirement: NO_REQUIREMENT };
}

const NO_POLICIES: readonly PolicyOption[] = [];

/** The policy of the whole module, as a list. */
export function policiesOfModule({ authorize }: Pick<ResolvedOptions, 'authorize'>): readonly PolicyOption[] {
  return authorize === undefined ? NO_POLICIES : [authorize];
}

/** The policies of these operations, and those of the module, with what they are asked about. */
export function policyChecksOf(
  operations: readonly DeclaredOperation[],
  ofModule: readonly PolicyOption[],
): PolicyCheck[] {
  return operations.flatMap((one) => [
    ...(ofModule.length > 0 ? checksOfModule(one, ofModule) : []),
    ...one.declarations.all.flatMap((declared) => checksOfDeclaration(one.operation, declared)),
  ]);
}

/** The policies of the module for everything in a request that is no operation: other messages, or no message at all. */
export function checksOfMessages(messages: readonly RpcMessage[], ofModule: readonly PolicyOption[]): PolicyCheck[] {
  if (ofModule.length === 0) return [];
  if (messages.length === 0) return [{ operation: undefined, policies: ofModule }];
  const methods = new Set(messages.flatMap(({ operations, method }) => (operations.length === 0 ? [method] : [])));
  return [...methods].map((method) => ({ operation: undefined, method, policies: ofModule }));
}

/** One check for each operation that the MCP framework may run, as it was declared; as it was sent if none is declared. */
function checksOfModule(
  { operation, declarations }: DeclaredOperation,
  policies: readonly PolicyOption[],
): PolicyCheck[] {
  const distinct = new Map(
    declarations.all.map(({ kind, name, policyArguments }) => [
      JSON.stringify([kind, name, policyArguments]),
      { kind, name, policyArguments },
    ]),
  );
  if (distinct.size === 0) return [{ operation, policies }];
  return [...distinct.values()].flatMap(({ kind, name, policyArguments }) => {
    const all = typeof policyArguments === 'string' ? [operation.args] : policyArguments;
    return all.map((args) => ({ operation: { ...operation, kind, name, args }, policies }));
  });
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
export function refusalOf(
  operations: readonly DeclaredOperation[],
  ofModule: readonly PolicyOption[],
): AccessConditions['refusal'] {
  if (operations.some(({ declarations }) => declarations.isElsewhere)) return 'resource_mismatch';
  // If a handler runs, its policies are asked there.
  const isNotAsked = operations.some(
    ({ operation, declarations }) =>
      !operation.reachesHandler &&
      declarations.all.some(
        ({ declaration, policyArguments }) => hasPolicies(declaration) && policyArguments === 'unknown',
      ),
  );
  const isUnknown = ofModule.length > 0 && operations.some(isUndetermined);
  return isNotAsked || isUnknown ? 'policy_not_asked' : undefined;
}

/**
 * Whether it is unknown which operation the policy of the module must be asked about. Not every handler asks again. For the
 * completion of a template, the template is known even if not all of its variables are.
 */
function isUndetermined({ operation, declarations }: DeclaredOperation): boolean {
  return declarations.all.some(({ name, policyArguments }) => policyArguments === 'unknown' && name !== operation.name);
}

/** The declarations of all handlers of an operation, and what its annotations need. */
export function handlersOf(declarations: Declarations | undefined): HandlerDeclaration[] {
  return declarations ? [...declarations.all.map(({ declaration }) => declaration), ...declarations.ofAnnotations] : [];
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
export function requiresNothing({ requirement, authentications, needsProof, policies }: HandlerDeclaration): boolean {
  return isEmptyRequirement(requirement) && authentications.length === 0 && !needsProof && policies.length === 0;
}
