import type { JWK } from 'jose';
import { isRecord } from '../core/record.js';
import { isRequestableScope, isScopeToken } from '../core/scopes.js';
import { parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';
import type { DpopKey } from '../issuer/dpop-key.js';
import type { MetadataSource } from '../issuer/authorization-server.js';
import { readIssuer } from './authorization-server-options.js';
import { readDpopKey } from './dpop-key-option.js';
import {
  readIdentityProvider,
  type IdentityProviderOptions,
  type ResolvedIdentityProvider,
  type ResolvedTokenClient,
} from './identity-provider-options.js';
import { readClientAuthentication, type IntrospectionAuth } from './introspection-options.js';
import { optional, type OptionReader, type OptionsRead, type ReadersOf } from './option-reader.js';
import { readSharedCache, type ResolvedSharedCache, type SharedCacheOptions } from './shared-cache-option.js';
import { readUrl, requireSecureUrl } from './url-option.js';

/**
 * How a token for an API is obtained:
 *
 * - `token-exchange`: the access token of the caller is exchanged for one of the API (RFC 8693);
 * - `jwt-bearer`: the same as Entra ID has it, "on behalf of": the access token of the caller is the assertion (RFC 7523 §2.1,
 *   with `requested_token_use=on_behalf_of`);
 * - `id-jag`: the API belongs to another domain, whose authorization server trusts the identity provider of the users. This server
 *   exchanges what the identity provider issued for the caller for an ID-JAG there (RFC 8693), and that for a token of the API
 *   (RFC 7523 §2.1). The access token of the caller is not sent to anybody;
 * - `client-credentials`: this server acts for itself, whoever calls (RFC 6749 §4.4). The token says nothing about the caller.
 */
export type DownstreamGrant = 'token-exchange' | 'jwt-bearer' | 'id-jag' | 'client-credentials';

/** An API that tools call, and how this server obtains tokens for it. */
export interface DownstreamOptions {
  /**
   * How a token is obtained. Required unless the authorization server is a product that is known to have one of the first two
   * grants, by its issuer: Auth0, Keycloak, Entra ID, a custom authorization server of Okta, Cognito, Logto or WorkOS. A custom
   * domain does not show its product.
   * @default that of the product: `jwt-bearer` with Entra ID, and `token-exchange` with the others
   */
  grant?: DownstreamGrant;
  /**
   * The issuer identifier of the authorization server that issues the tokens. If it is one of `authorizationServers`, its
   * metadata is found as configured there. Required if several issuers are trusted, since this server sends it the secret of its
   * client, and with `id-jag`.
   * @default the only authorization server of the module
   */
  authorizationServer?: string;
  /**
   * URL of the token endpoint: https, or http on loopback.
   * @default `token_endpoint` of the server's metadata
   */
  tokenEndpoint?: string;
  /** The client id of this server at that authorization server. */
  clientId: string;
  /** How this server authenticates as that client. */
  auth: IntrospectionAuth;
  /**
   * The issuers whose access tokens may be sent to the authorization server as subject token or assertion. Callers with a token
   * of another issuer get 403. Not with `client-credentials` and `id-jag`, which send no access token of a caller.
   * @default the authorization server itself
   */
  subjectIssuers?: string[];
  /** The identifier of the API, one or several (RFC 8707, RFC 8693 §2.1). @default none */
  resource?: string | string[];
  /**
   * The name of the API at the authorization server, one or several (RFC 8693 §2.1). Not with `id-jag`, where it is the issuer of
   * the authorization server.
   * @default none
   */
  audience?: string | string[];
  /** The scopes of the token, such as `calendar.read`, or `api://calendar/.default` for Entra ID. @default none */
  scopes?: string[];
  /** Further parameters of the request for the token of the API, for a product that needs them. @default none */
  parameters?: Record<string, string>;
  /**
   * Returns the token of the party that acts for the caller, an access token of this server (RFC 8693 §2.1, `actor_token`). Called
   * for each exchange. Only with `token-exchange`.
   * @default none: the authorization server knows this server by its client
   */
  actorToken?: () => string | Promise<string>;
  /** The identity provider of the callers. Required with `id-jag`, and refused with another grant. @default none */
  identityProvider?: IdentityProviderOptions;
  /**
   * Binds the tokens to a key of this server (DPoP, RFC 9449): a stolen one is of no use at the API, which wants a proof with each
   * request. `McpAuthDownstream.fetch` and `headersFor` make the proofs; `tokenFor` and `@DownstreamToken()` refuse. A token that
   * the authorization server does not bind is refused.
   *
   * `true`: a new key for ES256 in each process. `{ privateKey }`: a key that replicas share, as PEM text (PKCS #8) or a private JWK:
   * RSA, EC (P-256, P-384, P-521) or Ed25519. The key is never sent or logged.
   * @default none: Bearer tokens
   */
  dpop?:
    | true
    | {
        /** The key that replicas share. Its `alg`, if it is a JWK that has one, is the algorithm of the proofs. */
        privateKey: JWK | string;
      };
  /**
   * The origins to which `McpAuthDownstream.fetch` sends the token, such as `https://calendar.example.com`: https, or http on
   * loopback.
   * @default none: `fetch` refuses every URL, and `tokenFor` works
   */
  origins?: string[];
  /**
   * The scopes of this MCP server without which the authorization server issues no token for the API. If it refuses because of
   * scopes or consent, a caller who lacks them gets `403 insufficient_scope` with a challenge that names them. Not with
   * `client-credentials` and `id-jag`, where the scopes of the caller decide nothing.
   * @default none: such a refusal asks the user to sign in again
   */
  stepUpScopes?: string[];
  /**
   * Whether a token is refused if the answer names fewer scopes than `scopes`. Off by default, since the API refuses what a token
   * does not allow, and some products name scopes differently in their answer.
   * @default false
   */
  requireScopes?: boolean;
  /**
   * Longest time for which a token is used again, in seconds; 0: never. It is never used after it has expired, nor after the token
   * of its caller has.
   * @default 300
   */
  cacheSeconds?: number;
  /**
   * Lets replicas share the tokens, encrypted: `{ store, secret }`. The memory of the process stays the first place to look. Without
   * the store, each replica requests tokens by itself. Not with `dpop: true`, since each process then has a key of its own.
   * @default none: the memory of this process
   */
  sharedCache?: SharedCacheOptions;
}

/** An API that tools call, with every default filled in, and the client that this server is where its tokens are issued. */
export interface ResolvedDownstream extends ResolvedTokenClient {
  readonly name: string;
  readonly grant: DownstreamGrant;
  readonly subjectIssuers: readonly string[];
  readonly resources: readonly string[];
  readonly audiences: readonly string[];
  readonly scopes: readonly string[];
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly actorToken: (() => unknown) | undefined;
  /** Shows nothing of the key. */
  readonly dpop: DpopKey | undefined;
  /** Defined for `id-jag` only. */
  readonly identityProvider: ResolvedIdentityProvider | undefined;
  readonly origins: readonly string[];
  readonly stepUpScopes: readonly string[];
  readonly requireScopes: boolean;
  readonly cacheSeconds: number;
  /** Undefined if each process keeps its tokens to itself. */
  readonly sharedCache: ResolvedSharedCache | undefined;
}

/** Where the metadata of a server is found that the options do not list. */
export const DISCOVERED: MetadataSource = { kind: 'discovery', discovery: 'auto', transform: undefined };

export const GRANTS = ['token-exchange', 'jwt-bearer', 'id-jag', 'client-credentials'] as const;

export const DOWNSTREAM_OPTIONS = {
  grant: optional((option) => option.choice(GRANTS)),
  authorizationServer: optional(readIssuer),
  tokenEndpoint: optional(readUrl),
  clientId: (option) => option.requiredText('Write the client id of this server at the authorization server'),
  auth: readClientAuthentication,
  subjectIssuers: (option) => option.texts('Write a list of issuers, such as ["https://login.example.com"]'),
  resource: (option) =>
    option.asList().texts('Write the identifier of the API, such as "https://api.example.com"') ?? [],
  audience: (option) => option.asList().texts('Write the name of the API, such as "calendar"') ?? [],
  scopes: (option) => readScopes(option),
  parameters: readParameters,
  actorToken: (option) => option.function<() => unknown>('Write () => an access token of this server'),
  dpop: optional(readDpopKey),
  identityProvider: readIdentityProvider,
  origins: readOrigins,
  stepUpScopes: (option) => readScopes(option, isRequestableScope),
  requireScopes: (option) => option.flag(false),
  cacheSeconds: (option) => option.seconds(300, 0, 3_600),
  sharedCache: readSharedCache,
} satisfies ReadersOf<DownstreamOptions>;

/** An entry as it was read, before it is compared with the authorization servers of the module. */
export type DownstreamRead = OptionsRead<typeof DOWNSTREAM_OPTIONS> & { readonly name: string };

/** Names are labels of metrics and words in the log. */
const NAME = /^[A-Za-z][\w-]{0,63}$/;

/** Reads the APIs by their names. */
export function readDownstream(option: OptionReader): DownstreamRead[] {
  return option.keys().flatMap((name) => {
    const entry = option.atKey(name);
    if (!NAME.test(name)) {
      const why = 'the name of an API must begin with a letter, and have only letters, digits, _ and -';
      entry.refuse({ seen: showValue(name), why, write: 'Write a name such as calendar' });
    }
    if (!isRecord(entry.value)) {
      const write = 'Write { grant: "token-exchange", clientId: …, auth: …, audience: … }';
      entry.refuse({ seen: 'something else', why: 'must be an object', write });
      return [];
    }
    return [{ name, ...entry.section(DOWNSTREAM_OPTIONS) }];
  });
}

function readScopes(option: OptionReader, isRight: (scope: string) => boolean = isScopeToken): string[] {
  const write = 'Write a list of scopes, such as ["calendar.read"]';
  const scopes = option.texts(write) ?? [];
  for (const scope of scopes.filter((one) => !isRight(one))) {
    option.refuse({ seen: showValue(scope), why: 'must be a scope that a client may ask for', write });
  }
  return scopes;
}

/** What this library writes itself: another value would change what a request means, or for whom it is. */
const OWN_PARAMETERS =
  /^(?:grant_type|subject_token|subject_token_type|actor_token|actor_token_type|assertion|requested_token_use|resource|audience|scope|client_.*)$/;

function readParameters(option: OptionReader): (readonly [string, string])[] {
  return option.keys().flatMap((name) => {
    const parameter = option.atKey(name);
    const { value } = parameter;
    if (OWN_PARAMETERS.test(name)) {
      const why = 'this parameter is written from the other options';
      parameter.refuse({ seen: 'a value', why, write: 'Remove it, and set the option of that name' });
    } else if (typeof value !== 'string') {
      parameter.refuse({ seen: 'something else', why: 'must be text', write: 'Write text' });
    } else {
      return [[name, value] as const];
    }
    return [];
  });
}

function readOrigins(option: OptionReader): string[] {
  const write = 'Write scheme, host and port in lower case, such as "https://calendar.example.com"';
  const origins = option.texts(write) ?? [];
  for (const origin of origins) {
    if (parseUrl(origin)?.origin === origin) requireSecureUrl(option, origin);
    else option.refuse({ seen: showValue(origin), why: 'must be an origin', write });
  }
  return origins;
}
