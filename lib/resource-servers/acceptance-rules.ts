import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { AcceptanceRules } from '../token/claims.js';

/** What every token for this resource must meet, whoever verifies it. */
export function acceptanceRules(options: ResolvedOptions, { audiences }: ResolvedResource): AcceptanceRules {
  return {
    audiences: new Set(audiences),
    toleranceSeconds: options.clockToleranceSeconds,
    maxLifetimeSeconds: options.maxTokenLifetimeSeconds,
  };
}
