import type { JWK } from 'jose';
import {
  clientSecretBasic,
  clientSecretPost,
  privateKeyJwt,
  readSigningKey,
  rotatingSecret,
  type ClientAuthentication,
} from '../issuer/client-authentication.js';
import type { ClientKeyPair } from '../issuer/client-certificate.js';
import { isRecord } from '../core/record.js';
import { readCertificateAuthentication, requireTlsFor } from './client-certificate-option.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { readUrl } from './url-option.js';

/**
 * The secret of a client, or a function that returns it, for one that is rotated. The function is asked at the first request, and
 * again after the authorization server has refused the secret (`invalid_client`). If the secret differs then, the request is sent once
 * more. It must return a non-empty text within five seconds.
 */
export type ClientSecret = string | (() => string | Promise<string>);

/** How this server authenticates at the introspection endpoint, or at the token endpoint for an API behind it. */
export type IntrospectionAuth =
  /** Id and secret in the `Authorization` header, as most servers expect it (RFC 6749 §2.3.1). */
  | {
      /** RFC 6749 §2.3.1, first form. */
      method: 'client_secret_basic';
      /** The secret of the client, or a function that returns it: see {@link ClientSecret}. Never appears in a logged object. */
      clientSecret: ClientSecret;
    }
  /** Id and secret in the body, for servers that do not accept them in the header. */
  | {
      /** RFC 6749 §2.3.1, second form. */
      method: 'client_secret_post';
      /** The secret of the client, or a function that returns it: see {@link ClientSecret}. Never appears in a logged object. */
      clientSecret: ClientSecret;
    }
  /**
   * A signed assertion: an eavesdropper can use nothing of what is sent (RFC 7523 §3). The key is PEM text (PKCS #8) or a
   * private JWK; the `alg` and `kid` of the JWK are used if present.
   */
  | {
      /** RFC 7523 §2.2. */
      method: 'private_key_jwt';
      /** RSA, EC (P-256, P-384, P-521) or Ed25519. Its public half must be registered at the authorization server. */
      privateKey: JWK | string;
    }
  /**
   * A certificate on the connection (mutual TLS, RFC 8705 §2), which the server knows by its issuer and name (`tls_client_auth`), or as
   * it is (`self_signed_tls_client_auth`). `mtls_endpoint_aliases` of the metadata count. The certificate is shown at this endpoint
   * alone, over https. These requests do not use the option `fetch`, which could not show it, and no proxy of the environment.
   */
  | {
      /** RFC 8705 §2.1 and §2.2. */
      method: 'tls_client_auth' | 'self_signed_tls_client_auth';
      /** PEM text: the certificate, and the chain after it if the server wants it. Its end is not checked; an expired one is warned of. */
      certificate: string;
      /** PEM text: its private key, without a passphrase. Kept in a function, so it never appears in a logged object. */
      key: string;
      /** PEM text: the authorities that may have issued the certificate of the server. @default those that Node.js knows */
      ca?: string;
    }
  /** The same with a certificate that is renewed while the application runs. */
  | {
      /** RFC 8705 §2.1 and §2.2. */
      method: 'tls_client_auth' | 'self_signed_tls_client_auth';
      /**
       * Returns both. Called before each request, so let it answer from memory. If what it returns cannot be used, the request fails
       * as one that gets no answer.
       */
      keyPair: () => ClientKeyPair | Promise<ClientKeyPair>;
      /** PEM text: the authorities that may have issued the certificate of the server. @default those that Node.js knows */
      ca?: string;
    };

/**
 * Introspects every token at the authorization server instead of verifying it here (RFC 7662). Use it for opaque tokens, or
 * for revocation to take effect before a token expires. Tokens then work only while the server answers.
 *
 * At most 32 requests to one endpoint run at a time. After a failure, no requests are sent to the endpoint for two seconds, or
 * for the time in its `Retry-After`, up to a minute. Tokens that cannot be introspected get 503 with `Retry-After`.
 */
export interface IntrospectionOptions {
  /**
   * URL of the endpoint: https, or http on loopback. A discovered http URL on loopback is used only if the issuer is on
   * loopback too.
   * @default `introspection_endpoint` of the server's metadata
   */
  endpoint?: string;
  /** The client id of this resource server at the authorization server. */
  clientId: string;
  /** How the resource server authenticates as that client. */
  auth: IntrospectionAuth;
  /**
   * Requests signed answers and accepts no others (RFC 9701). An answer must be signed with the keys and algorithms of the
   * issuer, for the client id or an accepted audience. An answer with a past `exp` or a future `nbf` is not used; `iat` may be
   * up to five minutes in the future.
   * @default false
   */
  signed?: boolean;
  /**
   * Accepts an answer without an audience. ONLY for an endpoint that reports a token as active solely to the resource it was
   * issued for: with any other endpoint, tokens for other resources are accepted here. An audience in the answer is still
   * checked. An answer without one must say that the token is an access token (`token_type: "Bearer"`, or an equivalent
   * `token_use` or `typ`), since servers report refresh tokens as active too; see `accessTokensOnly`. Logged as a warning at
   * every start.
   * @default false
   */
  audienceBound?: boolean;
  /**
   * Accepts an answer that does not name the kind of token. ONLY for an endpoint that you know to report access tokens alone
   * as active: with any other endpoint, refresh tokens and ID tokens are accepted here. An answer that names another kind of
   * token is still refused. Logged as a warning at every start.
   * @default false
   */
  accessTokensOnly?: boolean;
  /**
   * Longest time for which an active token is not introspected again, in seconds; 0 introspects it every time. A revoked token
   * is accepted for up to this long.
   * @default 60
   */
  cacheSeconds?: number;
  /**
   * Longest time for which an inactive token is not introspected again, in seconds. A token that becomes active only after it
   * was presented is refused for up to this long.
   * @default 10
   */
  negativeCacheSeconds?: number;
  /**
   * Prefix of this server's tokens, such as `ory_at_`. Only tokens with this prefix are sent to the server, and JWTs that name
   * it as their issuer. Required if several servers have `introspection`: a token is never sent to a server that may not have
   * issued it.
   * @default none: every token that is no JWT, if this is the only server that is asked
   */
  tokenPrefix?: string;
}

