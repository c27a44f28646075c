import type { ResolvedCache } from './cache-options.js';
import type { ChallengeForm, CommonOptions } from './common-options.js';
import type { ProtectedResourceOptions, ResolvedResource } from './resource-options.js';

/**
 * Options of `McpAuthModule`: those of {@link CommonOptions}, and those of one {@link ProtectedResourceOptions | resource},
 * such as `resource` and `authorizationServers`, beside them. Several resources are listed under `resources` instead, each
 * with an `id` and a path of its own.
 */
export type McpAuthModuleOptions = CommonOptions &
  (
    | (ProtectedResourceOptions & {
        /** Not beside `resource`. */
        resources?: never;
      })
    | ({
        /** At least one. Each has an `id` and a path of its own. */
        resources: ProtectedResourceOptions[];
      } & { [K in Exclude<keyof ProtectedResourceOptions, keyof CommonOptions>]?: never })
  );

/** The options after validation: complete, frozen, and independent of what the user passed in. */
export abstract class ResolvedOptions {
  abstract readonly resources: readonly [ResolvedResource, ...ResolvedResource[]];
  abstract readonly clockToleranceSeconds: number;
  abstract readonly maxTokenLifetimeSeconds: number;
  /** Whether URLs that are found while the application runs may be plain http beyond loopback. */
  abstract readonly allowInsecureHttp: boolean;
  abstract readonly checkAuthorizationServers: boolean;
  /** Undefined for the global one. */
  abstract readonly fetch: typeof fetch | undefined;
  abstract readonly cache: ResolvedCache;
  abstract readonly exposeErrorDetails: boolean;
  /** Undefined where it depends on the application. */
  abstract readonly followCaller: boolean | undefined;
  abstract readonly allowAnonymous: boolean;
  abstract readonly challenge: (request: unknown) => ChallengeForm;
  abstract readonly allowedOrigins: readonly string[];
  abstract readonly stdio: 'deny' | 'trust' | { readonly tokenEnv: string };
  abstract readonly tasks: 'bound' | 'bound-by-application';
  abstract readonly allowUnguardedMounts: boolean;
  abstract readonly rootMetadata: boolean;
  /** What weakens the protection, to be logged at start. */
  abstract readonly warnings: readonly string[];
}
