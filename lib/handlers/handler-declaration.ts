import 'reflect-metadata';
import type { AuthenticationRequirement } from '../core/authentication.js';
import { NO_REQUIREMENT, combine, type Requirement } from '../core/requirement.js';
import type { PolicyOption } from '../options/policy-option.js';
import { COPY_METADATA, THIS_COPY, type Copy } from '../caller/package-copies.js';

/** What one class or method declares. */
interface Declaration {
  readonly requirement: Requirement;
  readonly authentications: readonly AuthenticationRequirement[];
  /** Whether the caller must prove to hold the key to which the token is bound. */
  readonly needsProof: boolean;
  readonly policies: readonly PolicyOption[];
  readonly isPublic: boolean;
  readonly resourceId: string | undefined;
}

/** What one decorator adds to a declaration. */
export type DeclarationPart = Partial<Declaration>;

/** What class and method declare together for a handler, or what the options declare for an operation. */
export interface HandlerDeclaration extends Declaration {
  /** Whether class or method declare anything. */
  readonly isDeclared: boolean;
}

const DECLARATION = 'nestjs-mcp-auth:declaration';

/** The parts that a declaration was combined from. */
const additions = new WeakMap<Declaration, readonly DeclarationPart[]>();

const NOTHING: Declaration = {
  requirement: NO_REQUIREMENT,
  authentications: [],
  needsProof: false,
  policies: [],
  isPublic: false,
  resourceId: undefined,
};

/** Adds to the declaration of a class or a method. Decorators accumulate: they never undo each other. */
export function addDeclaration(target: object, addition: DeclarationPart): void {
  const before = (Reflect.getOwnMetadata(DECLARATION, target) as Declaration | undefined) ?? NOTHING;
  const declaration: Declaration = {
    requirement: combine(before.requirement, addition.requirement ?? NO_REQUIREMENT),
    authentications: [...before.authentications, ...(addition.authentications ?? [])],
    needsProof: before.needsProof || (addition.needsProof ?? false),
    policies: [...before.policies, ...(addition.policies ?? [])],
    isPublic: before.isPublic || (addition.isPublic ?? false),
    resourceId: addition.resourceId ?? before.resourceId,
  };
  additions.set(declaration, [...(additions.get(before) ?? []), addition]);
  Reflect.defineMetadata(DECLARATION, declaration, target);
  const copies = (Reflect.getOwnMetadata(COPY_METADATA, target) ?? []) as readonly Copy[];
  Reflect.defineMetadata(COPY_METADATA, [...new Set([...copies, THIS_COPY])], target);
}

/** The parts of the declaration that a class or method still has, in the order in which the decorators ran. */
export function declarationPartsOf(target: object): readonly DeclarationPart[] {
  const declaration = declarationOf(target);
  return (declaration && additions.get(declaration)) ?? [];
}

/** Whether a class declares anything itself, not only its base class. */
export function hasOwnDeclaration(classRef: object): boolean {
  return Reflect.hasOwnMetadata(DECLARATION, classRef);
}

/** The declaration of a handler without decorators. */
export const UNDECLARED: HandlerDeclaration = { ...NOTHING, isDeclared: false };

/**
 * What class and method declare together. Their requirements add up. The closest declaration decides whether the handler is
 * public: a method with requirements is protected in a public class, a public method is public in a protected class.
 */
export function handlerDeclaration(classRef: object, handler: object): HandlerDeclaration {
  const byClass = declarationOf(classRef);
  const byMethod = declarationOf(handler);
  const own = byMethod ?? NOTHING;
  const inherited = byClass ?? NOTHING;
  return {
    requirement: combine(inherited.requirement, own.requirement),
    authentications: [...inherited.authentications, ...own.authentications],
    needsProof: inherited.needsProof || own.needsProof,
    policies: [...inherited.policies, ...own.policies],
    isPublic: own.isPublic || (inherited.isPublic && !hasRequirements(own)),
    resourceId: own.resourceId ?? inherited.resourceId,
    isDeclared: byClass !== undefined || byMethod !== undefined,
  };
}

/** Whether a class, or a method, is itself declared both public and protected. */
export function contradictsItself(target: object): boolean {
  const declaration = declarationOf(target);
  return declaration !== undefined && declaration.isPublic && hasRequirements(declaration);
}

function hasRequirements({ requirement, authentications, needsProof, policies }: Declaration): boolean {
  return (
    needsProof || [requirement.allOf, requirement.anyOf, authentications, policies].some((list) => list.length > 0)
  );
}

/** The declaration of a class or method. A class inherits from its base classes, as with Nest's own decorators. */
function declarationOf(target: object): Declaration | undefined {
  return Reflect.getMetadata(DECLARATION, target) as Declaration | undefined;
}

/** The declaration of an operation whose scopes are in the options, since its handler cannot be decorated. */
export function scopesDeclaration(scopes: readonly string[], resourceId: string): HandlerDeclaration {
  return { ...NOTHING, requirement: { allOf: scopes, anyOf: [] }, resourceId, isDeclared: true };
}
