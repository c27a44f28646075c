import type { AnonymousAccess } from './anonymous-access.js';
import type { ResolvedCache } from './cache-options.js';
import type { ResolvedConsent } from './consent-options.js';
import type { ChallengeForm, CommonOptions } from './common-options.js';
import type { ResolvedCredential } from './credential-options.js';
import type { RedactArguments } from './event-arguments-option.js';
import type { ResolvedDownstream } from './downstream-options.js';
import type { GlobalGuard } from './global-guard-option.js';
import type { ResolvedFramework } from './framework-options.js';
import type { PolicyOption } from './policy-option.js';
import type { ResolvedSessions } from './session-options.js';
import type { ProtectedResourceOptions, ResolvedResource } from './resource-options.js';
import type { ResolvedRevocation } from './revocation-options.js';

/**
 * Options of `McpAuthModule`: those of {@link CommonOptions}, and beside them those of one
 * {@link ProtectedResourceOptions | resource}, such as `resource` and `authorizationServers`. Several resources are listed
 * under `resources` instead, each with an `id` of its own, and a path or a host of its own.
 */
export type McpAuthModuleOptions = CommonOptions &
  (
    | (ProtectedResourceOptions & {
        /** Not allowed beside `resource`. */
        resources?: never;
      })
    | ({
        /** At least one. Each has an `id` of its own, and a path or a host of its own. */
        resources: ProtectedResourceOptions[];
      } & { [K in Exclude<keyof ProtectedResourceOptions, keyof CommonOptions>]?: never })
  );

/** The options after validation: complete, frozen, and independent of the objects that the user passed in. */
export abstract class ResolvedOptions {
  abstract readonly resources: readonly [ResolvedResource, ...ResolvedResource[]];
  abstract readonly clockToleranceSeconds: number;
  abstract readonly maxTokenLifetimeSeconds: number;
  /** Undefined if nothing can be revoked. */
  abstract readonly revocation: ResolvedRevocation | undefined;
  /** Undefined if the application asks for no consent at third parties. */
  abstract readonly consent: ResolvedConsent | undefined;
  /** Whether plain http URLs beyond loopback are accepted from metadata and `trustedIssuer`. */
  abstract readonly allowInsecureHttp: boolean;
  abstract readonly checkAuthorizationServers: boolean;
  /** Undefined for the global `fetch`. */
  abstract readonly fetch: typeof fetch | undefined;
  abstract readonly credentials: readonly ResolvedCredential[];
  /** The APIs for which tools need tokens. */
  abstract readonly downstream: readonly ResolvedDownstream[];
  abstract readonly cache: ResolvedCache;
  abstract readonly exposeErrorDetails: boolean;
  /** Undefined if it depends on whether the application injects `McpAuthService`. */
  abstract readonly followCaller: boolean | undefined;
  /** Undefined if events have no arguments. */
  abstract readonly eventArguments: RedactArguments | undefined;
  /** The policy of the whole module; undefined if there is none. */
  abstract readonly authorize: PolicyOption | undefined;
  abstract readonly allowAnonymous: AnonymousAccess;
  abstract readonly challenge: (request: unknown) => ChallengeForm;
  abstract readonly allowedOrigins: readonly string[];
  /** Undefined if only names that are certainly not those of a page are accepted besides the host of the resource. */
  abstract readonly allowedHosts: readonly string[] | undefined;
  abstract readonly stdio: 'deny' | 'trust' | { readonly tokenEnv: string };
  abstract readonly tasks: 'bound' | 'bound-by-application';
  abstract readonly sessions: ResolvedSessions;
  /** Described by the application, beside those that the library knows. */
  abstract readonly frameworks: readonly ResolvedFramework[];
  abstract readonly allowUnguardedMounts: boolean;
  abstract readonly startCheck: 'log' | 'close';
  abstract readonly rootMetadata: boolean;
  /** Stands beside a factory, so it does not come from one. */
  abstract readonly globalGuard: GlobalGuard;
  /** Logged at start: settings that weaken the protection, or are not used as they were written. */
  abstract readonly warnings: readonly string[];
}
