import { metadataPath, metadataUrl, type ResourceIdentifier } from '../core/resource.js';
import { isTemplate, type ResourceVariables } from '../core/resource-template.js';
import type { ToolBehaviour } from '../core/tool-behaviour.js';
import type { AuthorizationServerOptions, ResolvedAuthorizationServer } from './authorization-server-options.js';
import { readAuthorizationServers } from './authorization-servers-option.js';
import { readDpop, type DpopOptions, type ResolvedDpop } from './dpop-options.js';
import { readIdentifier } from './identifier-option.js';
import { jwksUriOf } from './issuer-sources.js';
import { readMutualTls, type MutualTlsOptions, type ResolvedMutualTls } from './mutual-tls-options.js';
import type { OptionReader, OptionsRead, ReadersOf } from './option-reader.js';
import { repetitions } from './repetitions.js';
import { readResourceMetadata, refuseKeysOfOthers, type ResourceMetadataOptions } from './resource-metadata-options.js';
import {
  SCOPE_OPTIONS,
  type ChallengeScopesOption,
  type ListingPolicy,
  type OperationScopes,
  type ScopeOptions,
} from './scope-options.js';
import {
  readResolveTenant,
  refuseTemplateOptions,
  resolvedTemplate,
  TENANTS_OPTIONS,
  type ResolvedTemplate,
  type ResolveTenantOption,
  type TenantsOptions,
} from './template-options.js';
import { readTrustedIssuer, type TrustedIssuerOption } from './trusted-issuer-option.js';
import { readVerifier, type ResolvedVerifier, type VerifierOption } from './verifier-option.js';

/** One protected resource. */
export interface ProtectedResourceOptions {
  /**
   * The resource identifier of RFC 9728: the URL at which MCP clients reach this server, such as
   * `https://mcp.example.com/mcp`. https, unless on loopback; without query and fragment. It is not a route pattern: it is
   * compared whole.
   *
   * With variables, such as `https://{tenant}.example.com/mcp` or `https://mcp.example.com/{tenant}/mcp`, it stands for a
   * resource for each tenant. A variable stands for one whole label of the host, or one whole segment of the path.
   */
  resource: string;
  /**
   * Says whether a tenant exists and what it has of its own, if `resource` has variables. Required then, and refused otherwise.
   * It gets the values of the variables, which have been checked: a label of a host in lower case, or a segment of letters,
   * digits, `-`, `.`, `_` and `~`. Look them up among the tenants that you know.
   *
   * Called once for concurrent requests. Its answer is checked like options, frozen, and cached as `tenants` says. If it
   * throws, or has not answered after five seconds, the request gets 503.
   */
  resolveTenant?: ResolveTenantOption;
  /** How tenants are remembered, if `resource` has variables. @default those of {@link TenantsOptions} */
  tenants?: TenantsOptions;
  /** Name of the resource in `@ProtectedResource()`. @default the resource identifier */
  id?: string;
  /** At least one, unless `resolveTenant` returns those of each tenant; a string is an issuer with default settings. */
  authorizationServers: (string | AuthorizationServerOptions)[];
  /**
   * Looks up an issuer that is not listed in `authorizationServers`, for example with one issuer for each tenant. Returns the
   * server with exactly this issuer, or undefined if it is not trusted. The issuer comes from a token that is not verified
   * yet: look it up among the issuers you know, and do not decide by a part of it.
   *
   * The answer is cached for five minutes (ten seconds if the issuer is not trusted), for at most a thousand issuers. After an
   * error, the token gets 503. Such issuers are not published in the metadata, and their tokens must be JWTs.
   * @default none
   */
  trustedIssuer?: TrustedIssuerOption;
  /**
   * Verifies tokens instead of the built-in verification: a function, an object, or the class of a provider of the
   * application. Issuer, audience and times of its result are still checked; see `TokenVerifier`.
   * @default that of the module, see `CommonOptions.verifier`
   */
  verifier?: VerifierOption;
  /**
   * Accepted values of the `aud` claim, compared whole. The check cannot be turned off. If `resource` has variables, each value
   * must have all of them, such as `api://{tenant}`: otherwise each tenant would accept the tokens of the others.
   * @default the resource identifier, which is that of the tenant if `resource` has variables
   */
  audience?: string | string[];
  /**
   * Accepts tokens that are bound to a key of the client, with a proof of that key in each request (RFC 9449). Without it, such
   * tokens are refused.
   * @default off: such tokens are refused
   */
  dpop?: 'off' | 'accepted' | 'required' | DpopOptions;
  /**
   * Accepts tokens that are bound to a certificate of the client, over TLS connections with that certificate (RFC 8705). A proxy
   * that accepts the connections must pass the certificate on: see {@link MutualTlsOptions}. Without it, such tokens are refused.
   * @default off: such tokens are refused
   */
  mutualTls?: 'off' | 'accepted' | 'required' | MutualTlsOptions;
  /** Further members of the metadata document. @default none */
  metadata?: ResourceMetadataOptions;
  /** What calls need beyond a valid token. @default nothing beyond what decorators say */
  scopes?: ScopeOptions;
}

