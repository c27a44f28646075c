import { ownMember } from '../core/record.js';
import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * Auth0. Accepts both of its access token profiles (`JWT` with `azp`, `at+jwt` with `client_id`).
 *
 * `audience`: leave it out if the Identifier of the API in Auth0 is your resource identifier, byte for byte, and the
 * Resource Parameter Compatibility Profile of the tenant is on. Otherwise set it to that Identifier.
 *
 * Reads scopes from `scope` only: `permissions` lists everything the user may do, even if the client did not request it or
 * the user did not consent to it. To let single permissions grant scopes all the same, set `grants`.
 *
 * @throws {McpAuthConfigError} when the domain is not a bare host name.
 * @see https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
 */
export function auth0(options: {
  /** Domain of the tenant at which clients sign in, such as `acme.eu.auth0.com` or your custom domain. */
  domain: string;
}): IssuerPreset {
  const given = new PresetArguments('auth0', options, ['domain']);
  const domain = given.host('domain', 'acme.eu.auth0.com');
  given.check();
  return {
    // The slash is part of the issuer.
    issuer: `https://${domain}/`,
    discovery: 'oidc',
    algorithms: ['RS256', 'PS256'],
    claims: { clientId: ['client_id', 'azp'] },
    kindOf,
  };
}

/** A user's subject is `connection|id`. The subject of an application that acts for itself is its ID and `@clients`. */
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
    // https://auth0.com/docs/api/authentication/on-behalf-of-token-exchange/get-token
    exchange:
      'let the client of your server be a Custom API client (app_type resource_server) whose resource_server_identifier is the API that callers have tokens for; the grant is token-exchange',
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
  downstream: {
    grant: 'token-exchange',
    see: 'https://auth0.com/docs/secure/call-apis-on-users-behalf/on-behalf-of-token-exchange',
    isAt: () => true,
    target: '`audience`, its Identifier',
  },
};
