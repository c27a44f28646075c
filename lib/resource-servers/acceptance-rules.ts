import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { AcceptanceRules } from '../token/claims.js';

/** The rules for every token at this resource, whichever verifier checks it. */
export function acceptanceRules(
  options: ResolvedOptions,
  { audiences, dpop, mutualTls }: ResolvedResource,
): AcceptanceRules {
  return {
    audiences: new Set(audiences),
    bindings: new Set([...(dpop ? ['jkt'] : []), ...(mutualTls ? ['x5t#S256'] : [])]),
    toleranceSeconds: options.clockToleranceSeconds,
    maxLifetimeSeconds: options.maxTokenLifetimeSeconds,
  };
}
