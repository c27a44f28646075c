import type { JSONWebKeySet } from 'jose';
import type { ConfigProblem } from './core/error.js';
import { McpAuthConfigError } from './core/error.js';
import { deepFreeze } from './core/deep-freeze.js';
import type { OperationKind } from './core/operation.js';
import { isLoopback, metadataPath, metadataUrl, readResourceIdentifier, type ResourceIdentifier } from './core/resource.js';
import { AUTHORIZATION_SERVER_SCOPES, isScopeToken } from './core/scopes.js';
import type { KeySource } from './issuer/authorization-server.js';
import type { Discovery } from './issuer/discovery.js';
import {
  ambiguousPrefixes,
  resolveIntrospection,
  type IntrospectionOptions,
  type OptionChecks,
  type ResolvedIntrospection,
} from './mcp-auth.introspection-options.js';
import { resolveVerifier, type ResolvedVerifier, type VerifierOption } from './mcp-auth.verifier-option.js';
import type { JwtProfile } from './token/profile.js';

/** An authorization server whose access tokens are accepted. */
export interface AuthorizationServerOptions {
  /**
   * The issuer identifier, exactly as the server itself spells it: it is compared code point by code point with
   * the `iss` of tokens and with the metadata of the server, and published verbatim. https, unless on loopback.
   */
  issuer: string;
  /**
   * Published to clients in place of `issuer`, for a product whose clients must begin at another URL than the one
   * its tokens name. Only `authorization_servers` changes: tokens are still accepted from `issuer` alone. Clients
   * compare this URL with the metadata they find there, so it must be what that document calls its issuer.
   * @default issuer
   */
  advertisedIssuer?: string;
  /**
   * Where the metadata of the server is found: the order of the MCP specification, one of its two forms only, or
   * a URL. Not used where `jwksUri` or `jwks` is given.
   * @default 'auto'
   */
  discovery?: Discovery;
  /** URL of the keys, instead of discovery. */
  jwksUri?: string;
  /** The keys themselves, instead of discovery; they are then never fetched, and a rotation needs a restart. */
  jwks?: JSONWebKeySet;
  /**
   * Signature algorithms accepted from this issuer. Asymmetric only.
   * @default RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519
   */
  algorithms?: string[];
  /**
   * `compatible` also accepts tokens whose `typ` is `JWT` or absent, as most products send them, if nothing marks
   * them as another kind of token; `rfc9068` insists on the JWT profile for access tokens.
   * @default 'compatible'
   */
  profile?: JwtProfile;
  /**
   * Asks this server about its tokens, JWTs included, instead of verifying them here (RFC 7662). `profile` then does not
   * apply, and `algorithms` and the keys do only to signed answers.
   * @default none: only JWTs are accepted
   */
  introspection?: IntrospectionOptions;
  /**
   * Names of the claims where this product puts scopes, client, subject and audience; of several, the first present
   * counts. A name that begins with a slash is a JSON Pointer (RFC 6901) to a member of a claim, such as
   * `/realm_access/roles`.
   */
  claims?: {
    /** Space-separated string or, under a name other than `scope`, array of strings. @default 'scope' */
    scopes?: string | string[];
    /** @default ['client_id', 'azp', 'cid', 'appid'] */
    clientId?: string | string[];
    /** @default 'sub' */
    subject?: string | string[];
    /**
     * What is compared with `audience`. Only for a product whose access tokens have no `aud`: with any other claim a
     * token is bound to whatever that claim names, such as one client, not to this resource; logged as a warning at
     * every start. Name none that anybody but the authorization server can choose.
     * @default 'aud'
     */
    audience?: string | string[];
  };
}

/** Members of the protected resource metadata besides those this library fills in (RFC 9728 §2). */
export interface ResourceMetadataOptions {
  /** `resource_name`: shown to users on consent pages. */
  resourceName?: string;
  /** `resource_documentation`: URL of a page for developers. */
  resourceDocumentation?: string;
  /** `resource_policy_uri` */
  resourcePolicyUri?: string;
  /** `resource_tos_uri` */
  resourceTosUri?: string;
  /** `jwks_uri`: keys of the resource server itself. Those of the authorization server do not belong here. */
  jwksUri?: string;
  /** Any further member, such as `resource_name#de`, published under the name it has here. */
  [member: string]: unknown;
}

/** What calls need beyond a valid token, and what is advertised of it. */
export interface ScopeOptions {
  /** Needed by every protected request. @default none */
  required?: string[];
  /**
   * Published as `scopes_supported`. Clients without a better hint ask for all of it, so keep it to what basic use
   * needs; a challenge may name others.
   * @default `required` if there are any, else every scope named by a decorator
   */
  supported?: string[];
  /** Broader scope → the scopes it implies, transitively. @default none */
  hierarchy?: Record<string, string[]>;
  /**
   * What operations need whose handlers cannot be decorated: tool name, resource URI or URI template, prompt name →
   * scopes. Adds to what decorators say, and is checked before dispatch only.
   * @default none
   */
  operations?: {
    tools?: Record<string, string[]>;
    resources?: Record<string, string[]>;
    prompts?: Record<string, string[]>;
  };
  /**
   * What a caller finds in the lists of tools, resources and prompts:
   * - `show`: everything, since a client calls only what is listed, and could otherwise never step up;
   * - `hide`: what the token's scopes and the policies allow;
   * - `obtainable`: what some token of this caller would allow: policies that say no hide, missing scopes don't.
   *
   * Comfort, not protection: what is hidden is refused all the same when it is called. Policies are asked about
   * listed operations with `args` undefined.
   * @default 'show'
   */
  listing?: ListingPolicy;
}

