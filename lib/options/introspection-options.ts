import type { JWK } from 'jose';
import {
  clientSecretBasic,
  clientSecretPost,
  privateKeyJwt,
  readSigningKey,
  type ClientAuthentication,
} from '../issuer/client-authentication.js';
import { isRecord } from '../core/record.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { readUrl } from './url-option.js';

/** How this server authenticates at the introspection endpoint. */
export type IntrospectionAuth =
  /** Id and secret in the `Authorization` header; what most servers expect (RFC 6749 §2.3.1). */
  | {
      /** RFC 6749 §2.3.1, first form. */
      method: 'client_secret_basic';
      /** The secret of {@link IntrospectionOptions.clientId}. Kept in a function, so that it is in no object one could log. */
      clientSecret: string;
    }
  /** Id and secret in the body, for servers that don't take them in the header. */
  | {
      /** RFC 6749 §2.3.1, second form. */
      method: 'client_secret_post';
      /** The secret of {@link IntrospectionOptions.clientId}. Kept in a function, so that it is in no object one could log. */
      clientSecret: string;
    }
  /**
   * A signed assertion: nothing that is sent is of use to anybody else (RFC 7523 §3). The key is a private JWK, whose `alg`
   * and `kid` are used if present, or PEM text (PKCS #8).
   */
  | {
      /** RFC 7523 §2.2. */
      method: 'private_key_jwt';
      /** RSA, EC (P-256, P-384, P-521) or Ed25519. Its public half must be registered at the authorization server. */
      privateKey: JWK | string;
    };

/**
 * Asks the authorization server about every token, instead of verifying it here (RFC 7662): for tokens that are no JWTs,
 * and for revocation to take effect before a token expires. Tokens then work only while the server answers.
 *
 * At most 32 requests to one endpoint are under way at a time. After a failure the endpoint is not asked for two seconds, or
 * for as long as it says in `Retry-After`, up to a minute. Tokens that are not asked about get 503 with `Retry-After`.
 */
export interface IntrospectionOptions {
  /**
   * URL of the endpoint: https, or http on loopback. With a discovered one, http on loopback is used only if the issuer is
   * there too.
   * @default `introspection_endpoint` of the server's metadata
   */
  endpoint?: string;
  /** The client id of this resource server at the authorization server. */
  clientId: string;
  /** How it proves to be that client. */
  auth: IntrospectionAuth;
  /**
   * Asks for signed answers and takes no others (RFC 9701). They must be signed with the keys and algorithms of the issuer,
   * for the client id or an accepted audience. One whose `exp` is over or whose `nbf` is to come is not used; `iat` may be up to
   * five minutes ahead.
   * @default false
   */
  signed?: boolean;
  /**
   * Accepts an answer that names no audience. ONLY for an endpoint that calls a token active for nobody but the resource it
   * was issued for: with any other, tokens that were issued for somebody else are accepted here. An audience that is named
   * is checked all the same. An answer that names none must say that it is about an access token (`token_type: "Bearer"`,
   * or `token_use` or `typ` to that effect), since servers call refresh tokens active too; see `accessTokensOnly`. Logged as
   * a warning at every start.
   * @default false
   */
  audienceBound?: boolean;
  /**
   * The endpoint calls nothing active but access tokens, so that its answers need not say which kind of token they are about.
   * ONLY for an endpoint of which you know that: with any other, refresh tokens and ID tokens are accepted here. Answers that
   * say that they are about another kind are refused all the same. Logged as a warning at every start.
   * @default false
   */
  accessTokensOnly?: boolean;
  /**
   * Longest time a token that was active is not asked about again, in seconds; 0 asks every time. A revoked token is
   * accepted for up to this long.
   * @default 60
   */
  cacheSeconds?: number;
  /**
   * The same for a token that was not active, in seconds. A token that becomes active only after it was presented is refused
   * for up to this long.
   * @default 10
   */
  negativeCacheSeconds?: number;
  /**
   * How the tokens of this server begin, such as `ory_at_`. Only such tokens are sent to it, except for JWTs, which go to the
   * issuer they name. Needed where several servers are asked: a token is never sent to a server that may not have issued it.
   * @default none: every token that is no JWT, if this is the only server that is asked
   */
  tokenPrefix?: string;
}

