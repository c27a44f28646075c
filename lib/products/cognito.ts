import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import { PKCE_NOT_ADVERTISED, type Product } from './product.js';

/**
 * A user pool of Amazon Cognito.
 *
 * `audience`: nothing to set where clients send `resource` and the pool has a resource server with your resource
 * identifier as its identifier (resource binding). Without it, Cognito's access tokens have no `aud` and are refused;
 * see `clientIdAsAudience`.
 *
 * Scopes carry the identifier of their resource server before a slash, in tokens and in requests alike, so that
 * decorators must name them so.
 *
 * @throws {McpAuthConfigError} when region and pool do not fit each other.
 * @see https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
 */
export function cognito(options: {
  /** Such as `eu-central-1`. */
  region: string;
  /** Such as `eu-central-1_aB3dE5fGh`. */
  userPoolId: string;
  /**
   * Accepts tokens without `aud` by their `client_id`: put the app clients you trust into `audience`. Such a token is
   * then good for every server that trusts that app client; logged as a warning at every start. A token that does
   * have `aud` is still judged by it.
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
};
