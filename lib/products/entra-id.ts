import { ownMember } from '../core/record.js';
import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import { ENTER_CLIENT_ID, PKCE_NOT_ADVERTISED, type Product } from './product.js';

const AUTHORITY = 'https://login.microsoftonline.com';
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MANY_TENANTS = /^(?:common|organizations|consumers)$/;

/**
 * One tenant of Microsoft Entra ID, in the global cloud. For several tenants, list one entry for each: every tenant has
 * its own issuer, and only listed issuers are accepted.
 *
 * `audience`: required. With version 2, set the Application (client) ID of your server's app registration, a GUID. With
 * version 1, set that ID or the Application ID URI, whichever clients name in their scopes.
 *
 * Scopes are the short names in `scp`, although clients must request them with the Application ID URI as a prefix. Tokens
 * of applications without a user have no `scp`: their scopes are the `roles`. `sub` identifies the user, with a different
 * value for every application.
 *
 * @throws {McpAuthConfigError} when the tenant is not a GUID: an issuer never contains a domain, and `common` means every
 *   tenant.
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export function entraId(options: {
  /** Directory (tenant) ID, a GUID. */
  tenantId: string;
  /**
   * Version of the access tokens: `requestedAccessTokenVersion` in the manifest of your server's app registration, where
   * null means 1. It is not the version of the endpoint.
   * @default 2
   */
  version?: 1 | 2;
}): IssuerPreset {
  const given = new PresetArguments('entraId', options, ['tenantId', 'version']);
  const tenant = tenantOf(given);
  const version = given.choice('version', [2, 1]);
  given.check();
  const issuer = `${AUTHORITY}/${tenant}/v2.0`;
  const shared = { algorithms: ['RS256'], kindOf };
  const scopes = ['scp', 'roles'];
  if (version === 2) {
    const discovery = { url: `${issuer}/.well-known/openid-configuration` };
    return { ...shared, issuer, discovery, claims: { scopes, clientId: ['azp'] } };
  }
  return {
    ...shared,
    issuer: `https://sts.windows.net/${tenant}/`,
    // Clients use the endpoints of version 2 here too: the audience determines the version of tokens.
    advertisedIssuer: issuer,
    discovery: { url: `${AUTHORITY}/${tenant}/.well-known/openid-configuration` },
    claims: { scopes, clientId: ['appid'] },
  };
}

/** `scp` lists what a user permits an application to do. Tokens of an application that acts for itself have `roles`. */
function kindOf(claims: Readonly<Record<string, unknown>>): 'user' | undefined {
  return typeof ownMember(claims, 'scp') === 'string' && ownMember(claims, 'idtyp') !== 'app' ? 'user' : undefined;
}

function tenantOf(given: PresetArguments): string {
  const write = 'Write the Directory (tenant) ID, such as "72f988bf-86f1-41af-91ab-2d7cd011db47"';
  const tenant = given.text('tenantId', /./, { why: 'must be a GUID', write });
  if (MANY_TENANTS.test(tenant)) {
    const why = 'it stands for many tenants, and each has an issuer of its own';
    given.refuse('tenantId', tenant, { why, write: 'List one entraId() for each tenant that you trust' });
  } else if (tenant !== '' && !GUID.test(tenant)) {
    given.refuse('tenantId', tenant, { why: 'must be a GUID, since tokens name the tenant only by its GUID', write });
  }
  return tenant.toLowerCase();
}

export const ENTRA_ID: Product = {
  name: 'Entra ID',
  matches: ({ hostname }) => hostname === 'login.microsoftonline.com' || hostname === 'sts.windows.net',
  preset: entraId,
  advice: {
    issuer:
      'its issuer holds the ID of the tenant, never a domain or "common", and is another one for tokens of version 1: use entraId()',
    exchange:
      "it has jwt-bearer (on behalf of) without listing it: write grant: 'jwt-bearer', and the scopes of the API",
    audience: () =>
      'set requestedAccessTokenVersion to 2 in the manifest of the app registration, and its Application (client) ID as the option audience',
    registration: `it has no registration for MCP clients: ${ENTER_CLIENT_ID}`,
    pkce: PKCE_NOT_ADVERTISED,
  },
  facts: {
    metadata: 'OIDC appended; no RFC 8414°',
    pkce: 'no°',
    dynamicRegistration: 'no',
    clientMetadataDocuments: '?',
    resourceIndicators: 'only where it equals the prefix of the scopes°',
    responseIssuer: '?',
    accessToken: 'JWT',
    tokenType: '`JWT`',
    introspection: '?',
  },
};
