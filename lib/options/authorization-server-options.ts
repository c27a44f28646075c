import type { JSONWebKeySet } from 'jose';
import type { KindOf } from '../core/principal-kind.js';
import { parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';
import { CLIENT_ID_CLAIMS, SCOPE_CLAIMS, type ClaimNames, type JwtProfile } from '../core/token-format.js';
import { SIGNATURE_ALGORITHMS } from '../issuer/algorithms.js';
import type { Discovery } from '../issuer/discovery.js';
import { readIntrospection, type IntrospectionOptions, type ResolvedIntrospection } from './introspection-options.js';
import { issuerSourcesOf, SOURCE_OPTIONS, type IssuerSources } from './issuer-sources.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { requireSecureUrl } from './url-option.js';

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

/** A trusted issuer, with every default filled in. */
export interface ResolvedAuthorizationServer extends IssuerSources {
  readonly issuer: string;
  readonly advertisedIssuer: string;
  readonly algorithms: readonly string[];
  readonly profile: JwtProfile;
  readonly introspection: ResolvedIntrospection | undefined;
  readonly claimNames: ClaimNames;
  readonly kindOf: KindOf | undefined;
}

export const CLAIM_OPTIONS = {
  scopes: (option) => readClaimNames(option, SCOPE_CLAIMS),
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
  kindOf: (option) => option.function<KindOf>("Write (claims) => 'user', 'client' or 'unknown'"),
} satisfies ReadersOf<AuthorizationServerOptions>;

/** What is no object is the issuer of a server with default settings. */
export function readAuthorizationServer(option: OptionReader): ResolvedAuthorizationServer {
  const given = option.section(AUTHORIZATION_SERVER_OPTIONS, 'issuer');
  const { issuer, algorithms, profile, introspection, kindOf } = given;
  return {
    issuer,
    advertisedIssuer: given.advertisedIssuer ?? issuer,
    ...issuerSourcesOf(option, given, issuer, introspection),
    algorithms,
    profile,
    introspection,
    claimNames: given.claims,
    kindOf,
  };
}

/** Stricter than `URL`, which overlooks white space and turned slashes that no token and no metadata would repeat. */
const ABSOLUTE_URL = /^[a-z][a-z0-9+.-]*:\/\/[^\s\p{Cc}\p{Cs}\\]+$/iu;

/** Empty where it is none. */
function readIssuer(option: OptionReader): string {
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

/** A JSON Pointer that isn't empty: `~` stands only before 0 or 1 (RFC 6901 §3). */
const JSON_POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/;

function readClaimNames(option: OptionReader, fallback: readonly string[]): string[] {
  const names = option.asList().texts(`Write the name of a claim such as "${fallback[0]}"`) ?? [...fallback];
  for (const name of names.filter((one) => one.startsWith('/') && !JSON_POINTER.test(one))) {
    const write = 'Write "~1" for a slash in a name, "~0" for "~"';
    option.refuse({ seen: showValue(name), why: 'must be a JSON Pointer (RFC 6901)', write });
  }
  return names;
}

/** Any other claim than `aud` binds a token to whatever that claim names. */
function readAudienceClaims(option: OptionReader): string[] {
  const names = readClaimNames(option, ['aud']);
  const others = names.filter((name) => name !== 'aud').map((name) => `"${name}"`);
  if (others.length > 0) {
    option.warn(`names ${others.join(', ')}: its tokens need not be issued for this resource alone`);
  }
  return names;
}
