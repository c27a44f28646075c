import type { TokenRequest } from '../issuer/token-endpoint.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';

type Parameter = readonly [name: string, value: string];

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

/** A JWT is no longer an access token by its type (RFC 8693 §3), but some products call access tokens so. */
const ACCESS_TOKEN_TYPES = [ACCESS_TOKEN, JWT];

/** The tokens that a request sends to the authorization server. */
export interface SentTokens {
  /** The access token of the caller; undefined if the grant needs none. */
  readonly subject: string | undefined;
  /** That of this server; undefined if none is configured. */
  readonly actor: string | undefined;
}

/** The request for a token for an API, without the authentication of the client. */
export function tokenRequestFor(api: ResolvedDownstream, tokens: SentTokens): TokenRequest {
  const target = targetOf(api);
  const tokenType = api.dpop ? 'dpop' : 'bearer';
  switch (api.grant) {
    case 'token-exchange':
      return {
        grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
        parameters: [...exchangeOf(tokens).filter(isNotGiven(api)), ...target],
        expected: { tokenType, issuedTokenTypes: ACCESS_TOKEN_TYPES },
      };
    case 'jwt-bearer':
      return {
        grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        parameters: [['assertion', tokens.subject ?? ''], ['requested_token_use', 'on_behalf_of'], ...target],
        expected: { tokenType, issuedTokenTypes: undefined },
      };
    case 'client-credentials':
      return {
        grantType: 'client_credentials',
        parameters: target,
        expected: { tokenType, issuedTokenTypes: undefined },
      };
  }
}

/** @see RFC 8693 §2.1 */
function exchangeOf({ subject, actor }: SentTokens): Parameter[] {
  return [
    ['subject_token', subject ?? ''],
    ['subject_token_type', ACCESS_TOKEN],
    ['requested_token_type', ACCESS_TOKEN],
    ...(actor === undefined
      ? []
      : ([
          ['actor_token', actor],
          ['actor_token_type', ACCESS_TOKEN],
        ] as const)),
  ];
}

/** What the token is for. */
function targetOf({ resources, audiences, scopes, parameters }: ResolvedDownstream): Parameter[] {
  return [
    ...resources.map((resource): Parameter => ['resource', resource]),
    ...audiences.map((audience): Parameter => ['audience', audience]),
    ...(scopes.length > 0 ? [['scope', scopes.join(' ')] as const] : []),
    ...parameters,
  ];
}

/** Whether the options do not replace a parameter, such as `requested_token_type`. */
function isNotGiven({ parameters }: ResolvedDownstream): (parameter: Parameter) => boolean {
  return ([name]) => !parameters.some(([given]) => given === name);
}
