import type { JSONWebKeySet } from 'jose';
import type { ConfigProblem } from './core/error.js';
import { McpAuthConfigError } from './core/error.js';
import { isLoopback, metadataUrl, readResourceIdentifier, type ResourceIdentifier } from './core/resource.js';
import { AUTHORIZATION_SERVER_SCOPES, isScopeToken } from './core/scopes.js';
import type { KeySource } from './issuer/authorization-server.js';
import type { Discovery } from './issuer/discovery.js';
import type { JwtProfile } from './token/profile.js';

/** An authorization server whose access tokens are accepted. */
export interface AuthorizationServerOptions {
  /**
   * The issuer identifier, exactly as the server itself spells it: it is compared code point by code point with
   * the `iss` of tokens and with the metadata of the server, and published verbatim. https, unless on loopback.
   */
  issuer: string;
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
  /** Names of the claims where this product puts scopes, client and subject; of several, the first present counts. */
  claims?: {
    /** Space-separated string or, under a name other than `scope`, array of strings. @default 'scope' */
    scopes?: string | string[];
    /** @default ['client_id', 'azp', 'cid', 'appid'] */
    clientId?: string | string[];
    /** @default 'sub' */
    subject?: string | string[];
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
}

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
   * Accepted values of the `aud` claim, compared whole. There is no way to turn the check off.
   * @default the resource identifier
   */
  audience?: string | string[];
  metadata?: ResourceMetadataOptions;
  scopes?: ScopeOptions;
}

/** Settings that hold for all resources of the module. */
export interface CommonOptions {
  /** Allowed difference between the clocks of issuer and server, in seconds, 0 to 300. @default 5 */
  clockToleranceSeconds?: number;
  /** Tokens that expire later than this many seconds from now are refused. @default 86400 */
  maxTokenLifetimeSeconds?: number;
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
    | ({ resources: ProtectedResourceOptions[] } & { [K in keyof ProtectedResourceOptions]?: never })
  );

/** A trusted issuer, with every default filled in. */
export interface ResolvedAuthorizationServer {
  readonly issuer: string;
  readonly keys: KeySource;
  readonly algorithms: readonly string[];
  readonly profile: JwtProfile;
  readonly claimNames: {
    readonly scopes: readonly string[];
    readonly clientId: readonly string[];
    readonly subject: readonly string[];
  };
}

/** A protected resource, with every default filled in. */
export interface ResolvedResource {
  readonly id: string;
  readonly identifier: ResourceIdentifier;
  readonly metadataUrl: string;
  readonly authorizationServers: readonly ResolvedAuthorizationServer[];
  readonly audiences: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly requiredScopes: readonly string[];
  /** Undefined where it follows from the decorators. */
  readonly supportedScopes: readonly string[] | undefined;
  readonly scopeHierarchy: Readonly<Record<string, readonly string[]>>;
}

/** The options after validation: complete, frozen, and independent of what the user passed in. */
export interface ResolvedOptions {
  readonly resources: readonly [ResolvedResource, ...ResolvedResource[]];
  readonly clockToleranceSeconds: number;
  readonly maxTokenLifetimeSeconds: number;
  readonly exposeErrorDetails: boolean;
  /** What weakens the protection, to be logged at start. */
  readonly warnings: readonly string[];
}

