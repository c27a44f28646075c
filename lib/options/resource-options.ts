import { metadataPath, metadataUrl, readResourceIdentifier, type ResourceIdentifier } from '../core/resource.js';
import type { ToolBehaviour } from '../core/tool-behaviour.js';
import { showValue } from '../core/safe-text.js';
import {
  readAuthorizationServer,
  type AuthorizationServerOptions,
  type ResolvedAuthorizationServer,
} from './authorization-server-options.js';
import { readDpop, type DpopOptions, type ResolvedDpop } from './dpop-options.js';
import { ambiguousPrefixes } from './introspection-options.js';
import { jwksUriOf } from './issuer-sources.js';
import { OptionReader, readWhole, type OptionsRead, type ReadersOf } from './option-reader.js';
import { readResourceMetadata, refuseKeysOfOthers, type ResourceMetadataOptions } from './resource-metadata-options.js';
import {
  SCOPE_OPTIONS,
  type ChallengeScopesOption,
  type ListingPolicy,
  type OperationScopes,
  type ScopeOptions,
} from './scope-options.js';
import { requireSecureUrl } from './url-option.js';
import { readVerifier, type ResolvedVerifier, type VerifierOption } from './verifier-option.js';

/** One protected resource. */
export interface ProtectedResourceOptions {
  /**
   * The resource identifier of RFC 9728: the URL at which MCP clients reach this server, such as
   * `https://mcp.example.com/mcp`. https, unless on loopback; without query and fragment. It is not a route pattern: it is
   * compared whole.
   */
  resource: string;
  /** Name of the resource in `@ProtectedResource()`. @default the resource identifier */
  id?: string;
  /** At least one; a string is an issuer with default settings. */
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
   * Accepted values of the `aud` claim, compared whole. The check cannot be turned off.
   * @default the resource identifier
   */
  audience?: string | string[];
  /**
   * Accepts tokens that are bound to a key of the client, with a proof of that key in each request (RFC 9449). Without it, such
   * tokens are refused.
   * @default off: such tokens are refused
   */
  dpop?: 'off' | 'accepted' | 'required' | DpopOptions;
  /** Further members of the metadata document. @default none */
  metadata?: ResourceMetadataOptions;
  /** What calls need beyond a valid token. @default nothing beyond what decorators say */
  scopes?: ScopeOptions;
}

/** The type of `trustedIssuer`: returns the authorization server of an issuer, written as in `authorizationServers`. */
export type TrustedIssuerOption = (
  issuer: string,
) => string | AuthorizationServerOptions | undefined | Promise<string | AuthorizationServerOptions | undefined>;

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
}

export const RESOURCE_OPTIONS = {
  resource: readIdentifier,
  id: (option) => option.text(),
  authorizationServers: readAuthorizationServers,
  trustedIssuer: readTrustedIssuer,
  verifier: readVerifier,
  audience: readAudience,
  dpop: readDpop,
  metadata: readResourceMetadata,
  scopes: (option) => option.section(SCOPE_OPTIONS),
} satisfies ReadersOf<ProtectedResourceOptions>;

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
  const { resource: identifier, authorizationServers, trustedIssuer, metadata, scopes } = given;
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
    audiences: given.audience ?? [identifier.value],
    dpop: given.dpop,
    metadata,
    requiredScopes: scopes.required,
    supportedScopes: scopes.supported,
    scopeHierarchy: scopes.hierarchy,
    operationScopes: scopes.operations,
    annotationScopes: scopes.annotations,
    listing: scopes.listing,
    challengeScopes: scopes.challenge,
  };
}

/**
 * Refuses resources that share an id or the path of their metadata. Requests find a resource by either of them, whatever
 * host they name.
 */
