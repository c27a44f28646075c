import type { DownstreamRemark, ReviewedDownstream } from '../options/downstream-product.js';
import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * One realm of Keycloak.
 *
 * `audience`: leave it out if an Audience mapper of a client scope puts your resource identifier into `aud`, or the feature
 * `resource-indicators` is on. Without either of them, tokens have no audience that this server can accept.
 *
 * Roles are not scopes, and stay in the claims: an `@Authorize()` policy can read them from `realm_access` and
 * `resource_access`. To let them grant scopes, set `grants` with a JSON Pointer such as `/realm_access/roles`.
 *
 * @throws {McpAuthConfigError} when the URL already names a realm, or the realm is not a single path segment.
 * @see https://www.keycloak.org/securing-apps/mcp-authz-server
 */
export function keycloak(options: {
  /** URL at which clients reach Keycloak, such as `https://login.example.com`; with `/auth` if it is served under that path. */
  url: string;
  /** Name of the realm; case-sensitive. */
  realm: string;
}): IssuerPreset {
  const given = new PresetArguments('keycloak', options, ['url', 'realm']);
  const url = given.url('url', 'https://login.example.com', '/realms/');
  const realm = given.text('realm', /^[^/?#%\s]+$/, {
    why: 'must be the name of a realm',
    write: 'Write its name, such as "main"',
  });
  given.check();
  const issuer = `${url}/realms/${realm}`;
  return {
    issuer,
    // Only new versions serve the form of RFC 8414, and not at the root of the host if Keycloak is served under a path.
    discovery: { url: `${issuer}/.well-known/openid-configuration` },
    claims: { clientId: ['azp', 'client_id'] },
  };
}

/** Only a warning: with an experimental feature, Keycloak reads `resource` in other requests. */
function reviewTokenRequest({ grant, resources, audiences }: ReviewedDownstream): DownstreamRemark[] {
  if (grant !== 'token-exchange' || resources.length === 0 || audiences.length > 0) return [];
  const why = 'Keycloak does not read it when it exchanges a token, so that it does not limit the APIs of the new one';
  return [{ option: 'resource', effect: 'warn', why, write: 'Write the client ID of the API as audience' }];
}

export const KEYCLOAK: Product = {
  name: 'Keycloak',
  matches: ({ pathname }) => /(?:^|\/)realms\/[^/]+$/.test(pathname),
  preset: keycloak,
  advice: {
    issuer:
      'its issuer is that of the hostname it was told (option hostname); the case of the realm counts, and /auth belongs to it where it is started with --http-relative-path=/auth',
    audience: (resource) =>
      `add an Audience mapper with the Included Custom Audience ${resource} to a client scope that the client has`,
    registration:
      'adjust Clients → Client registration (Trusted Hosts, Allowed Client Scopes). For client ID metadata documents start it with --features=cimd and add a client policy with the condition client-id-uri and the executor client-id-metadata-document: without that policy it refuses every such client',
    pkcePlain:
      'its metadata always lists "plain"; set Proof Key for Code Exchange Code Challenge Method to S256 for each client',
    withdrawnGrants: 'its metadata always lists them; turn Implicit flow and Direct access grants off for each client',
    introspection: (clientId) =>
      `the client that introspects must be in the aud of the token: add a second Audience mapper, with the Included Client Audience ${clientId}`,
    exchange:
      'its metadata always lists token exchange; turn on Standard token exchange of the client of your server, which must be in the aud of the tokens of its callers',
    // https://www.keycloak.org/securing-apps/token-exchange#_standard-token-exchange-details
    exchangeRefused: {
      access_denied:
        'the client of your server must be in the aud of the tokens of its callers; add an Audience mapper with it as Included Client Audience to a client scope that these have',
      invalid_request:
        'turn on Standard token exchange of the client of your server, and see that its client scopes bring the audience, which the parameter only picks from: an Audience mapper in a scope that is a default one, or is listed in scopes',
    },
    subject:
      'give the client the client scope basic; or, for lightweight access tokens, turn on "Add to lightweight access token" in the mapper sub of that scope',
  },
  facts: {
    edition: '26',
    metadata: 'OIDC appended; RFC 8414 at the root of the host',
    pkce: 'yes, and `plain`',
    dynamicRegistration: 'opt-in, by policy; always in the metadata',
    clientMetadataDocuments: 'experimental',
    resourceIndicators: 'experimental',
    responseIssuer: 'yes',
    accessToken: 'JWT',
    tokenType: '`JWT`, or `at+jwt` per client',
    introspection: 'yes, for clients in the audience',
  },
  // Standard token exchange, version 2.
  downstream: {
    grant: 'token-exchange',
    see: 'https://www.keycloak.org/securing-apps/token-exchange',
    isAt: () => true,
    target: '`audience`, its client ID; not `resource`',
    review: reviewTokenRequest,
  },
};