export type ListingPolicy = 'show' | 'hide' | 'obtainable';

/**
 * How a refusal of a tool call reaches the client: as an HTTP status with a challenge, on which most clients act, or
 * as a tool result with the challenge in `_meta["mcp/www_authenticate"]`, on which ChatGPT acts.
 */
export type ChallengeForm = 'http' | 'tool-result';

/** One protected resource. */
export interface ProtectedResourceOptions {
  /**
   * The resource identifier of RFC 9728: the URL at which MCP clients reach this server, such as
   * `https://mcp.example.com/mcp`. https, unless on loopback; no query, no fragment.
   */
  resource: string;
  /** Name for `@ProtectedResource()`. @default the resource identifier */
  id?: string;
  /** At least one; a string is an issuer with default settings. */
  authorizationServers: (string | AuthorizationServerOptions)[];
  /**
   * Looks up issuers that are not listed above, such as one for each tenant: returns the server with exactly this issuer, or
   * undefined for one that is not trusted. What it is given stands in a token that nobody has verified: look it up among
   * the issuers you know, and do not decide by a part of it.
   *
   * The answer is used for five minutes (that an issuer is not trusted: ten seconds), for at most a thousand issuers; an
   * error is answered with 503. Such issuers are not published in the metadata, and their tokens must be JWTs.
   * @default none
   */
  trustedIssuer?: TrustedIssuerOption;
  /**
   * Verifies tokens in place of the built-in verification: a function, an object, or the class of a provider of the
   * application. What it returns is checked against issuers, audience and times all the same, see `TokenVerifier`.
   * @default that of the module, see `CommonOptions.verifier`
   */
  verifier?: VerifierOption;
  /**
   * Accepted values of the `aud` claim, compared whole. There is no way to turn the check off.
   * @default the resource identifier
   */
  audience?: string | string[];
  metadata?: ResourceMetadataOptions;
  scopes?: ScopeOptions;
}

/** What `trustedIssuer` is: finds the authorization server of an issuer, which may be written as in `authorizationServers`. */
export type TrustedIssuerOption = (
  issuer: string,
) => string | AuthorizationServerOptions | undefined | Promise<string | AuthorizationServerOptions | undefined>;

/** How verified tokens are remembered. */
export interface CacheOptions {
  /** Most tokens that are remembered for each resource, 1 to 1,000,000. @default 10000 */
  maxEntries?: number;
  /**
   * Longest time a verified token is reused without verifying it again, in seconds, 1 to 3600; never past its `exp`, and not
   * once its key is known to be withdrawn.
   * @default 300
   */
  ttlSeconds?: number;
}

/** Settings that hold for all resources of the module. */
export interface CommonOptions {
  /**
   * For all resources that have no `verifier` of their own; see there.
   * @default the built-in verification
   */
  verifier?: VerifierOption;
  /**
   * Remembers verified JWTs, by their SHA-256. `false` verifies the signature every time. Given explicitly, it holds for
   * results of `verifier` too, which are not remembered otherwise: only you know what they depend on. Introspection has
   * times of its own.
   * @default { maxEntries: 10000, ttlSeconds: 300 }
   */
  cache?: CacheOptions | false;
  /** Allowed difference between the clocks of issuer and server, in seconds, 0 to 300. @default 5 */
  clockToleranceSeconds?: number;
  /** Tokens that expire later than this many seconds from now are refused. @default 86400 */
  maxTokenLifetimeSeconds?: number;
  /**
   * Lets callers without a token open a connection, list, and use the operations that are declared `@Public()`; all
   * others answer them with 401 and a challenge. Only at the path of the resource identifier.
   * @default false
   */
  allowAnonymous?: boolean;
  /**
   * The form of refused tool calls, or a function of the platform's request that chooses it.
   * @default 'http'
   */
  challenge?: ChallengeForm | ((request: unknown) => ChallengeForm);
  /**
   * Further browser origins, such as `https://app.example.com`, whose pages may reach the MCP endpoint. CORS is not
   * set up by this: a page also needs `app.enableCors()`.
   * @default none: the origin of the resource, and that of any page of this machine if the resource is on loopback
   */
  allowedOrigins?: string[];
  /**
   * What happens to MCP operations with requirements over stdio, where requests carry no token: they are refused, or
   * trusted like whoever started the process, or judged by the access token in the environment variable named here.
   * @default 'deny'
   */
  stdio?: 'deny' | 'trust' | { tokenEnv: string };
  /**
   * Starts even if an MCP endpoint was laid on the platform itself, where no guard runs before it: tools without
   * requirements of their own then run for anybody. Decorated ones are refused at the handler. Logged as a warning at
   * every start.
   * @default false
   */
  allowUnguardedMounts?: boolean;
  /**
   * Accepts plain http for resources and issuers that are not on loopback. Tokens can then be read on the network;
   * logged as a warning at every start.
   * @default false
   */
  allowInsecureHttp?: boolean;
  /**
   * Tells clients why a token was refused. Helps an attacker as much as a developer; logged as a warning at start.
   * @default false
   */
  exposeErrorDetails?: boolean;
}