/** Introspection at one authorization server, with every default filled in. Holds secrets in functions only. */
export interface ResolvedIntrospection {
  /** Undefined if it comes from the metadata. */
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
  auth: readClientAuthentication,
  signed: (option) => option.flag(false),
  audienceBound: (option) => option.riskyFlag('tokens are accepted even if the answer names no audience'),
  accessTokensOnly: (option) =>
    option.riskyFlag('active tokens are accepted even if the answer does not call them access tokens'),
  cacheSeconds: (option) => option.seconds(60, 0, 3_600),
  negativeCacheSeconds: (option) => option.seconds(10, 0, 300),
  tokenPrefix: (option) => option.text(),
} satisfies ReadersOf<IntrospectionOptions>;

/** The members of `auth`, for each kind of method. */
const AUTHENTICATION_WITH_SECRET = { method: (option: OptionReader) => option.value, clientSecret: readSecret };
const AUTHENTICATION_WITH_KEY = { method: (option: OptionReader) => option.value, privateKey: readPrivateKey };

/** Placeholder after a problem: the options are refused. */
const NO_AUTHENTICATION: ClientAuthentication = () => undefined;

export function readIntrospection(option: OptionReader): ResolvedIntrospection | undefined {
  if (!isRecord(option.value)) {
    const write = 'Write { clientId: …, auth: … }, or leave it out';
    option.refuse({ seen: 'something else', why: 'must be an object', write });
    return undefined;
  }
  const { auth, ...settings } = option.section(INTROSPECTION_OPTIONS);
  requireTlsFor(auth, option.at('endpoint'));
  return { ...settings, authenticate: auth };
}

/** The prefixes that begin with another one of them: a token could belong to two servers. */
export function ambiguousPrefixes(prefixes: readonly string[]): string[] {
  return prefixes.filter((prefix, index) => prefixes.some((other, at) => at !== index && prefix.startsWith(other)));
}

function readClientId(option: OptionReader): string {
  const write = 'Write the client id of this resource server at the authorization server';
  return option.requiredText(write, 'it is required: the endpoint answers only clients that it knows');
}

/** How this server authenticates as a client of an authorization server. */
export function readClientAuthentication(option: OptionReader): ClientAuthentication {
  switch (option.at('method').value) {
    case 'client_secret_basic':
      return authenticationBy(clientSecretBasic, option.section(AUTHENTICATION_WITH_SECRET));
    case 'client_secret_post':
      return authenticationBy(clientSecretPost, option.section(AUTHENTICATION_WITH_SECRET));
    case 'private_key_jwt':
      return option.section(AUTHENTICATION_WITH_KEY).privateKey;
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return readCertificateAuthentication(option) ?? NO_AUTHENTICATION;
    default: {
      const write =
        'Write { method: "client_secret_basic", clientSecret: … }, "client_secret_post", "private_key_jwt", "tls_client_auth" or ' +
        '"self_signed_tls_client_auth"';
      option.refuse({ seen: undisclosed(option), why: 'its method is not known', write });
      return NO_AUTHENTICATION;
    }
  }
}

function authenticationBy(
  method: (secret: string) => ClientAuthentication,
  { clientSecret }: { readonly clientSecret: string | (() => unknown) | undefined },
): ClientAuthentication {
  if (clientSecret === undefined) return NO_AUTHENTICATION;
  return typeof clientSecret === 'string' ? method(clientSecret) : rotatingSecret(method, clientSecret);
}

function readSecret(option: OptionReader): string | (() => unknown) | undefined {
  const { value } = option;
  if (typeof value === 'function') return value as () => unknown;
  if (typeof value === 'string' && value !== '') return value;
  const write = 'Write the client secret, or a function that returns it';
  option.refuse({ seen: undisclosed(option), why: 'must be a non-empty string or a function', write });
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

/** What was seen, without showing the value: it may be a secret. */
function undisclosed({ isGiven }: OptionReader): string {
  return isGiven ? 'a value' : 'nothing';
}
