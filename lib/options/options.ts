import type { JSONWebKeySet } from 'jose';
import type { OperationKind } from '../request/rpc-body.js';
import type { ResourceIdentifier } from '../core/resource.js';
import type { KeySource, MetadataSource } from '../issuer/authorization-server.js';
import type { Discovery } from '../issuer/discovery.js';
import type { IntrospectionOptions, ResolvedIntrospection } from './introspection-options.js';
import type { ResolvedVerifier, VerifierOption } from './verifier-option.js';
import type { KindOf } from '../core/principal-kind.js';
import type { JwtProfile } from '../core/token-format.js';

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
  /**
   * The metadata of the server (RFC 8414 §2), instead of discovery: its `jwks_uri` and `introspection_endpoint` are used
   * where no other option names them. Its `issuer` must be the one above. Never fetched, so that changes need a restart.
   * As with every URL in the options, plain http is accepted on loopback, whatever the issuer is.
   */
  metadata?: object;
  /**
   * Repairs the metadata that was found before it is used, for a product whose document does not conform; its `issuer` is
   * compared after that, so that nobody but you vouches for it. Must return an object; what it throws makes the metadata
   * unusable, and tokens are answered with 503; so does a promise that has not settled after five seconds.
   *
   * The result counts as written by the server: a plain http URL on loopback is used only if the issuer is there too. Name
   * such a URL in `jwksUri` or `introspection.endpoint` instead.
   * @default none
   */
  transformMetadata?: (document: unknown) => unknown;
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
   * Names of the claims where this product puts scopes, client, subject and audience; of several, the first that says
   * something counts: null, `""` and `[]` mean that there is none. A name that begins with a slash is a JSON Pointer
   * (RFC 6901) to a member of a claim, such as `/realm_access/roles`.
   */
  claims?: {
    /**
     * Text, which is split at spaces, or a list of strings; nothing else grants anything. An empty claim grants nothing, and
     * no later name is looked at: only of `scope` and `scp`, an empty one gives way to the other.
     * @default ['scope', 'scp']
     */
    scopes?: string | string[];
    /** @default ['client_id', 'azp', 'cid', 'appid'] */
    clientId?: string | string[];
    /**
     * What tells users of this issuer apart; a token of a user that names none is refused. Where introspection says
     * `username` alone: `['sub', 'username']`.
     * @default 'sub'
     */
    subject?: string | string[];
    /**
     * What is compared with `audience`. Only for a product whose access tokens have no `aud`: with any other claim a
     * token is bound to whatever that claim names, such as one client, not to this resource; logged as a warning at
     * every start. Name none that anybody but the authorization server can choose.
     * @default 'aud'
     */
    audience?: string | string[];
  };
  /**
   * Says of the claims of a verified token of this issuer whether a user stands behind it, or only the client itself; for
   * `McpAuthInfo.kind`. `undefined` leaves it to what tokens of any issuer show; an error, or anything else, is `unknown`.
   * Asked once for each verification. Does not apply to a `verifier`, whose result may say `kind` itself.
   * @default what the claims show, and nothing is guessed: see `McpAuthInfo.kind`
   */
  kindOf?: KindOf;
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
   * scopes. Adds to what decorators say, and is checked before dispatch only. A URI needs what any reading of it needs: as
   * it was sent, in normal form, and without scheme, case and query, as `@rekog/mcp-nest` reads it; one of more than 2,048
   * characters, or one that is no URI, needs the scopes of all resources.
   * @default none
   */
  operations?: {
    /** By tool name. */
    tools?: Record<string, string[]>;
    /** By URI, or URI template, as the server lists it. */
    resources?: Record<string, string[]>;
    /** By prompt name. */
    prompts?: Record<string, string[]>;
  };
  /**
   * What a caller finds in the lists of tools, resources and prompts:
   * - `show`: everything, since a client calls only what is listed, and could otherwise never step up;
   * - `hide`: what the token's scopes and the policies allow;
   * - `obtainable`: what some token of this caller would allow: policies that say no hide, missing scopes don't.
   *
   * Comfort, not protection: what is hidden is refused all the same when it is called. Policies are asked about
   * listed tools, prompts and templates with `args` undefined, and about resources with what reading them would give.
   * @default 'show'
   */
  listing?: ListingPolicy;
}