/** A protected resource, with every default filled in. */
export interface ResolvedResource {
  readonly id: string;
  readonly identifier: ResourceIdentifier;
  readonly metadataUrl: string;
  readonly authorizationServers: readonly ResolvedAuthorizationServer[];
  /** Looks up servers that are not in `authorizationServers`; resolves to undefined if the issuer is not trusted. */
  readonly trustedIssuer: ((issuer: string) => Promise<ResolvedAuthorizationServer | undefined>) | undefined;
  readonly verifier: ResolvedVerifier | undefined;
  readonly audiences: readonly string[];
  /** Undefined if tokens that are bound to a key are refused. */
  readonly dpop: ResolvedDpop | undefined;
  /** Undefined if tokens that are bound to a certificate are refused. */
  readonly mutualTls: ResolvedMutualTls | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly requiredScopes: readonly string[];
  /** Undefined if `required` or the decorators determine them. */
  readonly supportedScopes: readonly string[] | undefined;
  readonly scopeHierarchy: Readonly<Record<string, readonly string[]>>;
  readonly operationScopes: readonly OperationScopes[];
  /** The scopes of tools by their behaviour; undefined if annotations do not matter. */
  readonly annotationScopes: Readonly<Record<ToolBehaviour, readonly string[]>> | undefined;
  readonly listing: ListingPolicy;
  readonly challengeScopes: ChallengeScopesOption;
  /**
   * Set if the identifier has variables. Such a resource accepts no token and answers no request itself: its tenants do. Its
   * identifier and `metadataUrl` then have the variables in them.
   */
  readonly template: ResolvedTemplate | undefined;
  /** Set for the resource of a tenant, which has the `id` of the resource with the template. */
  readonly tenant: ResolvedTenant | undefined;
}

/** The place of a resource among the tenants of a template. */
export interface ResolvedTenant {
  /** The resource with the template. */
  readonly of: ResolvedResource;
  readonly variables: ResourceVariables;
}

/** The configured resource: of a tenant, the one with the template. */
export function configuredResource(resource: ResolvedResource): ResolvedResource {
  return resource.tenant === undefined ? resource : resource.tenant.of;
}

export const RESOURCE_OPTIONS = {
  resource: readIdentifier,
  id: (option) => option.text(),
  resolveTenant: readResolveTenant,
  tenants: (option) => option.section(TENANTS_OPTIONS),
  authorizationServers: (option) => readAuthorizationServers(option, true),
  trustedIssuer: readTrustedIssuer,
  verifier: readVerifier,
  audience: readAudience,
  dpop: readDpop,
  mutualTls: readMutualTls,
  metadata: readResourceMetadata,
  scopes: (option) => option.section(SCOPE_OPTIONS),
} satisfies ReadersOf<ProtectedResourceOptions>;

/** The readers of the options of this resource. If it has variables, its tenants may have all of the authorization servers. */
export function resourceReaders(option: OptionReader): typeof RESOURCE_OPTIONS {
  const { value } = option.at('resource');
  if (typeof value !== 'string' || !isTemplate(value)) return RESOURCE_OPTIONS;
  return { ...RESOURCE_OPTIONS, authorizationServers: (servers) => readAuthorizationServers(servers, false) };
}

/**
 * One resource, from its options.
 *
 * @param verifierOfModule used if the resource has no verifier of its own.
 */
export function resourceOf(
  option: OptionReader,
  given: OptionsRead<typeof RESOURCE_OPTIONS>,
  verifierOfModule?: ResolvedVerifier,
): ResolvedResource {
  const { authorizationServers, trustedIssuer, metadata, scopes } = given;
  const { identifier, template } = given.resource;
  // Not after a problem of the identifier, which may be a template with a mistake.
  if (!template && identifier.value !== '') refuseTemplateOptions(option);
  const verifier = given.verifier ?? verifierOfModule;
  if (verifier) refuseUnusedByVerifier(option.at('verifier'), authorizationServers);
  refuseKeysOfOthers(
    option.at('metadata'),
    authorizationServers.flatMap((server) => jwksUriOf(server) ?? []),
  );
  return {
    id: given.id ?? identifier.value,
    identifier,
    metadataUrl: metadataUrl(identifier),
    authorizationServers,
    trustedIssuer,
    verifier,
    // No token is for a template.
    audiences: template ? [] : (given.audience ?? [identifier.value]),
    dpop: given.dpop,
    mutualTls: given.mutualTls,
    metadata,
    requiredScopes: scopes.required,
    supportedScopes: scopes.supported,
    scopeHierarchy: scopes.hierarchy,
    operationScopes: scopes.operations,
    annotationScopes: scopes.annotations,
    listing: scopes.listing,
    challengeScopes: scopes.challenge,
    template: template && resolvedTemplate(option, template, given),
    tenant: undefined,
  };
}

/** Whether resources differ only in their hosts, so that one route may serve them all. */
export function shareRoutes(resources: readonly ResolvedResource[]): boolean {
  const paths = resources.map(({ identifier }) => metadataPath(identifier).replaceAll(/\{[^}]*\}/g, '{}'));
  return repetitions(paths).length > 0;
}

/** Refuses settings of servers beside a verifier, which would not use them. */
function refuseUnusedByVerifier(option: OptionReader, servers: readonly ResolvedAuthorizationServer[]): void {
  const unused = (name: string, isSet: (server: ResolvedAuthorizationServer) => boolean): void => {
    const server = servers.find(isSet);
    if (!server) return;
    const why = `it replaces the \`${name}\` that is set up for ${server.issuer}`;
    option.refuse({ seen: 'a verifier', why, write: 'Remove one of the two' });
  };
  unused('introspection', ({ introspection }) => introspection !== undefined);
  unused('grants', ({ scopeRules }) => scopeRules.grants.length > 0);
  unused('scopesOf', ({ scopeRules }) => scopeRules.scopesOf !== undefined);
}

function readAudience(option: OptionReader): string[] | undefined {
  return option
    .asList()
    .texts('Name the audience the tokens carry, or leave it out to require the resource identifier');
}
