import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import { PKCE_NOT_ADVERTISED, type Product } from './product.js';

/**
 * A user pool of Amazon Cognito.
 *
 * `audience`: leave it out if clients send `resource` and the pool has a resource server with your resource identifier as
 * its identifier (resource binding). Otherwise Cognito's access tokens have no `aud` and are refused; see
 * `clientIdAsAudience`.
 *
 * In tokens and in requests, a scope begins with the identifier of its resource server and a slash. Write it in the same
 * form in decorators. The groups of a user are in `cognito:groups`; to let them grant scopes, set `grants`.
 *
 * @throws {McpAuthConfigError} when the pool is not in this region.
 * @see https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
 */
export function cognito(options: {
  /** Such as `eu-central-1`. */
  region: string;
  /** Such as `eu-central-1_aB3dE5fGh`. */
  userPoolId: string;
  /**
   * Compares the `client_id` of tokens without `aud` with `audience`: list the app clients you trust there. Every server that
   * trusts this app client then accepts such a token. Logged as a warning at every start. A token with `aud` is still
   * checked by its `aud`.
   * @default false
   */
  clientIdAsAudience?: boolean;
}): IssuerPreset {
  const given = new PresetArguments('cognito', options, ['region', 'userPoolId', 'clientIdAsAudience']);
  const region = given.text('region', /^[a-z]+(?:-[a-z]+)+-\d+$/, {
    why: 'must be the name of a region',
    write: 'Write one such as "eu-central-1"',
  });
  const pool = given.text('userPoolId', /^[\w-]+_[0-9A-Za-z]+$/, {
    why: 'must be the ID of a user pool',
    write: `Write one such as "${region || 'eu-central-1'}_aB3dE5fGh"`,
  });
  if (region !== '' && pool.includes('_') && !pool.startsWith(`${region}_`)) {
    const write = `Write the region of the pool, "${pool.slice(0, pool.indexOf('_'))}"`;
    given.refuse('region', region, { why: `the user pool "${pool}" is in another one`, write });
  }
  const clientIdAsAudience = given.choice('clientIdAsAudience', [false, true]);
  given.check();
  const issuer = `https://cognito-idp.${region}.amazonaws.com/${pool}`;
  return {
    issuer,
    discovery: { url: `${issuer}/.well-known/openid-configuration` },
    algorithms: ['RS256'],
    claims: { clientId: ['client_id'], ...(clientIdAsAudience && { audience: ['aud', 'client_id'] }) },
  };
}

export const COGNITO: Product = {
  name: 'Cognito',
  matches: ({ hostname }) => /^cognito-idp\.[\w-]+\.amazonaws\.com$/.test(hostname),
  preset: cognito,
  advice: {
    issuer:
      'its issuer is https://cognito-idp.<region>.amazonaws.com/<pool ID>, whatever the domain of its sign-in pages: use cognito()',
    audience: (resource) =>
      `create a resource server with the identifier ${resource}, and let the client send resource; or trust app clients with clientIdAsAudience`,
    registration: `it has no registration: create an app client, and enter its ID in the MCP client`,
    pkce: PKCE_NOT_ADVERTISED,
    exchange:
      'let the app client of your server have ALLOW_TOKEN_EXCHANGE_IMPERSONATION in its ExplicitAuthFlows, or ALLOW_TOKEN_EXCHANGE_DELEGATION with actorToken; the grant is token-exchange',
  },
  facts: {
    metadata: 'OIDC appended; no RFC 8414°',
    pkce: 'no°',
    dynamicRegistration: 'no°',
    clientMetadataDocuments: '?',
    resourceIndicators: '"resource binding"',
    responseIssuer: '?',
    accessToken: 'JWT',
    tokenType: 'none',
    introspection: '?',
  },
  downstream: {
    grant: 'token-exchange',
    see: 'https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-token-exchange.html',
    isAt: () => true,
    target: '`resource` or `audience`',
  },
};