/** What lists hold for a caller who may not use everything; see {@link ScopeOptions.listing}. */
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
   * `https://mcp.example.com/mcp`. https, unless on loopback; no query, no fragment, and no pattern of a route: it is
   * compared whole.
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
  /** Further members of the metadata document. @default none */
  metadata?: ResourceMetadataOptions;
  /** What calls need beyond a valid token. @default nothing beyond what decorators say */
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
   * Asks each authorization server for its metadata and keys once the application has started, in the background, so that
   * the first request finds them there, and logs a warning for all that will keep clients from signing in. Neither delays
   * nor stops the start. Asks for nothing that tokens will not need, nor for those that `trustedIssuer` finds, nor for an
   * issuer of the same origin as a resource: it may be this application, which does not listen yet.
   *
   * `false` opens no connection before the first token comes.
   * @default true
   */
  checkAuthorizationServers?: boolean;
  /**
   * Makes the requests to authorization servers in place of the global `fetch`: through a proxy, with a client certificate,
   * in a test. Sees the credentials of `introspection`. It is told to follow no redirects; an answer from another URL than
   * was asked, a late one and a long one are refused whatever it does.
   * @default the global fetch
   */
  fetch?: typeof fetch;
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
   * Whether the caller is known below handlers, to `McpAuthService.authInfo`; by `AsyncLocalStorage`, which has a price up to
   * Node.js 22: a tenth of the throughput of a small route. `@AuthInfo()` does without. `true` where the service is obtained
   * otherwise than by injection, as by `app.get()`; `false` where it is injected for its other members.
   * @default whether a provider or controller of the application injects `McpAuthService`
   */
  followCaller?: boolean;
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
   * Further origins whose pages may reach the MCP endpoint: of browsers, such as `https://app.example.com`, and of web views,
   * such as `tauri://localhost` or `chrome-extension://…`. Scheme, host and port in lower case, without a path, as RFC 6454
   * §6.2 writes them. A scheme alone, such as `vscode-webview:`, accepts every host of it; not for `http` and `https`. CORS
   * is not set up by this: a page also needs `app.enableCors()`.
   * @default none: the origin of the resource, and that of any page of this machine if the resource is on loopback
   */
  allowedOrigins?: string[];
  /**
   * What happens to MCP operations with requirements over stdio, where requests carry no token: they are refused, or
   * trusted like whoever started the process, or judged by the access token in the environment variable named here.
   * @default 'deny'
   */
  stdio?:
    | 'deny'
    | 'trust'
    | {
        /** Name of the environment variable; read at each call, so that a token that was renewed counts. */
        tokenEnv: string;
      };
  /**
   * Who keeps the tasks of MCP apart. `'bound'`: this module remembers, in memory, for whom each task was created, and
   * answers everybody else as if there were none; after a restart, and on another replica, that is everybody. With
   * `'bound-by-application'` it lets all `tasks/*` requests through to the MCP framework, whose task store has to bind
   * each task to the `principalKey` of its caller; logged as a warning at every start.
   * @default 'bound'
   * @see MCP 2025-11-25, Tasks, "Task Isolation and Access Control"
   */
  tasks?: 'bound' | 'bound-by-application';
  /**
   * Starts even if an MCP endpoint is served outside of Nest, where no guard runs before it: tools without requirements of
   * their own then run for anybody. Decorated ones are refused at the handler. The application is then not asked, at the
   * start, who answers at the path of each resource. Logged as a warning at every start.
   * @default false
   */
  allowUnguardedMounts?: boolean;
  /**
   * Whether the metadata of the only resource is served at the root of the origin, too, without the path of the resource
   * (`/.well-known/oauth-protected-resource`), where MCP clients look when they find nothing else. `false` where the origin
   * has other things than this resource: a client could take the document there for one about all of them. Has no effect
   * with several resources, of which none is served there, and for a resource without a path, which has no other place.
   * @default true
   */
  rootMetadata?: boolean;
  /**
   * Accepts plain http for resources and issuers that are not on loopback, and for the URLs of keys and introspection, in the
   * options and in metadata. Tokens can then be read on the network; logged as a warning at every start. For a network that
   * nobody listens in, such as that of Docker Compose.
   * @default false
   */
  allowInsecureHttp?: boolean;
  /**
   * Tells clients why a token was refused. Helps an attacker as much as a developer; logged as a warning at start.
   * @default false
   */
  exposeErrorDetails?: boolean;
}

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

/** A trusted issuer, with every default filled in. */
export interface ResolvedAuthorizationServer {
  readonly issuer: string;
  readonly advertisedIssuer: string;
  readonly metadata: MetadataSource;
  /** What is needed of it, since no other option says it. */
  readonly metadataMembers: readonly string[];
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
  readonly kindOf: KindOf | undefined;
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
  readonly operationScopes: readonly {
    readonly kind: OperationKind;
    readonly name: string;
    readonly scopes: readonly string[];
  }[];
  readonly listing: ListingPolicy;
}

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
  abstract readonly cache: {
    readonly maxEntries: number;
    /** How long a verified JWT is reused; 0: not at all. */
    readonly jwtSeconds: number;
    /** The same for results of a verifier of the application. */
    readonly customSeconds: number;
  };
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
