/**
 * Whether a user stands behind a token, or only the client itself (client credentials). `unknown` where nothing shows it:
 * a subject alone may be a user, a service account or a workload.
 */
export type PrincipalKind = 'user' | 'client' | 'unknown';

/** Says of the claims of one issuer whose they are; undefined leaves it to the rules that hold for every issuer. */
export type KindOf = (claims: Readonly<Record<string, unknown>>) => PrincipalKind | undefined;

const KINDS: ReadonlySet<unknown> = new Set<PrincipalKind>(['user', 'client', 'unknown']);

/** Whether a value is a {@link PrincipalKind}. */
export function isPrincipalKind(value: unknown): value is PrincipalKind {
  return KINDS.has(value);
}
