import { parseUrl } from '../core/resource.js';

/**
 * What an operator has to do in one product, so that MCP clients and this resource server can work with it. Sentences for
 * logs and reports, as the product's own documentation had it in November 2026; nothing is decided by them.
 */
export interface Product {
  readonly name: string;
  /** What makes the issuer of its metadata the one that is configured; undefined where nothing is particular. */
  readonly issuer?: string;
  /** What makes its access tokens name this resource as their audience. */
  audience(resource: string): string;
  /** What lets clients get a client ID. */
  readonly registration: string;
  /** What lets clients see that it does PKCE; undefined where nothing has to be done. */
  readonly pkce?: string;
  /** What keeps clients from the challenge method "plain"; undefined where nothing is particular. */
  readonly pkcePlain?: string;
  /** What turns the implicit and the password grant off; undefined where nothing is particular. */
  readonly withdrawnGrants?: string;
  /** What lets this resource server introspect its access tokens; undefined where nothing is particular. */
  introspection?(clientId: string): string;
  /** What makes its authorization responses name the issuer; undefined where nothing is known to. */
  readonly responseIssuer?: string;
}

interface KnownProduct extends Product {
  /** Whether an issuer looks like one of this product. */
  matches(issuer: URL): boolean;
}

const ENTER_CLIENT_ID = 'register a client yourself, and enter its ID in the MCP client';
const NOT_ADVERTISED =
  'it does PKCE without advertising it, and nothing is known to change that: use clients that make an exception for it, or put an authorization server that advertises PKCE before it';

const PRODUCTS: readonly KnownProduct[] = [
  {
    name: 'Auth0',
    matches: ({ hostname }) => hostname.endsWith('.auth0.com'),
    issuer: 'its issuer ends in a slash, and is the domain at which clients sign in: with a custom domain, that one',
    audience: (resource) =>
      `create an API with the identifier ${resource}, and turn on Settings → Advanced → Resource Parameter Compatibility Profile`,
    registration:
      'turn on Dynamic Client Registration or Client ID Metadata Document Registration in the settings of the tenant',
    responseIssuer: 'turn on Settings → Advanced → Include Issuer in Authorization Responses',
  },
  {
    name: 'Keycloak',
    matches: ({ pathname }) => /(?:^|\/)realms\/[^/]+$/.test(pathname),
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
  },
  {
    name: 'Entra ID',
    matches: ({ hostname }) => hostname === 'login.microsoftonline.com' || hostname === 'sts.windows.net',
    issuer:
      'its issuer holds the ID of the tenant, never a domain or "common", and is another one for tokens of version 1: use entraId()',
    audience: () =>
      'set requestedAccessTokenVersion to 2 in the manifest of the app registration, and its Application (client) ID as the option audience',
    registration: `it has no registration for MCP clients: ${ENTER_CLIENT_ID}`,
    pkce: NOT_ADVERTISED,
  },
  {
    name: 'Okta',
    matches: ({ hostname }) => /\.(?:okta|oktapreview|okta-emea)\.com$/.test(hostname),
    issuer:
      'its issuer has the domain that clients use, never that of the admin console; see the setting Issuer of the authorization server',
    audience: (resource) => `use a custom authorization server (Security → API) with the Audience ${resource}`,
    registration: `its registration needs an administrator's token: ${ENTER_CLIENT_ID}`,
  },
  {
    name: 'Cognito',
    matches: ({ hostname }) => /^cognito-idp\.[\w-]+\.amazonaws\.com$/.test(hostname),
    issuer:
      'its issuer is https://cognito-idp.<region>.amazonaws.com/<pool ID>, whatever the domain of its sign-in pages: use cognito()',
    audience: (resource) =>
      `create a resource server with the identifier ${resource}, and let the client send resource; or trust app clients with clientIdAsAudience`,
    registration: `it has no registration: create an app client, and enter its ID in the MCP client`,
    pkce: NOT_ADVERTISED,
  },
  {
    name: 'Logto',
    matches: ({ hostname, pathname }) => hostname.endsWith('.logto.app') && pathname === '/oidc',
    audience: (resource) => `create an API resource with the identifier ${resource}, and let the client send resource`,
    registration: 'create a Dynamic app under Applications → Third-party apps, for clients with metadata documents',
  },
  {
    name: 'WorkOS',
    matches: ({ hostname }) => hostname.endsWith('.authkit.app'),
    audience: (resource) => `add ${resource} under Connect → Configuration → MCP resource indicators`,
    registration:
      'turn on Client ID Metadata Document or Dynamic Client Registration under Connect → Configuration → MCP Auth',
  },
  {
    name: 'Descope',
    matches: ({ hostname, pathname }) => /(?:^|\.)descope\.com$/.test(hostname) && pathname.startsWith('/v1/apps/'),
    issuer: 'where the metadata of the MCP server names the project, leave mcpServerId out of descope()',
    audience: (resource) => `set ${resource} as the MCP Server URL of the MCP server`,
    registration: 'turn on Client ID Metadata Documents or Dynamic Client Registration of the MCP server',
  },
  {
    name: 'Stytch',
    matches: ({ hostname }) => /(?:^|\.)stytch\.com$/.test(hostname),
    issuer: 'set up a custom domain for the project, and configure that',
    audience: () => 'set the project ID as the option audience, or a custom audience in the Connected App',
    registration: 'turn on metadata documents or dynamic registration under Connected Apps',
    responseIssuer: 'set up a custom domain for the project, without which the two issuers differ',
  },
  {
    name: 'Scalekit',
    matches: ({ hostname }) => /(?:^|\.)scalekit\.(?:com|dev|cloud)$/.test(hostname),
    issuer: 'clients begin at <environment>/resources/<resource ID>, and tokens name the environment: use scalekit()',
    audience: (resource) => `set ${resource} as the Server URL of the MCP server`,
    registration: 'turn on dynamic registration and metadata documents of the MCP server',
  },
  {
    name: 'Supabase',
    matches: ({ hostname, pathname }) => hostname.endsWith('.supabase.co') && pathname === '/auth/v1',
    audience: (resource) =>
      `let a custom access token hook set aud to ${resource}; or set "authenticated" as the option audience, which accepts every client of the project`,
    registration: 'turn on Allow Dynamic OAuth Apps under Authentication → OAuth Server',
  },
  {
    name: 'Google',
    matches: ({ hostname }) => hostname === 'accounts.google.com',
    audience: () =>
      'none is to be had: its access tokens are for its own APIs; let another authorization server sign in with Google',
    registration: 'none is to be had, see its entry in the guide to authorization servers',
  },
];

/** The product that an issuer looks like; undefined for any other, and for one under a domain of its own. */
export function productOf(issuer: string): Product | undefined {
  const url = parseUrl(issuer);
  return url && PRODUCTS.find((product) => product.matches(url));
}
