import type { JSONWebKeySet } from 'jose';
import type { KindOf, KindRules, PrincipalKind } from '../core/principal-kind.js';
import { parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';
import {
  CLIENT_ID_CLAIMS,
  type ClaimNames,
  type JwtProfile,
  type ScopeRules,
  type ScopesOf,
} from '../core/token-format.js';
import { SIGNATURE_ALGORITHMS } from '../issuer/algorithms.js';
import type { Discovery } from '../issuer/discovery.js';
import { readAudienceClaims, readClaimNames, readScopeClaims, type ScopeClaims } from './claim-options.js';
import { readGrants, readKindRules, type ClaimValues } from './claim-value-options.js';
import { readIntrospection, type IntrospectionOptions, type ResolvedIntrospection } from './introspection-options.js';
import { issuerSourcesOf, SOURCE_OPTIONS, type IssuerSources } from './issuer-sources.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { requireSecureUrl } from './url-option.js';

/** A trusted authorization server: its access tokens are accepted. */
export interface AuthorizationServerOptions {
  /**
   * The issuer identifier, exactly as the server itself spells it. It is compared code point by code point with the `iss` of
   * tokens and the `issuer` of the metadata, and published verbatim. https, unless on loopback.
   */
  issuer: string;
  /**
   * Published to clients instead of `issuer`, for a product with clients that must start at another URL than the `iss` of its
   * tokens. Only `authorization_servers` changes: tokens are still accepted from `issuer` alone. Clients compare this URL
   * with the `issuer` in the metadata they find there, so the two must be equal.
   * @default issuer
   */
  advertisedIssuer?: string;
  /**
   * Where to fetch the metadata of the server: at the well-known URLs in the order of the MCP specification, at one of their
   * two forms only, or at a URL. Not used if `jwksUri` or `jwks` is set.
   * @default 'auto'
   */
  discovery?: Discovery;
  /**
   * The metadata of the server (RFC 8414 §2), instead of discovery. Its `jwks_uri` and `introspection_endpoint` are used if
   * no other option names them. Its `issuer` must equal the option `issuer`. It is never fetched, so changes need a restart.
   * As for every URL in the options, plain http is accepted on loopback, whatever the issuer is.
   */
  metadata?: object;
  /**
   * Repairs the fetched metadata before it is used, for a product that publishes a document which does not conform. The
   * `issuer` is compared afterwards, so you alone vouch for it. Must return an object. If the function throws, or its promise
   * has not settled after five seconds, the metadata is unusable, and tokens get 503.
   *
   * The result is treated as written by the server: a plain http URL on loopback is used only if the issuer is on loopback
   * too. Set such a URL in `jwksUri` or `introspection.endpoint` instead.
   * @default none
   */
  transformMetadata?: (document: unknown) => unknown;
  /** URL of the keys, instead of discovery. */
  jwksUri?: string;
  /** The keys themselves, instead of discovery. They are never fetched, so a rotation needs a restart. */
  jwks?: JSONWebKeySet;
  /**
   * Signature algorithms accepted from this issuer. Asymmetric only.
   * @default RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519
   */
  algorithms?: string[];
  /**
   * `compatible` also accepts tokens with the `typ` `JWT` or without `typ`, as most products issue them, unless something
   * marks them as another kind of token. `rfc9068` requires the JWT profile for access tokens.
   * @default 'compatible'
   */
  profile?: JwtProfile;
  /**
   * Introspects the tokens of this server, including JWTs, instead of verifying them here (RFC 7662). `profile` then does not
   * apply, and `algorithms` and the keys apply to signed answers only.
   * @default none: only JWTs are accepted
   */
  introspection?: IntrospectionOptions;
  /**
   * Names of the claims in which this product puts scopes, client, subject and audience. Of several names, the first claim
   * with a value counts; null, `""` and `[]` are not values. A name that begins with a slash is a JSON Pointer (RFC 6901) to
   * a member of a claim, such as `/realm_access/roles`.
   */
  claims?: {
    /**
     * A claim is a string, which is split at spaces, or a list of strings; any other value grants nothing. An empty claim
     * grants nothing, and later names are not read, except that the other one of `scope` and `scp` is read if one is empty.
     *
     * `{ union: […] }` reads all of these claims, and the token has the scopes of each. Use it only if every one of them says
     * what this client may do: roles of a user say what the user may do, with any client.
     * @default ['scope', 'scp']
     */
    scopes?:
      | string
      | string[]
      | {
          /** All of these claims are read. */
          union: string[];
        };
    /** @default ['client_id', 'azp', 'cid', 'appid'] */
    clientId?: string | string[];
    /**
     * The claim that identifies a user of this issuer. A user's token without it is refused. If introspection returns only
     * `username`, set `['sub', 'username']`.
     * @default 'sub'
     */
    subject?: string | string[];
    /**
     * The claim that is compared with `audience`. Set it only for a product that issues access tokens without `aud`: any other
     * claim binds a token to what that claim names, such as one client, and not to this resource. Logged as a warning at
     * every start. Use only a claim with a value that the authorization server alone can choose.
     * @default 'aud'
     */
    audience?: string | string[];
  };
  /**
   * The scopes that roles, groups and permissions grant: claim → value → scopes. They are added to those of `claims.scopes`.
   * A claim is named as in `claims`, so `/realm_access/roles` is a JSON Pointer. Its values are a text as a whole, or the
   * texts of a list; any other value grants nothing, and the log says so when a call lacks a scope.
   *
   * A role says what a user may do, whichever client they use: with `grants`, every client of the user gets these scopes
   * without asking. Does not apply to a `verifier`.
   * @default none
   */
  grants?: ClaimValues<string[]>;
  /**
   * Determines the scopes of a verified token of this issuer from its claims, instead of `claims.scopes` and `grants`: a text
   * with spaces between the names, or a list of at most 1,000 names. Called once for each verification, synchronously, with
   * frozen claims. After an error or any other value, the token is refused. Does not apply to a `verifier`.
   * @default none
   */
  scopesOf?: ScopesOf;
  /**
   * Determines `McpAuthInfo.kind` from the claims of a verified token of this issuer: whether the token acts for a user or
   * for the client itself. `undefined` falls back to the rules for tokens of any issuer; an error or any other value means
   * `unknown`. Called once for each verification. Does not apply to a `verifier`, which can return `kind` itself.
   *
   * Instead of a function, it may list what values of claims mean: claim → value → `'user'`, `'client'` or `'unknown'`.
   * Values that contradict each other mean `unknown`; without a listed value, the rules for tokens of any issuer apply.
   * @default what the claims show, and nothing is guessed: see `McpAuthInfo.kind`
   */
  kindOf?: KindOf | ClaimValues<PrincipalKind>;
}

/** A trusted issuer, with every default filled in. */
export interface ResolvedAuthorizationServer extends IssuerSources {
  readonly issuer: string;
  readonly advertisedIssuer: string;
  readonly algorithms: readonly string[];
  readonly profile: JwtProfile;
  readonly introspection: ResolvedIntrospection | undefined;
  readonly claimNames: ClaimNames;
  readonly scopeRules: ScopeRules;
  readonly kindOf: KindRules | undefined;
}

export const CLAIM_OPTIONS = {
  scopes: readScopeClaims,
  clientId: (option) => readClaimNames(option, CLIENT_ID_CLAIMS),
  subject: (option) => readClaimNames(option, ['sub']),
  audience: readAudienceClaims,
} satisfies ReadersOf<NonNullable<AuthorizationServerOptions['claims']>>;

export const AUTHORIZATION_SERVER_OPTIONS = {
  issuer: readIssuer,
  advertisedIssuer: optional(readIssuer),
  ...SOURCE_OPTIONS,
  algorithms: readAlgorithms,
  profile: (option) => option.choice(['compatible', 'rfc9068']),
  introspection: optional(readIntrospection),
  claims: (option) => option.section(CLAIM_OPTIONS),
  grants: readGrants,
  scopesOf: (option) => option.function<ScopesOf>('Write (claims) => a list of scopes'),
  kindOf: readKindRules,
} satisfies ReadersOf<AuthorizationServerOptions>;

/** Reads one authorization server. A value that is not an object is the issuer of a server with default settings. */
export function readAuthorizationServer(option: OptionReader): ResolvedAuthorizationServer {
  const settings = option.section(AUTHORIZATION_SERVER_OPTIONS, 'issuer');
  const { issuer, algorithms, profile, introspection, grants, scopesOf, kindOf } = settings;
  const { scopes, ...claimNames } = settings.claims;
  if (scopesOf && grants.length > 0) {
    const write = 'Keep one of the two: the function can read the roles itself';
    option.at('grants').refuse({ seen: 'scopesOf too', why: 'scopesOf determines all scopes', write });
  }
  return {
    issuer,
    advertisedIssuer: settings.advertisedIssuer ?? issuer,
    ...issuerSourcesOf(option, settings, issuer, introspection),
    algorithms,
    profile,
    introspection,
    claimNames: { ...claimNames, ...scopeNamesOf(scopes) },
    scopeRules: { grants, scopesOf },
    kindOf,
  };
}

function scopeNamesOf(scopes: ScopeClaims): Pick<ClaimNames, 'scopes' | 'unitesScopes'> {
  return 'union' in scopes ? { scopes: scopes.union, unitesScopes: true } : { scopes };
}

/** Stricter than `URL`, which accepts white space and backslashes; tokens and metadata would not contain these. */
const ABSOLUTE_URL = /^[a-z][a-z0-9+.-]*:\/\/[^\s\p{Cc}\p{Cs}\\]+$/iu;

/** The issuer; empty after a problem. */
export function readIssuer(option: OptionReader): string {
  const { value } = option;
  const write = 'Write the issuer as the server itself spells it, such as "https://login.example.com/realms/main"';
  if (typeof value !== 'string' || !ABSOLUTE_URL.test(value) || !parseUrl(value)) {
    option.refuse({ why: 'must be an absolute URL', write });
    return '';
  }
  if (/[?#]/.test(value)) option.refuse({ why: 'an issuer has no query or fragment (RFC 8414 §2)', write });
  else requireSecureUrl(option, value);
  return value;
}

function readAlgorithms(option: OptionReader): readonly string[] {
  const algorithms = option.texts('Write a list such as ["RS256"]') ?? [...SIGNATURE_ALGORITHMS];
  for (const algorithm of algorithms.filter((name) => !SIGNATURE_ALGORITHMS.includes(name))) {
    const why = 'must be a supported asymmetric signature algorithm';
    option.refuse({ seen: showValue(algorithm), why, write: `Choose from ${SIGNATURE_ALGORITHMS.join(', ')}` });
  }
  return algorithms;
}
