import { ownMember } from '../core/record.js';
import type { DownstreamRemark, ReviewedDownstream } from '../options/downstream-product.js';
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

/**
 * What Entra ID refuses in requests for tokens for other APIs.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow, "Middle-tier access token request"
 */
function reviewTokenRequest(api: ReviewedDownstream): DownstreamRemark[] {
  if (api.grant === 'token-exchange') {
    // Seen as unsupported_grant_type: https://tyk.io/docs/api-management/authentication/token-exchange-microsoft-entra-obo
    const why = 'Entra ID has its on-behalf-of flow instead of this grant';
    return [{ option: 'grant', effect: 'refuse', why, write: 'Write "jwt-bearer", or leave it out' }];
  }
  if (api.grant === 'id-jag' || !isVersion2(api)) return [];
  return [...reviewScopes(api.scopes), ...reviewResource(api), ...reviewAudience(api)];
}

/** The token endpoint of version 1 names the API in `resource`, and that of version 2 in the scopes. */
function isVersion2({ issuer, tokenEndpoint }: ReviewedDownstream): boolean {
  return tokenEndpoint === undefined ? issuer.endsWith('/v2.0') : tokenEndpoint.includes('/oauth2/v2.0/');
}

/** Scopes that belong to no API. */
const OIDC_SCOPES: ReadonlySet<string> = new Set(['openid', 'profile', 'email', 'offline_access']);

/** @see https://learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope */
function reviewScopes(scopes: readonly string[]): DownstreamRemark[] {
  const ofApis = [...new Set(scopes.filter((scope) => !OIDC_SCOPES.has(scope)))];
  const write =
    'Write the scopes of one API, such as ["api://calendar/Events.Read"], or its ["api://calendar/.default"]';
  if (scopes.length === 0) {
    return [{ option: 'scopes', effect: 'refuse', why: 'Entra ID requires them: they name the API', write }];
  }
  if (ofApis.length > 1 && ofApis.some((scope) => scope.endsWith('/.default'))) {
    const why = 'Entra ID refuses .default together with other scopes of APIs';
    return [{ option: 'scopes', effect: 'refuse', why, write }];
  }
  const apis = new Set(ofApis.map(apiOf));
  if (apis.size < 2) return [];
  // Only a warning: one application may have several Application ID URIs, and some APIs of Microsoft share scopes.
  const why = `Entra ID issues a token for one API, and these seem to be of ${[...apis].join(', ')}`;
  return [{ option: 'scopes', effect: 'warn', why, write: 'Write an entry of downstream for each API' }];
}

/** What stands before the name of a scope; Microsoft Graph if nothing does. */
function apiOf(scope: string): string {
  const end = scope.lastIndexOf('/');
  return end === -1 ? 'https://graph.microsoft.com' : scope.slice(0, end);
}

/** It is accepted only where the scopes say the same (AADSTS901002, AADSTS9010010). */
function reviewResource({ resources, scopes }: ReviewedDownstream): DownstreamRemark[] {
  if (resources.length === 0) return [];
  const isRepeated = resources.every((one) => scopes.some((scope) => scope.startsWith(`${one.replace(/\/$/, '')}/`)));
  const why = isRepeated
    ? 'the scopes name the API already, and Entra ID has no need of it'
    : 'Entra ID accepts no other API there than that of the scopes, which name it';
  const write = 'Remove it, and write the scopes of the API with its Application ID URI before each';
  return [{ option: 'resource', effect: isRepeated ? 'warn' : 'refuse', why, write }];
}

function reviewAudience({ audiences }: ReviewedDownstream): DownstreamRemark[] {
  if (audiences.length === 0) return [];
  const why = 'Entra ID documents no such parameter, and the scopes name the API';
  return [{ option: 'audience', effect: 'warn', why, write: 'Remove it' }];
}

export const ENTRA_ID: Product = {
  name: 'Entra ID',
  matches: ({ hostname }) => hostname === 'login.microsoftonline.com' || hostname === 'sts.windows.net',
  preset: entraId,
  advice: {
    issuer:
      'its issuer holds the ID of the tenant, never a domain or "common", and is another one for tokens of version 1: use entraId()',
    exchange:
      'it has jwt-bearer (on behalf of) without listing it; the scopes name the API, and the tokens of callers must be for the app registration of the client',
    // https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow#client-limitations
    exchangeRefused: {
      invalid_grant:
        'it takes tokens of users only, for the app registration of the client and no other, and not with a signing key of that application',
      consent_required:
        'nobody can consent in between: let an administrator grant admin consent to the API permissions of the app registration, or let users do it when they sign in (knownClientApplications, or preauthorized applications of the API)',
      invalid_scope:
        'write scopes of one API, with its Application ID URI before each, or its /.default alone; the app registration needs these API permissions',
    },
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
  downstream: {
    grant: 'jwt-bearer',
    see: 'https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow',
    isAt: () => true,
    target: '`scopes`, with its Application ID URI before each; not `resource`',
    review: reviewTokenRequest,
  },
};