const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const DEFAULT_ALGORITHMS = [...RSA_ALGORITHMS, 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

const COMMON_OPTIONS = ['clockToleranceSeconds', 'maxTokenLifetimeSeconds', 'allowInsecureHttp', 'exposeErrorDetails'];
const RESOURCE_OPTIONS = ['resource', 'id', 'authorizationServers', 'audience', 'metadata', 'scopes'];
const SERVER_OPTIONS = ['issuer', 'discovery', 'jwksUri', 'jwks', 'algorithms', 'profile', 'claims'];
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

  module(options: McpAuthModuleOptions): ResolvedOptions {
    const given: Readonly<Record<string, unknown>> = isRecord(options) ? { ...options } : {};
    if (!isRecord(options)) {
      this.#problem('options', options, 'it is no object', 'Return the options of the module from the factory');
    }
    const several = given['resources'] !== undefined;
    this.#knownKeys('', given, [...COMMON_OPTIONS, 'resources', ...(several ? [] : RESOURCE_OPTIONS)]);
    this.#allowInsecureHttp = this.#flag('allowInsecureHttp', given['allowInsecureHttp']);
    const exposeErrorDetails = this.#flag('exposeErrorDetails', given['exposeErrorDetails']);
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
    if (exposeErrorDetails) this.#warnings.push('exposeErrorDetails is on: clients are told why tokens are refused');
    return { resources, ...numbers, exposeErrorDetails, warnings: this.#warnings };
  }

  #resources(value: unknown): ResolvedOptions['resources'] {
    const entries: unknown[] = Array.isArray(value) ? value : [];
    if (entries.length === 0) {
      this.#problem('resources', value, 'it is no list of resources', 'List at least one, or use `resource` instead');
    }
    const resources = entries.map((entry, index) => {
      const at = `resources[${index}]`;
      const given = this.#section(at, entry, RESOURCE_OPTIONS);
      return this.#resource(`${at}.`, given);
    });
    for (const key of ['id', 'metadataUrl'] as const) {
      const repeated = resources.find((one, index) => resources.findIndex((other) => other[key] === one[key]) < index);
      if (repeated) {
        this.#problem('resources', repeated[key], 'two resources share it', 'Give each resource its own URL and id');
      }
    }
    const [first = this.#resource('', {}), ...others] = resources;
    return [first, ...others];
  }

  #resource(at: string, given: Readonly<Record<string, unknown>>): ResolvedResource {
    const identifier = this.#identifier(`${at}resource`, given['resource']);
    const authorizationServers = this.#servers(`${at}authorizationServers`, given['authorizationServers']);
    const scopes = this.#section(`${at}scopes`, given['scopes'], ['required', 'supported', 'hierarchy']);
    return {
      id: this.#optionalText(`${at}id`, given['id']) ?? identifier.identifier,
      identifier,
      metadataUrl: metadataUrl(identifier),
      authorizationServers,
      audiences: this.#audiences(`${at}audience`, given['audience'], identifier.identifier),
      metadata: this.#metadata(`${at}metadata`, given['metadata'], authorizationServers),
      requiredScopes: this.#scopes(`${at}scopes.required`, scopes['required']) ?? [],
      supportedScopes: this.#scopes(`${at}scopes.supported`, scopes['supported']),
      scopeHierarchy: this.#hierarchy(`${at}scopes.hierarchy`, scopes['hierarchy']),
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
    const repeated = servers.find(({ issuer }, index) => servers.findIndex((other) => other.issuer === issuer) < index);
    if (repeated) this.#problem(option, repeated.issuer, 'it is listed twice', 'List every issuer once');
    return servers;
  }

  #server(option: string, value: unknown): ResolvedAuthorizationServer {
    const given: Readonly<Record<string, unknown>> = typeof value === 'string' ? { issuer: value } : asRecord(value);
    const at = typeof value === 'string' ? option : `${option}.issuer`;
    this.#knownKeys(`${option}.`, given, SERVER_OPTIONS);
    const issuer = this.#issuer(at, given['issuer']);
    const claims = this.#section(`${option}.claims`, given['claims'], ['scopes', 'clientId', 'subject']);
    return {
      issuer,
      keys: this.#keySource(option, given),
      algorithms: this.#algorithms(`${option}.algorithms`, given['algorithms']),
      profile: this.#profile(`${option}.profile`, given['profile']),
      claimNames: {
        scopes: this.#names(`${option}.claims.scopes`, claims['scopes'], ['scope']),
        clientId: this.#names(`${option}.claims.clientId`, claims['clientId'], ['client_id', 'azp', 'cid', 'appid']),
        subject: this.#names(`${option}.claims.subject`, claims['subject'], ['sub']),
      },
    };
  }

  #issuer(option: string, value: unknown): string {
    const write = 'Write the issuer as the server itself spells it, such as "https://login.example.com/realms/main"';
    if (typeof value !== 'string' || !URL.canParse(value)) {
      this.#problem(option, value, 'it is no absolute URL', write);
      return '';
    }
    if (/[?#]/.test(value)) this.#problem(option, value, 'an issuer has no query or fragment (RFC 8414 §2)', write);
    else if (new URL(value).username || new URL(value).password) {
      this.#problem(option, value, 'it holds a user name or password', write);
    } else this.#secureUrl(option, value);
    return value;
  }

  #keySource(option: string, { jwks, jwksUri, discovery }: Readonly<Record<string, unknown>>): KeySource {
    if ([jwks, jwksUri, discovery].filter((source) => source !== undefined).length > 1) {
      const why = 'the keys can come from one place only';
      this.#problem(option, 'several of jwks, jwksUri, discovery', why, 'Keep one of them');
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
      this.#problem(option, typeof value, 'it is no JSON Web Key Set', 'Write { keys: [ …public keys… ] }');
      return { keys: [] };
    }
    if (keys.some((key) => key['kty'] === 'oct' || key['d'] !== undefined)) {
      this.#problem(option, 'a secret or private key', 'only public keys belong here', 'Remove what is not public');
    }
    return structuredClone({ keys }) as JSONWebKeySet;
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
      if (member === undefined || member === null) continue;
      const key = METADATA_NAMES[name] ?? name;
      this.#metadataMember(`${option}.${name}`, key, member, servers);
      members[key] = member;
    }
    return structuredClone(members);
  }

  #metadataMember(option: string, key: string, value: unknown, servers: readonly ResolvedAuthorizationServer[]): void {
    if (MEMBERS_FILLED_IN.has(key)) {
      this.#problem(option, value, 'it follows from the other options', 'Remove it here');
    } else if (key === 'signed_metadata') {
      const why = 'clients prefer it over the plain members, so that a copy that is out of date would win';
      this.#problem(option, 'a value', why, 'Remove it');
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

  #scopes(option: string, value: unknown): string[] | undefined {
    const write = 'Write a list of scopes such as ["notes:read"]';
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return value as [] | undefined;
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
    return this.#texts(option, typeof value === 'string' ? [value] : value, write) ?? fallback;
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
    if (value === undefined) return fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    this.#problem(option, value, `it is no whole number from ${least} to ${most}`, `Write seconds, such as ${fallback}`);
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

  /** An option that is misspelt must not silently be no option. */
  #knownKeys(at: string, given: Readonly<Record<string, unknown>>, known: readonly string[]): void {
    for (const key of Object.keys(given)) {
      if (known.includes(key) || given[key] === undefined) continue;
      this.#problem(`${at}${key}`, given[key], 'there is no such option here', `Known are ${known.join(', ')}`);
    }
  }

  #problem(option: string, seen: unknown, why: string, write: string): void {
    this.problems.push({ option, seen: show(seen), why, write });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : { issuer: value };
}

/** A value for an error message: shortened, and on one line. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function') return 'a function';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
