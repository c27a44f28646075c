import type { JSONWebKeySet } from 'jose';
import { deepFreeze } from '../core/deep-freeze.js';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import type { OperationKind } from '../request/rpc-body.js';
import { readAllowedOrigin } from '../request/origin.js';
import { isRecord, ownMember } from '../core/record.js';
import {
  isLoopback,
  metadataPath,
  metadataUrl,
  parseUrl,
  readResourceIdentifier,
  type ResourceIdentifier,
} from '../core/resource.js';
import { AUTHORIZATION_SERVER_SCOPES, isScopeToken } from '../core/scopes.js';
import { SIGNATURE_ALGORITHMS } from '../issuer/algorithms.js';
import type { KeySource, MetadataSource } from '../issuer/authorization-server.js';
import type { AuthorizationServerMetadata, Discovery, TransformMetadata } from '../issuer/discovery.js';
import {
  ambiguousPrefixes,
  resolveIntrospection,
  type OptionChecks,
  type ResolvedIntrospection,
} from './introspection-options.js';
import { resolveVerifier, type ResolvedVerifier } from './verifier-option.js';
import { CLIENT_ID_CLAIMS, SCOPE_CLAIMS, type JwtProfile } from '../core/token-format.js';
import type { KindOf } from '../core/principal-kind.js';
import { showValue } from '../core/safe-text.js';
import type {
  ListingPolicy,
  McpAuthModuleOptions,
  ResolvedAuthorizationServer,
  ResolvedOptions,
  ResolvedResource,
  TrustedIssuerOption,
} from './options.js';

