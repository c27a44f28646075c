import { ownMember } from '../core/record.js';
import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * Auth0. Accepts both of its access token profiles (`JWT` with `azp`, `at+jwt` with `client_id`).
 *
 * `audience`: nothing to set where the Identifier of the API in Auth0 is your resource identifier, byte for byte, and
 * the tenant has its Resource Parameter Compatibility Profile on; else that Identifier.
 *
 * Reads scopes from `scope` only: `permissions` lists all that the user may do, whatever the client asked for and the
 * user agreed to.
 *
 * @throws {McpAuthConfigError} when the domain is no bare host name.
 * @see https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
 */
export function auth0(options: {
  /** Domain of the tenant, such as `acme.eu.auth0.com`, or your custom domain: the one that clients sign in at. */
  domain: string;
}): IssuerPreset {
  const given = new PresetArguments('auth0', options, ['domain']);
  const domain = given.host('domain', 'acme.eu.auth0.com');
  given.check();
  return {
    // The slash belongs to it.
    issuer: `https://${domain}/`,
    discovery: 'oidc',
    algorithms: ['RS256', 'PS256'],
    claims: { clientId: ['client_id', 'azp'] },
    kindOf,
  };
}

/** The subject of a user is `connection|id`; that of an application for itself is its ID and `@clients`. */
function kindOf(claims: Readonly<Record<string, unknown>>): 'user' | undefined {
  const subject = ownMember(claims, 'sub');
  return typeof subject === 'string' && /^[^|]+\|./.test(subject) && ownMember(claims, 'gty') !== 'client-credentials'
    ? 'user'
    : undefined;
}

export const AUTH0: Product = {
  name: 'Auth0',
  matches: ({ hostname }) => hostname.endsWith('.auth0.com'),
  preset: auth0,
  advice: {
    issuer: 'its issuer ends in a slash, and is the domain at which clients sign in: with a custom domain, that one',
    audience: (resource) =>
      `create an API with the identifier ${resource}, and turn on Settings → Advanced → Resource Parameter Compatibility Profile`,
    registration:
      'turn on Dynamic Client Registration or Client ID Metadata Document Registration in the settings of the tenant',
    responseIssuer: 'turn on Settings → Advanced → Include Issuer in Authorization Responses',
  },
  facts: {
    metadata: 'RFC 8414 and OIDC, at the root',
    pkce: 'yes',
    dynamicRegistration: 'opt-in',
    clientMetadataDocuments: 'opt-in; an administrator imports each',
    resourceIndicators: 'opt-in',
    responseIssuer: 'opt-in',
    accessToken: 'JWT for an API, else opaque',
    tokenType: '`JWT`, or `at+jwt` per API',
    introspection: '?',
  },
};
