import 'reflect-metadata';
import type { AuthenticationRequirement } from '../core/authentication.js';
import { NO_REQUIREMENT, combine, type Requirement } from '../core/requirement.js';
import type { OperationKind } from '../request/rpc-body.js';
import { COPY_METADATA, THIS_COPY, type Copy } from '../caller/package-copies.js';
import type { McpAuthInfo } from '../core/auth-info.js';

/** What a policy decides about. */
export interface PolicyContext {
  /** The verified caller. A policy is never asked about a call without one. */
  readonly auth: McpAuthInfo;
  /** The MCP primitive that is used; undefined on plain HTTP routes. */
  readonly operation:
    | {
        /** `tool`, `resource`, `resource-template` or `prompt`. */
        readonly kind: OperationKind;
        /** Tool or prompt name, resource URI or URI template, as it was declared. */
        readonly name: string;
      }
    | undefined;
  /**
   * The arguments of the call. The policy is asked twice: before dispatch with the arguments as sent, and at the
   * handler with those the MCP framework validated; both must agree. Undefined on plain HTTP routes, and for what is listed
   * by name. Of a GraphQL resolver its arguments, and of a handler of WebSocket messages the data of the message; that is asked
   * about once.
   *
   * For a resource template, the values of its variables: as they stand in the URI with the official SDK, decoded and with
   * the URI itself as `uri` with `@rekog/mcp-nest`. To read, to subscribe and to unsubscribe are asked for alike. For a
   * subscription whose URI is not in normal form, the policy is asked about both spellings. For a completion, the variables
   * that the client says are known, with what is typed of the one to complete.
   */
  readonly args: unknown;
  /** The platform's request; undefined at a handler whose framework does not pass it on. */
  readonly request: unknown;
}

/**
 * A decision of the application: `true` lets the call through, `false` refuses it for good (403 without a
 * challenge), a list of scopes lets it through if the token has them all, and asks for them if not.
 * An error refuses the call.
 */
export type Policy = (context: PolicyContext) => boolean | string[] | Promise<boolean | string[]>;

/** What one class or method declares. */
interface Declaration {
  readonly requirement: Requirement;
  readonly authentications: readonly AuthenticationRequirement[];
  readonly policies: readonly Policy[];
  readonly isPublic: boolean;
  readonly resourceId: string | undefined;
}

/** What one decorator adds to a declaration. */
export type DeclarationPart = Partial<Declaration>;

/** What is declared for a handler: by its class and by its method together; or for an operation by the options. */
export interface HandlerDeclaration extends Declaration {
  /** Whether class or method say anything at all. */
  readonly isDeclared: boolean;
}

const DECLARATION = 'nestjs-mcp-auth:declaration';

/** What a declaration was put together from. */
const additions = new WeakMap<Declaration, readonly DeclarationPart[]>();

const NOTHING: Declaration = {
  requirement: NO_REQUIREMENT,
  authentications: [],
  policies: [],
  isPublic: false,
  resourceId: undefined,
};

/** Adds to what the class (or, with a method, the method) declares. Decorators accumulate; none undoes another. */
export function addDeclaration(target: object, addition: DeclarationPart): void {
  const before = (Reflect.getOwnMetadata(DECLARATION, target) as Declaration | undefined) ?? NOTHING;
  const declaration: Declaration = {
    requirement: combine(before.requirement, addition.requirement ?? NO_REQUIREMENT),
    authentications: [...before.authentications, ...(addition.authentications ?? [])],
    policies: [...before.policies, ...(addition.policies ?? [])],
    isPublic: before.isPublic || (addition.isPublic ?? false),
    resourceId: addition.resourceId ?? before.resourceId,
  };
  additions.set(declaration, [...(additions.get(before) ?? []), addition]);
  Reflect.defineMetadata(DECLARATION, declaration, target);
  const copies = (Reflect.getOwnMetadata(COPY_METADATA, target) ?? []) as readonly Copy[];
  Reflect.defineMetadata(COPY_METADATA, [...new Set([...copies, THIS_COPY])], target);
}

/** What the decorators that are still known of a class or method have added, in the order in which they ran. */
export function declarationPartsOf(target: object): readonly DeclarationPart[] {
  const declaration = declarationOf(target);
  return (declaration && additions.get(declaration)) ?? [];
}

/**
 * What holds for a handler. Requirements of class and method add up. The closest declaration decides whether it is
 * public: a method with requirements is protected in a public class, a public method is public in a protected one.
 */
export function handlerDeclaration(classRef: object, handler: object): HandlerDeclaration {
  const byClass = declarationOf(classRef);
  const byMethod = declarationOf(handler);
  const own = byMethod ?? NOTHING;
  const inherited = byClass ?? NOTHING;
  return {
    requirement: combine(inherited.requirement, own.requirement),
    authentications: [...inherited.authentications, ...own.authentications],
    policies: [...inherited.policies, ...own.policies],
    isPublic: own.isPublic || (inherited.isPublic && !hasRequirements(own)),
    resourceId: own.resourceId ?? inherited.resourceId,
    isDeclared: byClass !== undefined || byMethod !== undefined,
  };
}

/** Whether one and the same class or method is declared both public and protected. */
export function contradictsItself(target: object): boolean {
  const declaration = declarationOf(target);
  return declaration !== undefined && declaration.isPublic && hasRequirements(declaration);
}

function hasRequirements({ requirement, authentications, policies }: Declaration): boolean {
  return [requirement.allOf, requirement.anyOf, authentications, policies].some((list) => list.length > 0);
}

/** Of a class, also what its base classes declare, as Nest does with its own decorators. */
function declarationOf(target: object): Declaration | undefined {
  return Reflect.getMetadata(DECLARATION, target) as Declaration | undefined;
}

/** The declaration of an operation whose handler cannot be decorated: the options name its scopes. */
export function scopesDeclaration(scopes: readonly string[], resourceId: string): HandlerDeclaration {
  return { ...NOTHING, requirement: { allOf: scopes, anyOf: [] }, resourceId, isDeclared: true };
}
