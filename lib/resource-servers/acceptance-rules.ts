import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { AcceptanceRules } from '../token/claims.js';

/** The rules for every token at this resource, whichever verifier checks it. */
export function acceptanceRules(options: ResolvedOptions, { audiences, dpop }: ResolvedResource): AcceptanceRules {
  return {
    audiences: new Set(audiences),
    acceptsDpop: dpop !== undefined,
    toleranceSeconds: options.clockToleranceSeconds,
    maxLifetimeSeconds: options.maxTokenLifetimeSeconds,
  };
}