/** Introspection at one authorization server, with every default filled in. Holds no secret but in functions. */
export interface ResolvedIntrospection {
  /** Undefined where it is to be found in the metadata. */
  readonly endpoint: string | undefined;
  readonly clientId: string;
  readonly authenticate: ClientAuthentication;
  readonly signed: boolean;
  readonly audienceBound: boolean;
  readonly accessTokensOnly: boolean;
  readonly cacheSeconds: number;
  readonly negativeCacheSeconds: number;
  readonly tokenPrefix: string | undefined;
}

export const INTROSPECTION_OPTIONS = {
  endpoint: optional(readUrl),
  clientId: readClientId,
  auth: readAuthentication,
  signed: (option) => option.flag(false),
  audienceBound: (option) => option.riskyFlag('tokens are accepted without being named as issued for this resource'),
  accessTokensOnly: (option) =>
    option.riskyFlag('what the server calls active is taken for an access token without its word'),
  cacheSeconds: (option) => option.seconds(60, 0, 3_600),
  negativeCacheSeconds: (option) => option.seconds(10, 0, 300),
  tokenPrefix: (option) => option.text(),
} satisfies ReadersOf<IntrospectionOptions>;

/** What `auth` holds, by its method. */
const AUTHENTICATION_WITH_SECRET = { method: (option: OptionReader) => option.value, clientSecret: readSecret };
const AUTHENTICATION_WITH_KEY = { method: (option: OptionReader) => option.value, privateKey: readPrivateKey };

/** Stands for authentication that cannot be used; the options are refused then. */
const NO_AUTHENTICATION: ClientAuthentication = () => undefined;

export function readIntrospection(option: OptionReader): ResolvedIntrospection | undefined {
  if (!isRecord(option.value)) {
    const write = 'Write { clientId: …, auth: … }, or leave it out';
    option.refuse({ seen: 'something else', why: 'must be an object', write });
    return undefined;
  }
  const { auth, ...settings } = option.section(INTROSPECTION_OPTIONS);
  return { ...settings, authenticate: auth };
}

/** Those of which one begins with the other, so that a token could belong to two servers. */
export function ambiguousPrefixes(prefixes: readonly string[]): string[] {
  return prefixes.filter((prefix, index) => prefixes.some((other, at) => at !== index && prefix.startsWith(other)));
}

function readClientId(option: OptionReader): string {
  const write = 'Write the client id of this resource server at the authorization server';
  return option.requiredText(write, 'it is required: the endpoint answers nobody it does not know');
}

function readAuthentication(option: OptionReader): ClientAuthentication {
  switch (option.at('method').value) {
    case 'client_secret_basic':
      return authenticationBy(clientSecretBasic, option.section(AUTHENTICATION_WITH_SECRET));
    case 'client_secret_post':
      return authenticationBy(clientSecretPost, option.section(AUTHENTICATION_WITH_SECRET));
    case 'private_key_jwt':
      return option.section(AUTHENTICATION_WITH_KEY).privateKey;
    default: {
      const write =
        'Write { method: "client_secret_basic", clientSecret: … }, "client_secret_post" or "private_key_jwt"';
      option.refuse({ seen: undisclosed(option), why: 'its method is not known', write });
      return NO_AUTHENTICATION;
    }
  }
}

function authenticationBy(
  method: (secret: string) => ClientAuthentication,
  { clientSecret }: { readonly clientSecret: string | undefined },
): ClientAuthentication {
  return clientSecret === undefined ? NO_AUTHENTICATION : method(clientSecret);
}

function readSecret(option: OptionReader): string | undefined {
  const { value } = option;
  if (typeof value === 'string' && value !== '') return value;
  option.refuse({ seen: undisclosed(option), why: 'must be a non-empty string', write: 'Write the client secret' });
  return undefined;
}

function readPrivateKey(option: OptionReader): ClientAuthentication {
  try {
    return privateKeyJwt(readSigningKey(option.value as JWK | string));
  } catch (error) {
    const why = error instanceof TypeError ? error.message : 'must be a private key';
    const write = 'Write a private JWK or PEM text (PKCS #8): RSA, EC or Ed25519';
    option.refuse({ seen: undisclosed(option), why, write });
    return NO_AUTHENTICATION;
  }
}

/** What was seen where a secret belongs. */
function undisclosed({ isGiven }: OptionReader): string {
  return isGiven ? 'a value' : 'nothing';
}