export function refuseSharedResources(option: OptionReader, resources: readonly ResolvedResource[]): void {
  const usable = resources.filter(({ identifier }) => identifier.value !== '');
  const ids = usable.map(({ id }) => id);
  const paths = usable.map(({ identifier }) => metadataPath(identifier));
  for (const repeated of [...repetitions(ids), ...repetitions(paths)]) {
    const why = 'several resources share this id, or the path of their metadata';
    option.refuse({ seen: showValue(repeated), why, write: 'Give each resource a path and an id of its own' });
  }
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

/** The resource identifier; empty after a problem. */
function readIdentifier(option: OptionReader): ResourceIdentifier {
  const write = 'Write the URL clients use, such as "https://mcp.example.com/mcp"';
  const { value } = option;
  if (typeof value !== 'string' || value === '') {
    option.refuse({ why: 'it is required: tokens must be issued for it, and clients look for it', write });
  } else if (isRoutePattern(value)) {
    refuseRoutePattern(option);
  } else {
    const read = readResourceIdentifier(value);
    if (!('problem' in read)) return acceptIdentifier(option, read);
    option.refuse({ why: read.problem, write });
  }
  return { value: '', origin: '', path: '' };
}

function acceptIdentifier(option: OptionReader, read: ResourceIdentifier): ResourceIdentifier {
  if (read.value !== option.value) {
    option.warn(`"${String(option.value)}" is used as "${read.value}": scheme and host are lower case`);
  }
  requireSecureUrl(option, read.value);
  return read;
}

/** Whether a segment of the path is a parameter or has a wildcard, as in routes of Express and Fastify and in URI templates. */
function isRoutePattern(resource: string): boolean {
  const [, path = ''] = /^[^/]*\/\/[^/]*(.*)$/s.exec(resource) ?? [];
  return path.split('/').some((segment) => /^:[A-Za-z_]|[*{]|%7B/i.test(segment));
}

function refuseRoutePattern(option: OptionReader): void {
  const why =
    'it looks like the pattern of a route, but a resource is one URL: it is compared whole with `aud`, and never matched';
  const write = 'Write the URL of each resource under `resources`, such as "https://mcp.example.com/orgs/acme/mcp"';
  option.refuse({ why, write });
}

function readAuthorizationServers(option: OptionReader): ResolvedAuthorizationServer[] {
  const servers = option.entries().map(readAuthorizationServer);
  if (servers.length === 0) {
    const write = 'Name at least one issuer, such as ["https://login.example.com"]';
    option.refuse({ why: 'MCP requires at least one authorization server', write });
  }
  for (const issuer of repetitions(servers.map((server) => server.issuer).filter((one) => one !== ''))) {
    option.refuse({ seen: showValue(issuer), why: 'it is listed twice', write: 'List every issuer once' });
  }
  for (const prefix of ambiguousPrefixes(servers.flatMap(({ introspection }) => introspection?.tokenPrefix ?? []))) {
    const write = 'Give each `introspection.tokenPrefix` a beginning of its own';
    const why = 'tokens that begin like this could belong to two servers';
    option.refuse({ seen: showValue(prefix), why, write });
  }
  return servers;
}

function readTrustedIssuer(option: OptionReader): ResolvedResource['trustedIssuer'] {
  const write = 'Write (issuer) => the server with that issuer, or undefined';
  const find = option.function<TrustedIssuerOption>(write);
  if (!find) return undefined;
  const { path, allowsInsecureHttp } = option;
  return async (issuer) => {
    const found: unknown = await find(issuer);
    if (found === undefined || found === null || found === false) return undefined;
    return readFoundServer(OptionReader.of(found, path, allowsInsecureHttp), issuer);
  };
}

/**
 * Reads a server that `trustedIssuer` returned, by the same rules as the options.
 *
 * @throws {McpAuthConfigError} listing every problem, including another issuer than the requested one.
 */
function readFoundServer(option: OptionReader, issuer: string): ResolvedAuthorizationServer {
  return readWhole(option, () => {
    const server = readAuthorizationServer(option);
    if (server.issuer !== issuer && server.issuer !== '') {
      const why = `the issuer that was asked for is "${issuer}"`;
      option.refuse({ seen: showValue(server.issuer), why, write: 'Return that one or undefined' });
    }
    return server;
  });
}

function readAudience(option: OptionReader): string[] | undefined {
  return option
    .asList()
    .texts('Name the audience the tokens carry, or leave it out to require the resource identifier');
}

/** Every value that occurred before, once for each repetition. */
function repetitions(values: readonly string[]): string[] {
  return values.filter((value, index) => values.indexOf(value) < index);
}
