import { randomBytes } from 'node:crypto';
import type { ClientMetadata, Configuration, JWK, KoaContextWithOIDC } from 'oidc-provider';
import { adaptClientMetadata, ClientAdapter, fetchWithDocuments } from './client-metadata.js';
import type { DevServerSettings, DevUser } from './dev-server.options.js';
import { MemoryAdapter } from './memory-adapter.js';
import type { OidcProviderModule } from './oidc-provider.js';
import { resourceIndicators } from './resources.js';
import { exchangedClaims, TOKEN_EXCHANGE } from './token-exchange.js';

/** Paths of the endpoints: the defaults for MCP clients that find no metadata (MCP revision 2025-03-26). */
export const ROUTES = {
  authorization: '/authorize',
  token: '/token',
  registration: '/register',
  revocation: '/revoke',
  introspection: '/introspect',
  jwks: '/jwks',
} as const;

/** The path of an interaction (a sign-in or a consent). */
export const interactionPath = (uid: string): string => `/interaction/${uid}`;

const HOUR = 60 * 60;
const DAY = 24 * HOUR;

export interface ConfigurationInput {
  readonly settings: DevServerSettings;
  readonly errors: OidcProviderModule['errors'];
  /** A private key with `alg` RS256. */
  readonly signingKey: JWK;
  /** Distinguishes the cookies of this server: browsers do not separate cookies by port. */
  readonly cookieSuffix: string;
  readonly renderError: NonNullable<Configuration['renderError']>;
}

/**
 * The configuration of `oidc-provider`. OAuth 2.1 only: authorization code with PKCE S256, refresh tokens, no implicit flow,
 * no device flow, no pushed requests. Replaces every default that would write to the console.
 */
export function providerConfiguration(input: ConfigurationInput): Configuration {
  const { settings, errors, signingKey, cookieSuffix, renderError } = input;
  return {
    routes: ROUTES,
    ...clientRules(settings),
    adapter: (model) => (model === 'Client' ? new ClientAdapter(refusal(errors)) : new MemoryAdapter()),
    jwks: { keys: [signingKey] },
    cookies: cookies(cookieSuffix),
    responseTypes: ['code'],
    pkce: { required: () => true },
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, sub) => account(settings.users.find(({ username }) => username === sub)),
    extraTokenClaims: (ctx, token) => exchangedClaims(token) ?? authenticationTime(ctx),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    interactions: { url: (_ctx, interaction) => interactionPath(interaction.uid) },
    renderError,
    fetch: fetchWithDocuments(settings.clientMetadataDocuments),
    ttl: lifetimes(settings),
    features: features(settings, errors),
  };
}

type ProviderErrors = OidcProviderModule['errors'];

/** The configured clients, and the rules for the metadata of others. */
function clientRules(
  settings: DevServerSettings,
): Pick<Configuration, 'clients' | 'clientDefaults' | 'extraClientMetadata'> {
  return {
    clients: configuredClients(settings),
    // MCP clients seldom send `application_type`. Native clients may change the port of a loopback redirect (RFC 8252 §7.3).
    clientDefaults: { application_type: 'native' },
    extraClientMetadata: {
      properties: ['software_id'],
      validator: (_ctx, _key, _value, metadata) => {
        if (!isConfigured(settings, metadata)) adaptClientMetadata(metadata as Record<string, unknown>);
      },
    },
  };
}

/** The provider chooses the id of a client that registers, and no document has such an id, so that neither can take one of these. */
function isConfigured({ clients }: DevServerSettings, { client_id: id }: ClientMetadata): boolean {
  return clients.some(({ clientId }) => clientId === id);
}

function cookies(suffix: string): Configuration['cookies'] {
  return {
    keys: [randomBytes(32).toString('base64url')],
    names: {
      session: `dev_session_${suffix}`,
      interaction: `dev_interaction_${suffix}`,
      resume: `dev_resume_${suffix}`,
    },
  };
}

/** Lifetimes in seconds. */
function lifetimes({ accessTokenTtlSeconds }: DevServerSettings): Configuration['ttl'] {
  return {
    AccessToken: accessTokenTtlSeconds,
    AuthorizationCode: 60,
    ClientCredentials: accessTokenTtlSeconds,
    Grant: 14 * DAY,
    IdToken: accessTokenTtlSeconds,
    Interaction: HOUR,
    RefreshToken: 14 * DAY,
    Session: DAY,
  };
}

function features(settings: DevServerSettings, errors: ProviderErrors): Configuration['features'] {
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    clientCredentials: { enabled: settings.clients.length > 0 },
    dPoP: { enabled: settings.dpop },
    registration: { enabled: true, issueRegistrationAccessToken: false },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    introspection: {
      enabled: settings.introspection !== undefined,
      allowedPolicy: (_ctx, client, token) =>
        client.clientId === settings.introspection?.clientId && token.kind === 'AccessToken',
    },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    resourceIndicators: resourceIndicators(settings, errors),
  };
}

/** The configured clients. They have a secret, but no redirect URIs, so no user can sign in with them. */
function configuredClients({ clients, introspection }: DevServerSettings): ClientMetadata[] {
  const isOwn = clients.every(({ clientId }) => clientId !== introspection?.clientId);
  return [
    ...clients.map((client) => clientMetadata(client, [TOKEN_EXCHANGE, 'client_credentials'])),
    ...(introspection && isOwn ? [clientMetadata(introspection, [])] : []),
  ];
}

function clientMetadata(
  { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string },
  grantTypes: string[],
): ClientMetadata {
  const nothing = { response_types: [], redirect_uris: [] };
  return { client_id: clientId, client_secret: clientSecret, grant_types: grantTypes, ...nothing };
}

function refusal(errors: ProviderErrors): (detail: string, cause?: unknown) => Error {
  return (detail, cause) => new errors.InvalidClient('client is invalid', { cause, detail });
}

function account(user: DevUser | undefined) {
  if (user === undefined) return undefined;
  const { username, name, email } = user;
  return {
    accountId: username,
    claims: () => ({ sub: username, name, preferred_username: username, ...(email !== undefined && { email }) }),
  };
}

/** When the user signed in (RFC 9068 §2.2.1), for resources that require a recent sign-in (RFC 9470). */
function authenticationTime(ctx: KoaContextWithOIDC): { auth_time: number } | undefined {
  const source = ctx.oidc.entities.AuthorizationCode ?? ctx.oidc.entities.RefreshToken;
  return source?.authTime === undefined ? undefined : { auth_time: source.authTime };
}
