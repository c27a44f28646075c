import type { TokenRequest } from '../issuer/token-endpoint.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';
import type { SubjectToken } from '../options/identity-provider-options.js';

type Parameter = readonly [name: string, value: string];

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** A JWT is no longer an access token by its type (RFC 8693 §3), but some products call access tokens so. */
const ACCESS_TOKEN_TYPES = [ACCESS_TOKEN, JWT];

/** The tokens that a request sends to the authorization server. */
export interface SentTokens {
  /** The access token of the caller, or the ID-JAG for them; undefined if the grant needs none. */
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
        grantType: EXCHANGE,
        parameters: [...exchangeOf(tokens).filter(isNotGiven(api)), ...target],
        expected: { tokenType, issuedTokenTypes: ACCESS_TOKEN_TYPES },
      };
    case 'jwt-bearer':
      return {
        grantType: JWT_BEARER,
        parameters: [['assertion', tokens.subject ?? ''], ['requested_token_use', 'on_behalf_of'], ...target],
        expected: { tokenType, issuedTokenTypes: undefined },
      };
    case 'id-jag':
      // What the token is for stands in the ID-JAG.
      return {
        grantType: JWT_BEARER,
        parameters: [['assertion', tokens.subject ?? ''], ...api.parameters],
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

/**
 * The request to the identity provider for an ID-JAG, without the authentication of the client.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-oauth-identity-assertion-authz-grant/, "Token Exchange"
 */
export function idJagRequestFor(
  { issuer, resources, scopes }: ResolvedDownstream,
  subject: SubjectToken,
): TokenRequest {
  return {
    grantType: EXCHANGE,
    parameters: [
      ['requested_token_type', ID_JAG],
      ['subject_token', subject.token],
      ['subject_token_type', `urn:ietf:params:oauth:token-type:${subject.type}`],
      ['audience', issuer],
      ...targetOf({ resources, audiences: [], scopes, parameters: [] }),
    ],
    expected: { tokenType: 'n_a', issuedTokenTypes: [ID_JAG] },
  };
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
function targetOf({
  resources,
  audiences,
  scopes,
  parameters,
}: Pick<ResolvedDownstream, 'resources' | 'audiences' | 'scopes' | 'parameters'>): Parameter[] {
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