const COMMON_OPTIONS = [
  'checkAuthorizationServers',
  'fetch',
  'verifier',
  'cache',
  'clockToleranceSeconds',
  'maxTokenLifetimeSeconds',
  'followCaller',
  'allowAnonymous',
  'challenge',
  'allowedOrigins',
  'stdio',
  'tasks',
  'allowUnguardedMounts',
  'rootMetadata',
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
  'metadata',
  'transformMetadata',
  'jwksUri',
  'jwks',
  'algorithms',
  'profile',
  'introspection',
  'claims',
  'kindOf',
];
const CLAIM_OPTIONS = ['scopes', 'clientId', 'subject', 'audience'];
/** Stricter than `URL`, which overlooks white space and turned slashes that no token and no metadata would repeat. */
const ABSOLUTE_URL = /^[a-z][a-z0-9+.-]*:\/\/[^\s\p{Cc}\p{Cs}\\]+$/iu;
/** A JSON Pointer that isn't empty: `~` stands only before 0 or 1 (RFC 6901 §3). */
const JSON_POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/;
const MEMBERS_FILLED_IN = new Set([
  'resource',
  'authorization_servers',
  'scopes_supported',
  'bearer_methods_supported',
]);
const METADATA_NAMES: ReadonlyMap<string, string> = new Map([
  ['resourceName', 'resource_name'],
  ['resourceDocumentation', 'resource_documentation'],
  ['resourcePolicyUri', 'resource_policy_uri'],
  ['resourceTosUri', 'resource_tos_uri'],
  ['jwksUri', 'jwks_uri'],
]);

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
  static server(
    option: string,
    entry: unknown,
    issuer: string,
    allowInsecureHttp: boolean,
  ): ResolvedAuthorizationServer {
    const check = new OptionsCheck();
    check.#allowInsecureHttp = allowInsecureHttp;
    const server = check.#server(option, entry);
    if (server.issuer !== issuer && server.issuer !== '') {
      check.#problem(
        option,
        server.issuer,
        `the issuer that was asked for is "${issuer}"`,
        'Return that one or undefined',
      );
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
      followCaller: given['followCaller'] === undefined ? undefined : this.#flag('followCaller', given['followCaller']),
      allowAnonymous: this.#flag('allowAnonymous', given['allowAnonymous']),
      challenge: this.#challenge(given['challenge']),
      allowedOrigins: this.#origins(given['allowedOrigins']),
      stdio: this.#stdio(given['stdio']),
      tasks: this.#tasks(given['tasks']),
      allowUnguardedMounts: this.#flag('allowUnguardedMounts', given['allowUnguardedMounts']),
      rootMetadata: this.#flag('rootMetadata', given['rootMetadata'], true),
    };
    if (forMcp.allowAnonymous) this.#warnings.push('allowAnonymous is on: what is @Public() works without a token');
    if (forMcp.stdio === 'trust') this.#warnings.push('stdio is "trust": over stdio, nothing is checked');
    if (forMcp.tasks !== 'bound')
      this.#warnings.push('tasks is "bound-by-application": who may use a task is up to its store');
    if (exposeErrorDetails) this.#warnings.push('exposeErrorDetails is on: clients are told why tokens are refused');
    const cache = this.#cache(given['cache']);
    const outbound = {
      allowInsecureHttp: this.#allowInsecureHttp,
      checkAuthorizationServers: this.#flag('checkAuthorizationServers', given['checkAuthorizationServers'], true),
      fetch: this.#function('fetch', given['fetch'], 'Write a function like the global fetch') as
        | typeof fetch
        | undefined,
    };
    return { resources, ...numbers, ...forMcp, ...outbound, cache, exposeErrorDetails, warnings: this.#warnings };
  }

  #resources(value: unknown): ResolvedOptions['resources'] {
    const entries = listOf(value);
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
      verifier: this.#verifierOf(`${at}verifier`, given['verifier'], authorizationServers),
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
    if (isRoutePattern(value)) {
      const why =
        'it looks like the pattern of a route, but a resource is one URL: it is compared whole with `aud`, and never matched';
      const write = 'Write the URL of each resource under `resources`, such as "https://mcp.example.com/orgs/acme/mcp"';
      this.#problem(option, value, why, write);
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
    const entries = listOf(value);
    if (entries.length === 0) {
      const write = 'Name at least one issuer, such as ["https://login.example.com"]';
      this.#problem(option, value, 'MCP requires at least one authorization server', write);
      return [];
    }
    const servers = entries.map((entry, index) => this.#server(`${option}[${index}]`, entry));
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

  /** Of one resource. A verifier has no use for introspection, which must not be set up in vain. */
  #verifierOf(
    option: string,
    value: unknown,
    servers: readonly ResolvedAuthorizationServer[],
  ): ResolvedVerifier | undefined {
    const verifier = this.#verifierOption(option, value) ?? this.#verifier;
    const asked = servers.find(({ introspection }) => introspection !== undefined);
    if (verifier && asked) {
      const why = `it takes the place of the \`introspection\` that is set up for ${asked.issuer}`;
      this.#describedProblem(option, 'a verifier', why, 'Remove one of the two');
    }
    return verifier;
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
    const introspection = this.#introspection(`${option}.introspection`, given['introspection']);
    const keys = this.#keySource(option, given);
    const metadataMembers = membersNeeded(keys, introspection);
    return {
      issuer,
      advertisedIssuer: advertised === undefined ? issuer : this.#issuer(`${option}.advertisedIssuer`, advertised),
      metadata: this.#metadataSource(option, given, issuer, metadataMembers),
      metadataMembers,
      keys,
      algorithms: this.#algorithms(`${option}.algorithms`, given['algorithms']),
      profile: this.#profile(`${option}.profile`, given['profile']),
      introspection,
      claimNames: {
        scopes: this.#names(`${option}.claims.scopes`, claims['scopes'], [...SCOPE_CLAIMS]),
        clientId: this.#names(`${option}.claims.clientId`, claims['clientId'], [...CLIENT_ID_CLAIMS]),
        subject: this.#names(`${option}.claims.subject`, claims['subject'], ['sub']),
        audience: this.#audienceClaims(`${option}.claims.audience`, claims['audience']),
      },
      kindOf: this.#function(`${option}.kindOf`, given['kindOf'], "Write (claims) => 'user', 'client' or 'unknown'") as
        | KindOf
        | undefined,
    };
  }

  #introspection(option: string, value: unknown): ResolvedIntrospection | undefined {
    if (value === undefined) return undefined;
    if (!isRecord(value)) {
      this.#describedProblem(
        option,
        'something else',
        'it is no object',
        'Write { clientId: …, auth: … }, or leave it out',
      );
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
    if (typeof value !== 'string' || !ABSOLUTE_URL.test(value) || !parseUrl(value)) {
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
    return { kind: 'metadata' };
  }

  #metadataSource(
    option: string,
    { discovery, metadata, transformMetadata }: Readonly<Record<string, unknown>>,
    issuer: string,
    needed: readonly string[],
  ): MetadataSource {
    const write = 'Write a function of the document that returns another';
    const transform = this.#function(`${option}.transformMetadata`, transformMetadata, write) as
      | TransformMetadata
      | undefined;
    if (transform && (metadata !== undefined || needed.length === 0)) {
      const why = 'no metadata is asked for that it could be applied to';
      this.#describedProblem(`${option}.transformMetadata`, 'a function', why, 'Remove it');
    }
    const found = this.#discovery(`${option}.discovery`, discovery);
    if (metadata === undefined) return { kind: 'discovery', discovery: found, transform };
    if (discovery !== undefined) {
      const why = 'the metadata is given, so that it is not looked for';
      this.#describedProblem(`${option}.discovery`, 'metadata too', why, 'Keep one of the two');
    }
    return { kind: 'static', document: this.#staticMetadata(`${option}.metadata`, metadata, issuer, needed) };
  }

  #staticMetadata(
    option: string,
    value: unknown,
    issuer: string,
    needed: readonly string[],
  ): AuthorizationServerMetadata {
    const document = isRecord(value) ? this.#json(option, value) : undefined;
    if (!isRecord(document)) {
      const isReported = isRecord(value) && document === undefined;
      if (!isReported) this.#problem(option, value, 'it is no object', 'Write the metadata as the server publishes it');
      return {};
    }
    const named = ownMember(document, 'issuer');
    if (named !== issuer && issuer !== '') {
      const why = `the issuer of this server is "${issuer}" (RFC 8414 §3.3)`;
      this.#problem(`${option}.issuer`, named, why, 'Write the metadata of that issuer');
    }
    for (const member of needed) this.#url(`${option}.${member}`, ownMember(document, member));
    return document;
  }

  #discovery(option: string, value: unknown): Discovery {
    if (value === undefined) return 'auto';
    if (value === 'auto' || value === 'oauth' || value === 'oidc') return value;
    if (isRecord(value) && Object.keys(value).join() === 'url')
      return { url: this.#url(`${option}.url`, value['url']) };
    this.#problem(option, value, 'it is not known', 'Write "auto", "oauth", "oidc" or { url: "https://…" }');
    return 'auto';
  }

  #jwks(option: string, value: unknown): JSONWebKeySet {
    const keys = isRecord(value) ? listOf(value['keys']) : [];
    if (keys.length === 0 || !keys.every(isRecord)) {
      this.#describedProblem(
        option,
        'something else',
        'it is no JSON Web Key Set',
        'Write { keys: [ …public keys… ] }',
      );
      return { keys: [] };
    }
    if (keys.some((key) => key['kty'] === 'oct' || key['d'] !== undefined)) {
      const why = 'only public keys belong here';
      this.#describedProblem(option, 'a secret or private key', why, 'Remove what is not public');
    }
    return this.#json(option, { keys }) as JSONWebKeySet;
  }

  #algorithms(option: string, value: unknown): string[] {
    const algorithms = this.#texts(option, value, 'Write a list such as ["RS256"]') ?? [...SIGNATURE_ALGORITHMS];
    for (const algorithm of algorithms) {
      if (SIGNATURE_ALGORITHMS.includes(algorithm)) continue;
      const why = 'it is no asymmetric signature algorithm that is supported';
      this.#problem(option, algorithm, why, `Choose from ${SIGNATURE_ALGORITHMS.join(', ')}`);
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

  #metadata(option: string, value: unknown, servers: readonly ResolvedAuthorizationServer[]): Record<string, unknown> {
    const members: [name: string, value: unknown][] = [];
    for (const [name, member] of Object.entries(this.#section(option, value))) {
      // RFC 9728 §3.2: members without a value are left out.
      if (member === undefined || member === null || (Array.isArray(member) && member.length === 0)) continue;
      const key = METADATA_NAMES.get(name) ?? name;
      this.#metadataMember(`${option}.${name}`, key, member, servers);
      members.push([key, this.#json(`${option}.${name}`, member)]);
    }
    return Object.fromEntries(members);
  }

  #metadataMember(option: string, key: string, value: unknown, servers: readonly ResolvedAuthorizationServer[]): void {
    if (MEMBERS_FILLED_IN.has(key)) {
      this.#problem(option, value, 'it follows from the other options', 'Remove it here');
    } else if (key === 'signed_metadata') {
      const why = 'clients prefer it over the plain members, so that a copy that is out of date would win';
      this.#describedProblem(option, 'a value', why, 'Remove it');
    } else if (key.startsWith('dpop_') || key === 'tls_client_certificate_bound_access_tokens') {
      this.#problem(option, value, 'proof of possession is not supported, so it would be untrue', 'Remove it');
    } else if (key === 'jwks_uri' && servers.some((server) => keysUriOf(server) === value)) {
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
    const section = this.#section(
      option,
      value,
      kinds.map(([member]) => member),
    );
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
    const write =
      'Write scheme, host and port in lower case, such as "https://app.example.com" or "tauri://localhost"; ' +
      'or a scheme alone, such as "vscode-webview:", if its hosts are not known beforehand';
    const origins = this.#texts('allowedOrigins', value, write) ?? [];
    for (const origin of origins) {
      if (readAllowedOrigin(origin)) continue;
      this.#problem('allowedOrigins', origin, 'it is no origin as browsers send it', write);
    }
    return origins;
  }

  #tasks(value: unknown): ResolvedOptions['tasks'] {
    if (value === undefined) return 'bound';
    if (value === 'bound' || value === 'bound-by-application') return value;
    this.#problem('tasks', value, 'it is not known', 'Write "bound" or "bound-by-application"');
    return 'bound';
  }

  #stdio(value: unknown): ResolvedOptions['stdio'] {
    if (value === undefined) return 'deny';
    if (value === 'deny' || value === 'trust') return value;
    const tokenEnv: unknown =
      isRecord(value) && Object.keys(value).join() === 'tokenEnv' ? value['tokenEnv'] : undefined;
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
    const texts = listOf(value);
    if (texts.length > 0 && texts.every((text) => typeof text === 'string' && text !== '')) return texts as string[];
    this.#problem(option, value, 'it is no list of non-empty strings', write);
    return [];
  }

  #optionalText(option: string, value: unknown): string | undefined {
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    this.#problem(option, value, 'it is no text', 'Write a non-empty string, or leave it out');
    return undefined;
  }

  #flag(option: string, value: unknown, fallback = false): boolean {
    if (value === undefined || typeof value === 'boolean') return value ?? fallback;
    this.#problem(option, value, 'it is no boolean', 'Write true or false');
    return fallback;
  }

  #function(option: string, value: unknown, write: string): unknown {
    if (value === undefined || typeof value === 'function') return value;
    this.#problem(option, value, 'it is no function', write);
    return undefined;
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
    if (typeof value !== 'string' || !parseUrl(value)) {
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
    if (url.protocol !== 'http:') return this.#problem(option, value, 'its scheme is not https', 'Write an https URL');
    const why = 'plain http is accepted on loopback only (OAuth 2.1 §1.5)';
    const write =
      'Write an https URL; or, in a network that nobody listens in, such as that of Docker Compose, set allowInsecureHttp: true';
    this.#problem(option, value, why, write);
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
    this.#describedProblem(option, showValue(seen), why, write);
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

/** Where the keys of a server are, as far as the options say. */
function keysUriOf({ keys, metadata }: ResolvedAuthorizationServer): unknown {
  if (keys.kind === 'jwks') return keys.uri;
  return metadata.kind === 'static' ? ownMember(metadata.document, 'jwks_uri') : undefined;
}

/** What has to be in the metadata of a server, since no other option says it. */
function membersNeeded(keys: KeySource, introspection: ResolvedIntrospection | undefined): string[] {
  const needsKeys = introspection === undefined || introspection.signed;
  return [
    ...(needsKeys && keys.kind === 'metadata' ? ['jwks_uri'] : []),
    ...(introspection && introspection.endpoint === undefined ? ['introspection_endpoint'] : []),
  ];
}

function asRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : { issuer: value };
}

/** A copy, in which a hole (`[, 'a']`) is an undefined entry like any other; empty for what is no list. */
function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? [...(value as unknown[])] : [];
}

/** Undefined for what JSON cannot say: functions, symbols, bigints, and objects that contain themselves. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/** Whether a segment of the path is a parameter or has a wildcard, as routes of Express, Fastify and URI templates have them. */
function isRoutePattern(resource: string): boolean {
  const [, path = ''] = /^[^/]*\/\/[^/]*(.*)$/s.exec(resource) ?? [];
  return path.split('/').some((segment) => /^:[A-Za-z_]|[*{]|%7B/i.test(segment));
}