/** Options of `McpAuthModule`: one resource, or several under `resources`. */
export type McpAuthModuleOptions = CommonOptions &
  (
    | (ProtectedResourceOptions & { resources?: never })
    | ({ resources: ProtectedResourceOptions[] } & { [K in Exclude<keyof ProtectedResourceOptions, keyof CommonOptions>]?: never })
  );

/** A trusted issuer, with every default filled in. */
export interface ResolvedAuthorizationServer {
  readonly issuer: string;
  readonly advertisedIssuer: string;
  readonly keys: KeySource;
  readonly algorithms: readonly string[];
  readonly profile: JwtProfile;
  readonly introspection: ResolvedIntrospection | undefined;
  readonly claimNames: {
    readonly scopes: readonly string[];
    readonly clientId: readonly string[];
    readonly subject: readonly string[];
    readonly audience: readonly string[];
  };
}

/** A protected resource, with every default filled in. */
export interface ResolvedResource {
  readonly id: string;
  readonly identifier: ResourceIdentifier;
  readonly metadataUrl: string;
  readonly authorizationServers: readonly ResolvedAuthorizationServer[];
  /** Finds servers that are not among them; undefined for an issuer that is not trusted. */
  readonly trustedIssuer: ((issuer: string) => Promise<ResolvedAuthorizationServer | undefined>) | undefined;
  readonly verifier: ResolvedVerifier | undefined;
  readonly audiences: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly requiredScopes: readonly string[];
  /** Undefined where it follows from the decorators. */
  readonly supportedScopes: readonly string[] | undefined;
  readonly scopeHierarchy: Readonly<Record<string, readonly string[]>>;
  readonly operationScopes: readonly { readonly kind: OperationKind; readonly name: string; readonly scopes: readonly string[] }[];
  readonly listing: ListingPolicy;
}

/** The options after validation: complete, frozen, and independent of what the user passed in. */
export interface ResolvedOptions {
  readonly resources: readonly [ResolvedResource, ...ResolvedResource[]];
  readonly clockToleranceSeconds: number;
  readonly maxTokenLifetimeSeconds: number;
  /** Whether URLs that are found while the application runs may be plain http beyond loopback. */
  readonly allowInsecureHttp: boolean;
  readonly cache: {
    readonly maxEntries: number;
    /** How long a verified JWT is reused; 0: not at all. */
    readonly jwtSeconds: number;
    /** The same for results of a verifier of the application. */
    readonly customSeconds: number;
  };
  readonly exposeErrorDetails: boolean;
  readonly allowAnonymous: boolean;
  readonly challenge: (request: unknown) => ChallengeForm;
  readonly allowedOrigins: readonly string[];
  readonly stdio: 'deny' | 'trust' | { readonly tokenEnv: string };
  readonly allowUnguardedMounts: boolean;
  /** What weakens the protection, to be logged at start. */
  readonly warnings: readonly string[];
}

