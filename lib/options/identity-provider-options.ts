import type { McpAuthInfo } from '../core/auth-info.js';
import { isRecord } from '../core/record.js';
import type { ClientAuthentication } from '../issuer/client-authentication.js';
import { readIssuer, type ResolvedAuthorizationServer } from './authorization-server-options.js';
import { readClientAuthentication, type IntrospectionAuth } from './introspection-options.js';
import { optional, type OptionReader, type OptionsRead, type ReadersOf } from './option-reader.js';
import { readUrl } from './url-option.js';

/** What the identity provider of a user issued to this server, and takes back in exchange for an ID-JAG. */
export interface SubjectToken {
  /** The token itself. It is sent to the identity provider alone, and never remembered or logged. */
  token: string;
  /** An ID token, which most identity providers accept for some minutes only, or a refresh token. */
  type: 'id_token' | 'refresh_token';
}

/**
 * The identity provider that signs in the callers, where this server obtains an *identity assertion JWT authorization grant*
 * (ID-JAG) for them.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-oauth-identity-assertion-authz-grant/
 */
export interface IdentityProviderOptions {
  /** Its issuer identifier. */
  authorizationServer: string;
  /**
   * URL of its token endpoint: https, or http on loopback.
   * @default `token_endpoint` of its metadata
   */
  tokenEndpoint?: string;
  /** The client id of this server at the identity provider. The subject token must have been issued to this client. */
  clientId: string;
  /** How this server authenticates as that client. */
  auth: IntrospectionAuth;
  /**
   * Finds the subject token of a caller, which this server got when the user signed in at the identity provider: look it up by
   * `principalKey`. If it returns undefined, the client of the caller is told to let the user sign in again. Called for each
   * exchange. May take as long as a request to an authorization server.
   */
  subjectToken: (caller: McpAuthInfo) => SubjectToken | undefined | Promise<SubjectToken | undefined>;
}

/** This server as a client of one authorization server. Holds secrets in functions only. */
export interface ResolvedTokenClient {
  readonly issuer: string;
  /** The settings of the server, if its access tokens are accepted, too. */
  readonly server: ResolvedAuthorizationServer | undefined;
  /** Undefined if it comes from the metadata. */
  readonly tokenEndpoint: string | undefined;
  readonly clientId: string;
  readonly authenticate: ClientAuthentication;
}

/** An identity provider, with every default filled in. */
export interface ResolvedIdentityProvider extends ResolvedTokenClient {
  /** Returns a value of any shape: it is checked when it is used. */
  readonly subjectToken: (caller: McpAuthInfo) => unknown;
}

export const IDENTITY_PROVIDER_OPTIONS = {
  authorizationServer: (option) => {
    if (option.isGiven) return readIssuer(option);
    option.refuse({ why: 'it is required', write: 'Write the issuer identifier of the identity provider' });
    return '';
  },
  tokenEndpoint: optional(readUrl),
  clientId: (option) => option.requiredText('Write the client id of this server at the identity provider'),
  auth: readClientAuthentication,
  subjectToken: readSubjectToken,
} satisfies ReadersOf<IdentityProviderOptions>;

/** An identity provider as it was read, before it is compared with the authorization servers of the module. */
export type IdentityProviderRead = OptionsRead<typeof IDENTITY_PROVIDER_OPTIONS>;

export function readIdentityProvider(option: OptionReader): IdentityProviderRead | undefined {
  if (!option.isGiven) return undefined;
  if (isRecord(option.value)) return option.section(IDENTITY_PROVIDER_OPTIONS);
  const write = 'Write { authorizationServer: …, clientId: …, auth: …, subjectToken: … }';
  option.refuse({ seen: 'something else', why: 'must be an object', write });
  return undefined;
}

function readSubjectToken(option: OptionReader): (caller: McpAuthInfo) => unknown {
  const write =
    'Write (caller) => ({ token, type: "id_token" }), with the token that the identity provider issued for them';
  const find = option.function<(caller: McpAuthInfo) => unknown>(write);
  if (!option.isGiven) option.refuse({ why: 'it is required', write });
  return find ?? ((): undefined => undefined);
}
