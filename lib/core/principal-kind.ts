/**
 * Whether a token belongs to a user, or to the client itself (client credentials). `unknown` if the token does not show
 * it: a subject alone may be a user, a service account or a workload.
 */
export type PrincipalKind = 'user' | 'client' | 'unknown';

/** Returns the kind of principal for the claims of one issuer; undefined applies the general rules. */
export type KindOf = (claims: Readonly<Record<string, unknown>>) => PrincipalKind | undefined;

const KINDS: ReadonlySet<unknown> = new Set<PrincipalKind>(['user', 'client', 'unknown']);

/** Whether a value is a {@link PrincipalKind}. */
export function isPrincipalKind(value: unknown): value is PrincipalKind {
  return KINDS.has(value);
}