const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const DEFAULT_ALGORITHMS = [...RSA_ALGORITHMS, 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

const COMMON_OPTIONS = [
  'verifier',
  'cache',
  'clockToleranceSeconds',
  'maxTokenLifetimeSeconds',
  'allowAnonymous',
  'challenge',
  'allowedOrigins',
  'stdio',
  'allowUnguardedMounts',
  'allowInsecureHttp',
  'exposeErrorDetails',
];
const RESOURCE_OPTIONS = [
  'resource',
  'id',
  'authorizationServers',
  'trustedIssuer',
  'verifier',
  'audience',
  'metadata',
  'scopes',
];
const SCOPE_OPTIONS = ['required', 'supported', 'hierarchy', 'operations', 'listing'];
const SERVER_OPTIONS = [
  'issuer',
  'advertisedIssuer',
  'discovery',
  'jwksUri',
  'jwks',
  'algorithms',
  'profile',
  'introspection',
  'claims',
];
const CLAIM_OPTIONS = ['scopes', 'clientId', 'subject', 'audience'];
/** A JSON Pointer that isn't empty: `~` stands only before 0 or 1 (RFC 6901 §3). */
const JSON_POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/;
const MEMBERS_FILLED_IN = new Set([
  'resource',
  'authorization_servers',
  'scopes_supported',
  'bearer_methods_supported',
]);
const METADATA_NAMES: Readonly<Record<string, string>> = {
  resourceName: 'resource_name',
  resourceDocumentation: 'resource_documentation',
  resourcePolicyUri: 'resource_policy_uri',
  resourceTosUri: 'resource_tos_uri',
  jwksUri: 'jwks_uri',
};

/**
 * Validates the options and fills in the defaults.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function resolveOptions(options: McpAuthModuleOptions): ResolvedOptions {
  const check = new OptionsCheck();
  const resolved = check.module(options);
  if (check.problems.length > 0) throw new McpAuthConfigError(check.problems);
  return deepFreeze(resolved);
}

/**
 * One pass over the options. Every method returns something usable even where it found a problem, so that the pass
 * goes on to find the rest; the result is thrown away if there was any.
 */
class OptionsCheck {
  readonly problems: ConfigProblem[] = [];
  readonly #warnings: string[] = [];
  #allowInsecureHttp = false;
  /** For resources that have none of their own. */
  #verifier: ResolvedVerifier | undefined;

  /**
   * An authorization server that was looked up while the application runs, held to the same rules.
   *
   * @throws {McpAuthConfigError} listing every problem, one of which is another issuer than was asked for.
   */
  static server(option: string, entry: unknown, issuer: string, allowInsecureHttp: boolean): ResolvedAuthorizationServer {
    const check = new OptionsCheck();
    check.#allowInsecureHttp = allowInsecureHttp;
    const server = check.#server(option, entry);
    if (server.issuer !== issuer && server.issuer !== '') {
      check.#problem(option, server.issuer, `the issuer that was asked for is "${issuer}"`, 'Return that one or undefined');
    }
    if (check.problems.length > 0) throw new McpAuthConfigError(check.problems);
    return deepFreeze(server);
  }

  module(options: McpAuthModuleOptions): ResolvedOptions {
    const given: Readonly<Record<string, unknown>> = isRecord(options) ? { ...options } : {};
    if (!isRecord(options)) {
      this.#problem('options', options, 'it is no object', 'Return the options of the module from the factory');
    }
    const several = given['resources'] !== undefined;
    this.#knownKeys('', given, [...COMMON_OPTIONS, 'resources', ...(several ? [] : RESOURCE_OPTIONS)]);
    this.#allowInsecureHttp = this.#flag('allowInsecureHttp', given['allowInsecureHttp']);
    const exposeErrorDetails = this.#flag('exposeErrorDetails', given['exposeErrorDetails']);
    if (several) this.#verifier = this.#verifierOption('verifier', given['verifier']);
    const resources: ResolvedOptions['resources'] = several
      ? this.#resources(given['resources'])
      : [this.#resource('', given)];
    const numbers = {
      clockToleranceSeconds: this.#seconds('clockToleranceSeconds', given['clockToleranceSeconds'], 5, 0, 300),
      maxTokenLifetimeSeconds: this.#seconds(
        'maxTokenLifetimeSeconds',
        given['maxTokenLifetimeSeconds'],
        86_400,
        1,
        31_536_000,
      ),
    };
    const forMcp = {
      allowAnonymous: this.#flag('allowAnonymous', given['allowAnonymous']),
      challenge: this.#challenge(given['challenge']),
      allowedOrigins: this.#origins(given['allowedOrigins']),
      stdio: this.#stdio(given['stdio']),
      allowUnguardedMounts: this.#flag('allowUnguardedMounts', given['allowUnguardedMounts']),
    };
    if (exposeErrorDetails) this.#warnings.push('exposeErrorDetails is on: clients are told why tokens are refused');
    const cache = this.#cache(given['cache']);
    const allowInsecureHttp = this.#allowInsecureHttp;
    return { resources, ...numbers, ...forMcp, cache, allowInsecureHttp, exposeErrorDetails, warnings: this.#warnings };
  }

  #resources(value: unknown): ResolvedOptions['resources'] {
    const entries: unknown[] = Array.isArray(value) ? value : [];
    if (entries.length === 0) {
      this.#problem('resources', value, 'it is no list of resources', 'List at least one, or use `resource` instead');
      // One problem is enough: what a resource needs is not missing here.
      return [new OptionsCheck().#resource('', {})];
    }
    const resources = entries.map((entry, index) => {
      const at = `resources[${index}]`;
      const given = this.#section(at, entry, RESOURCE_OPTIONS);
      return this.#resource(`${at}.`, given);
    });
    const usable = resources.filter(({ identifier }) => identifier.identifier !== '');
    // By path, not URL: the document is chosen by the path of the request, never by its host, which is the client's word.
    const paths = usable.map(({ identifier }) => metadataPath(identifier));
    for (const repeated of [...repetitions(usable.map(({ id }) => id)), ...repetitions(paths)]) {
      const write = 'Give each resource a path and an id of its own';
      this.#problem('resources', repeated, 'several resources share this id, or the path of their metadata', write);
    }
    return resources as [ResolvedResource, ...ResolvedResource[]];
  }

  #resource(at: string, given: Readonly<Record<string, unknown>>): ResolvedResource {
    const identifier = this.#identifier(`${at}resource`, given['resource']);
    const authorizationServers = this.#servers(`${at}authorizationServers`, given['authorizationServers']);
    const scopes = this.#section(`${at}scopes`, given['scopes'], SCOPE_OPTIONS);
    return {
      id: this.#optionalText(`${at}id`, given['id']) ?? identifier.identifier,
      identifier,
      metadataUrl: metadataUrl(identifier),
      authorizationServers,
      trustedIssuer: this.#trustedIssuer(`${at}trustedIssuer`, given['trustedIssuer']),
      verifier: this.#verifierOption(`${at}verifier`, given['verifier']) ?? this.#verifier,
      audiences: this.#audiences(`${at}audience`, given['audience'], identifier.identifier),
      metadata: this.#metadata(`${at}metadata`, given['metadata'], authorizationServers),
      requiredScopes: this.#scopes(`${at}scopes.required`, scopes['required']) ?? [],
      supportedScopes: this.#scopes(`${at}scopes.supported`, scopes['supported']),
      scopeHierarchy: this.#hierarchy(`${at}scopes.hierarchy`, scopes['hierarchy']),
      operationScopes: this.#operationScopes(`${at}scopes.operations`, scopes['operations']),
      listing: this.#listing(`${at}scopes.listing`, scopes['listing']),
    };
  }

  #identifier(option: string, value: unknown): ResourceIdentifier {
    const unusable = { identifier: '', origin: '', path: '' };
    const example = 'Write the URL clients use, such as "https://mcp.example.com/mcp"';
    if (typeof value !== 'string' || value === '') {
      this.#problem(option, value, 'it is required: tokens must be issued for it, and clients look for it', example);
      return unusable;
    }
    const read = readResourceIdentifier(value);
    if ('problem' in read) {
      this.#problem(option, value, read.problem, example);
      return unusable;
    }
    if (read.identifier !== value) {
      this.#warnings.push(`${option} "${value}" is used as "${read.identifier}": scheme and host are lower case`);
    }
    this.#secureUrl(option, read.identifier);
    return read;
  }

  #servers(option: string, value: unknown): ResolvedAuthorizationServer[] {
    if (!Array.isArray(value) || value.length === 0) {
      const write = 'Name at least one issuer, such as ["https://login.example.com"]';
      this.#problem(option, value, 'MCP requires at least one authorization server', write);
      return [];
    }
    const servers = value.map((entry: unknown, index) => this.#server(`${option}[${index}]`, entry));
    for (const repeated of repetitions(servers.map(({ issuer }) => issuer).filter((issuer) => issuer !== ''))) {
      this.#problem(option, repeated, 'it is listed twice', 'List every issuer once');
    }
    for (const prefix of ambiguousPrefixes(servers.flatMap(({ introspection }) => introspection?.tokenPrefix ?? []))) {
      const why = 'tokens that begin like this could belong to two servers';
      this.#problem(option, prefix, why, 'Give each `introspection.tokenPrefix` a beginning of its own');
    }
    return servers;
  }

  #trustedIssuer(option: string, value: unknown): ResolvedResource['trustedIssuer'] {
    if (value === undefined) return undefined;
    if (typeof value !== 'function') {
      this.#problem(option, value, 'it is no function', 'Write (issuer) => the server with that issuer, or undefined');
      return undefined;
    }
    const allowInsecureHttp = this.#allowInsecureHttp;
    return async (issuer) => {
      const entry: unknown = await (value as TrustedIssuerOption)(issuer);
      if (entry === undefined || entry === null || entry === false) return undefined;
      return OptionsCheck.server(option, entry, issuer, allowInsecureHttp);
    };
  }

  #verifierOption(option: string, value: unknown): ResolvedVerifier | undefined {
    if (value === undefined) return undefined;
    const verifier = resolveVerifier(value);
    if (!verifier) {
      const write = 'Write a function, an object with a method `verify`, or a class that extends TokenVerifier';
      this.#describedProblem(option, 'something else', 'it can verify nothing', write);
    }
    return verifier;
  }

  #cache(value: unknown): ResolvedOptions['cache'] {
    const given = value === false ? {} : this.#section('cache', value, ['maxEntries', 'ttlSeconds']);
    const maxEntries = this.#integer('cache.maxEntries', given['maxEntries'], 10_000, 1, 1_000_000);
    const ttlSeconds = this.#seconds('cache.ttlSeconds', given['ttlSeconds'], 300, 1, 3_600);
    return {
      maxEntries,
      jwtSeconds: value === false ? 0 : ttlSeconds,
      customSeconds: value === false || value === undefined ? 0 : ttlSeconds,
    };
  }

  #server(option: string, value: unknown): ResolvedAuthorizationServer {
    const given: Readonly<Record<string, unknown>> = typeof value === 'string' ? { issuer: value } : asRecord(value);
    const at = typeof value === 'string' ? option : `${option}.issuer`;
    this.#knownKeys(`${option}.`, given, SERVER_OPTIONS);
    const issuer = this.#issuer(at, given['issuer']);
    const claims = this.#section(`${option}.claims`, given['claims'], CLAIM_OPTIONS);
    const advertised = given['advertisedIssuer'];
    return {
      issuer,
      advertisedIssuer: advertised === undefined ? issuer : this.#issuer(`${option}.advertisedIssuer`, advertised),
      keys: this.#keySource(option, given),
      algorithms: this.#algorithms(`${option}.algorithms`, given['algorithms']),
      profile: this.#profile(`${option}.profile`, given['profile']),
      introspection: this.#introspection(`${option}.introspection`, given['introspection']),
      claimNames: {
        scopes: this.#names(`${option}.claims.scopes`, claims['scopes'], ['scope']),
        clientId: this.#names(`${option}.claims.clientId`, claims['clientId'], ['client_id', 'azp', 'cid', 'appid']),
        subject: this.#names(`${option}.claims.subject`, claims['subject'], ['sub']),
        audience: this.#audienceClaims(`${option}.claims.audience`, claims['audience']),
      },
    };
  }

  #introspection(option: string, value: unknown): ResolvedIntrospection | undefined {
    if (value === undefined) return undefined;
    if (!isRecord(value)) {
      this.#describedProblem(option, 'something else', 'it is no object', 'Write { clientId: …, auth: … }, or leave it out');
      return undefined;
    }
    const check: OptionChecks = {
      section: (...given) => this.#section(...given),
      url: (...given) => this.#url(...given),
      text: (...given) => this.#optionalText(...given),
      flag: (...given) => this.#flag(...given),
      seconds: (...given) => this.#seconds(...given),
      problem: (...given) => this.#describedProblem(...given),
      warning: (text) => this.#warnings.push(text),
    };
    return resolveIntrospection(option, value, check);
  }

  #audienceClaims(option: string, value: unknown): string[] {
    const names = this.#names(option, value, ['aud']);
    const others = names.filter((name) => name !== 'aud');
    if (others.length > 0) {
      const named = others.map((name) => `"${name}"`).join(', ');
      this.#warnings.push(`${option} names ${named}: its tokens need not be issued for this resource alone`);
    }
    return names;
  }

  #issuer(option: string, value: unknown): string {
    const write = 'Write the issuer as the server itself spells it, such as "https://login.example.com/realms/main"';
    if (typeof value !== 'string' || !URL.canParse(value)) {
      this.#problem(option, value, 'it is no absolute URL', write);
      return '';
    }
    if (/[?#]/.test(value)) this.#problem(option, value, 'an issuer has no query or fragment (RFC 8414 §2)', write);
    else this.#secureUrl(option, value);
    return value;
  }

  #keySource(option: string, { jwks, jwksUri, discovery }: Readonly<Record<string, unknown>>): KeySource {
    if ([jwks, jwksUri, discovery].filter((source) => source !== undefined).length > 1) {
      const why = 'the keys can come from one place only';
      this.#describedProblem(option, 'several of jwks, jwksUri, discovery', why, 'Keep one of them');
    }
    if (jwks !== undefined) return { kind: 'static', jwks: this.#jwks(`${option}.jwks`, jwks) };
    if (jwksUri !== undefined) return { kind: 'jwks', uri: this.#url(`${option}.jwksUri`, jwksUri) };
    return {
      kind: 'discovery',
      discovery: this.#discovery(`${option}.discovery`, discovery),
      allowInsecureHttp: this.#allowInsecureHttp,
    };
  }

  #discovery(option: string, value: unknown): Discovery {
    if (value === undefined) return 'auto';
    if (value === 'auto' || value === 'oauth' || value === 'oidc') return value;
    if (isRecord(value) && Object.keys(value).join() === 'url') return { url: this.#url(`${option}.url`, value['url']) };
    this.#problem(option, value, 'it is not known', 'Write "auto", "oauth", "oidc" or { url: "https://…" }');
    return 'auto';
  }

  #jwks(option: string, value: unknown): JSONWebKeySet {
    const keys: unknown = isRecord(value) ? value['keys'] : undefined;
    if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isRecord)) {
      this.#describedProblem(option, 'something else', 'it is no JSON Web Key Set', 'Write { keys: [ …public keys… ] }');
      return { keys: [] };
    }
    if (keys.some((key) => key['kty'] === 'oct' || key['d'] !== undefined)) {
      const why = 'only public keys belong here';
      this.#describedProblem(option, 'a secret or private key', why, 'Remove what is not public');
    }
    return this.#json(option, { keys }) as JSONWebKeySet;
  }

  #algorithms(option: string, value: unknown): string[] {
    const algorithms = this.#texts(option, value, 'Write a list such as ["RS256"]') ?? DEFAULT_ALGORITHMS;
    for (const algorithm of algorithms) {
      if (DEFAULT_ALGORITHMS.includes(algorithm)) continue;
      const why = 'it is no asymmetric signature algorithm that is supported';
      this.#problem(option, algorithm, why, `Choose from ${DEFAULT_ALGORITHMS.join(', ')}`);
    }
    return algorithms;
  }

  #profile(option: string, value: unknown): JwtProfile {
    if (value === undefined) return 'compatible';
    if (value === 'compatible' || value === 'rfc9068') return value;
    this.#problem(option, value, 'it is not known', 'Write "compatible" or "rfc9068"');
    return 'compatible';
  }

  #audiences(option: string, value: unknown, fallback: string): string[] {
    const write = 'Name the audience the tokens carry, or leave it out to require the resource identifier';
    return this.#texts(option, typeof value === 'string' ? [value] : value, write) ?? [fallback];
  }

  #metadata(
    option: string,
    value: unknown,
    servers: readonly ResolvedAuthorizationServer[],
  ): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(this.#section(option, value))) {
      // RFC 9728 §3.2: members without a value are left out.
      if (member === undefined || member === null || (Array.isArray(member) && member.length === 0)) continue;
      const key = METADATA_NAMES[name] ?? name;
      this.#metadataMember(`${option}.${name}`, key, member, servers);
      members[key] = this.#json(`${option}.${name}`, member);
    }
    return members;
  }

  #metadataMember(option: string, key: string, value: unknown, servers: readonly ResolvedAuthorizationServer[]): void {
    if (MEMBERS_FILLED_IN.has(key)) {
      this.#problem(option, value, 'it follows from the other options', 'Remove it here');
    } else if (key === 'signed_metadata') {
      const why = 'clients prefer it over the plain members, so that a copy that is out of date would win';
      this.#describedProblem(option, 'a value', why, 'Remove it');
    } else if (key.startsWith('dpop_') || key === 'tls_client_certificate_bound_access_tokens') {
      this.#problem(option, value, 'proof of possession is not supported, so it would be untrue', 'Remove it');
    } else if (key === 'jwks_uri' && servers.some(({ keys }) => keys.kind === 'jwks' && keys.uri === value)) {
      const why = 'these are keys of the authorization server; the member is for those of the resource (RFC 9728 §2)';
      this.#problem(option, value, why, 'Remove it: clients find the keys of the authorization server by themselves');
    } else if (key === 'resource_signing_alg_values_supported' && [value].flat().includes('none')) {
      this.#problem(option, value, '"none" is no signature (RFC 9728 §2)', 'Remove "none"');
    } else if (/_uri(?:#|$)|^resource_documentation(?:#|$)/.test(key)) {
      this.#url(option, value);
    } else if (/^resource_name(?:#|$)/.test(key)) {
      this.#optionalText(option, value);
    }
  }

  #hierarchy(option: string, value: unknown): Record<string, string[]> {
    const entries = Object.entries(this.#section(option, value)).map(([broad, narrow]): [string, string[]] => {
      this.#scopes(option, [broad]);
      return [broad, this.#scopes(`${option}["${broad}"]`, narrow) ?? []];
    });
    return Object.fromEntries(entries);
  }

  #operationScopes(option: string, value: unknown): ResolvedResource['operationScopes'] {
    const kinds: readonly [member: string, kind: OperationKind][] = [
      ['tools', 'tool'],
      ['resources', 'resource'],
      ['prompts', 'prompt'],
    ];
    const section = this.#section(option, value, kinds.map(([member]) => member));
    return kinds.flatMap(([member, kind]) =>
      Object.entries(this.#section(`${option}.${member}`, section[member])).map(([name, scopes]) => ({
        kind: kind === 'resource' && name.includes('{') ? ('resource-template' as const) : kind,
        name,
        scopes: this.#scopes(`${option}.${member}["${name}"]`, scopes) ?? [],
      })),
    );
  }

  #listing(option: string, value: unknown): ListingPolicy {
    if (value === undefined) return 'show';
    if (value === 'show' || value === 'hide' || value === 'obtainable') return value;
    this.#problem(option, value, 'it is not known', 'Write "show", "hide" or "obtainable"');
    return 'show';
  }

  #challenge(value: unknown): ResolvedOptions['challenge'] {
    if (value === undefined || value === 'http') return () => 'http';
    if (value === 'tool-result') return () => 'tool-result';
    if (typeof value === 'function') return value as ResolvedOptions['challenge'];
    this.#problem('challenge', value, 'it is not known', 'Write "http", "tool-result" or a function that returns one');
    return () => 'http';
  }

  #origins(value: unknown): string[] {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    const write = 'Write scheme, host and port, such as "https://app.example.com"';
    const origins = this.#texts('allowedOrigins', value, write) ?? [];
    for (const origin of origins) {
      if (URL.canParse(origin) && new URL(origin).origin === origin) continue;
      this.#problem('allowedOrigins', origin, 'it is no origin as browsers send it', write);
    }
    return origins;
  }

  #stdio(value: unknown): ResolvedOptions['stdio'] {
    if (value === undefined) return 'deny';
    if (value === 'deny' || value === 'trust') return value;
    const tokenEnv: unknown = isRecord(value) && Object.keys(value).join() === 'tokenEnv' ? value['tokenEnv'] : undefined;
    if (typeof tokenEnv === 'string' && tokenEnv !== '') return { tokenEnv };
    this.#problem('stdio', value, 'it is not known', 'Write "deny", "trust" or { tokenEnv: "MCP_ACCESS_TOKEN" }');
    return 'deny';
  }

  #scopes(option: string, value: unknown): string[] | undefined {
    const write = 'Write a list of scopes such as ["notes:read"]';
    if (Array.isArray(value) && value.length === 0) return [];
    const scopes = this.#texts(option, value, write);
    for (const scope of scopes ?? []) {
      if (!isScopeToken(scope)) {
        this.#problem(option, scope, 'a scope is visible ASCII without spaces, quotes and backslashes', write);
      } else if (AUTHORIZATION_SERVER_SCOPES.has(scope)) {
        const why = 'it concerns the authorization server alone, and a resource server should not ask for it';
        this.#problem(option, scope, why, 'Remove it; clients ask for it by themselves');
      }
    }
    return scopes && [...new Set(scopes)];
  }

  #names(option: string, value: unknown, fallback: string[]): string[] {
    const write = `Write the name of a claim such as "${fallback[0]}"`;
    const names = this.#texts(option, typeof value === 'string' ? [value] : value, write) ?? fallback;
    for (const name of names) {
      if (!name.startsWith('/') || JSON_POINTER.test(name)) continue;
      this.#problem(option, name, 'it is no JSON Pointer (RFC 6901)', 'Write "~1" for a slash in a name, "~0" for "~"');
    }
    return names;
  }

  /** A non-empty list of non-empty strings, or undefined where nothing was given. */
  #texts(option: string, value: unknown, write: string): string[] | undefined {
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.length > 0 && value.every((text) => typeof text === 'string' && text !== '')) {
      return [...(value as string[])];
    }
    this.#problem(option, value, 'it is no list of non-empty strings', write);
    return [];
  }

  #optionalText(option: string, value: unknown): string | undefined {
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    this.#problem(option, value, 'it is no text', 'Write a non-empty string, or leave it out');
    return undefined;
  }

  #flag(option: string, value: unknown): boolean {
    if (value === undefined || typeof value === 'boolean') return value ?? false;
    this.#problem(option, value, 'it is no boolean', 'Write true or false');
    return false;
  }

  #seconds(option: string, value: unknown, fallback: number, least: number, most: number): number {
    return this.#integer(option, value, fallback, least, most, 'Write seconds, such as');
  }

  #integer(
    option: string,
    value: unknown,
    fallback: number,
    least: number,
    most: number,
    write = 'Write a number, such as',
  ): number {
    if (value === undefined) return fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    this.#problem(option, value, `it is no whole number from ${least} to ${most}`, `${write} ${fallback}`);
    return fallback;
  }

  #url(option: string, value: unknown): string {
    if (typeof value !== 'string' || !URL.canParse(value)) {
      this.#problem(option, value, 'it is no absolute URL', 'Write a URL such as "https://login.example.com/keys"');
      return '';
    }
    this.#secureUrl(option, value);
    return value;
  }

  #secureUrl(option: string, value: string): void {
    const url = new URL(value);
    if (url.username || url.password) {
      this.#problem(option, value, 'it holds a user name or password', 'Remove what stands before the @');
      return;
    }
    if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) return;
    if (url.protocol === 'http:' && this.#allowInsecureHttp) {
      this.#warnings.push(`${option} "${value}" is plain http: tokens and keys can be read and changed on the way`);
      return;
    }
    const why = 'plain http is accepted on loopback only (OAuth 2.1 §1.5)';
    this.#problem(option, value, url.protocol === 'http:' ? why : 'its scheme is not https', 'Write an https URL');
  }

  /** A group of options; an empty one where nothing usable was given. */
  #section(option: string, value: unknown, known?: readonly string[]): Readonly<Record<string, unknown>> {
    if (value === undefined) return {};
    if (!isRecord(value)) {
      this.#problem(option, value, 'it is no object', 'Write an object, or leave it out');
      return {};
    }
    if (known) this.#knownKeys(`${option}.`, value, known);
    return value;
  }

  /** An option that is misspelt must not silently be no option. What it holds is not shown: it may be a secret. */
  #knownKeys(at: string, given: Readonly<Record<string, unknown>>, known: readonly string[]): void {
    for (const key of Object.keys(given)) {
      if (known.includes(key) || given[key] === undefined) continue;
      this.#describedProblem(`${at}${key}`, 'a value', 'there is no such option here', `Known are ${known.join(', ')}`);
    }
  }

  /** A copy of what will be published or used as JSON. */
  #json(option: string, value: unknown): unknown {
    const text = jsonOf(value);
    if (text !== undefined) return JSON.parse(text) as unknown;
    this.#problem(option, value, 'JSON cannot say it', 'Write text, numbers, lists and objects only');
    return undefined;
  }

  #problem(option: string, seen: unknown, why: string, write: string): void {
    this.#describedProblem(option, show(seen), why, write);
  }

  /** For what is described rather than shown, as it may be a secret. */
  #describedProblem(option: string, seen: string, why: string, write: string): void {
    this.problems.push({ option, seen, why, write });
  }
}

/** Those that were there before, each time they come again. */
function repetitions(values: readonly string[]): string[] {
  return values.filter((value, index) => values.indexOf(value) < index);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : { issuer: value };
}

/**
 * A value for an error message: on one line, shortened, and without what may be a secret: members of objects, and the
 * user name and password of a URL.
 */
function show(value: unknown): string {
  const text = Array.isArray(value) ? `[${value.map(showOne).join(',')}]` : showOne(value);
  const safe = text.replace(/\/\/[^\s"]*@/g, '//…@');
  return safe.length > 120 ? `${safe.slice(0, 120)}…` : safe;
}

function showOne(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'function':
      return 'a function';
    case 'string':
      return JSON.stringify(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
    default:
      return String(value);
  }
}

/** Undefined for what JSON cannot say: functions, symbols, bigints, and objects that contain themselves. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
