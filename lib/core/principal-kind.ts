/**
 * Whether a token belongs to a user, or to the client itself (client credentials). `unknown` if the token does not show
 * it: a subject alone may be a user, a service account or a workload.
 */
export type PrincipalKind = 'user' | 'client' | 'unknown';

/** Returns the kind of principal for the claims of one issuer; undefined applies the general rules. */
export type KindOf = (claims: Readonly<Record<string, unknown>>) => PrincipalKind | undefined;

/** What the values of one claim say about the kind of principal. */
export interface KindClaim {
  /** The name of the claim, or a JSON Pointer to a member of it. */
  readonly claim: string;
  /** Value of the claim → the kind. Read own members only. */
  readonly kinds: Readonly<Record<string, PrincipalKind>>;
}

/** How the kind of principal is determined for one issuer: by a function of the application, or by values of claims. */
export type KindRules = KindOf | readonly KindClaim[];

const KINDS: ReadonlySet<unknown> = new Set<PrincipalKind>(['user', 'client', 'unknown']);

/** Whether a value is a {@link PrincipalKind}. */
export function isPrincipalKind(value: unknown): value is PrincipalKind {
  return KINDS.has(value);
}
