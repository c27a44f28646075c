import { randomBytes } from 'node:crypto';
import type { ClientMetadata, Configuration, JWK, KoaContextWithOIDC } from 'oidc-provider';
import { parseUrl } from './parse-url.js';
import { adaptClientMetadata, ClientAdapter, fetchWithDocuments } from './client-metadata.js';
import type { DevResource, DevServerSettings, DevUser } from './dev-server.options.js';
import { MemoryAdapter } from './memory-adapter.js';
import type { OidcProviderModule } from './oidc-provider.js';

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

/** Scopes that belong to no resource, with their descriptions for the consent page. */
export const IDENTITY_SCOPES: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'See your name',
  email: 'See your email address',
  offline_access: 'Stay connected while you are away',
};

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
    extraTokenClaims: (ctx) => authenticationTime(ctx),
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
    clients: introspectionClients(settings),
    // MCP clients seldom send `application_type`. Native clients may change the port of a loopback redirect (RFC 8252 §7.3).
    clientDefaults: { application_type: 'native' },
    extraClientMetadata: {
      properties: ['software_id'],
      validator: (_ctx, _key, _value, metadata) => adaptClientMetadata(metadata as Record<string, unknown>),
    },
  };
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

const JWT_ACCESS_TOKEN = { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } } as const;

/** The client that may introspect. It has a secret, but neither grant types nor redirect URIs, so no user can sign in. */
function introspectionClients({ introspection }: DevServerSettings): ClientMetadata[] {
  if (!introspection) return [];
  const { clientId, clientSecret } = introspection;
  return [{ client_id: clientId, client_secret: clientSecret, grant_types: [], response_types: [], redirect_uris: [] }];
}

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>;

function resourceIndicators(
  { resources, accessTokenTtlSeconds, introspection }: DevServerSettings,
  errors: ProviderErrors,
): ResourceIndicators {
  const known = `the resources here are ${resources.map(({ resource }) => resource).join(', ')}`;
  return {
    enabled: true,
    useGrantedResource: () => true,
    defaultResource(_ctx, _client, oneOf) {
      const candidates = oneOf ?? resources.map(({ resource }) => resource);
      if (candidates.length === 1 && candidates[0] !== undefined) return candidates[0];
      throw new errors.InvalidTarget(`name one resource; ${known}`);
    },
    getResourceServerInfo(ctx, indicator) {
      const resource = findResource(resources, indicator);
      if (resource === undefined) throw new errors.InvalidTarget(`unknown resource ${indicator}; ${known}`);
      const unknown = unknownScope(ctx.oidc.requestParamScopes, resources);
      if (unknown !== undefined) throw new errors.InvalidScope('no resource here has this scope', unknown);
      return {
        scope: Object.keys(resource.scopes).join(' '),
        audience: resource.resource,
        accessTokenTTL: accessTokenTtlSeconds,
        ...(introspection ? { accessTokenFormat: 'opaque' as const } : JWT_ACCESS_TOKEN),
      };
    },
  };
}

/** Finds the configured resource that an indicator names. Spellings that a URL parser normalizes to one URL are equal. */
export function findResource(resources: readonly DevResource[], indicator: string): DevResource | undefined {
  const normal = (value: string): string => parseUrl(value)?.href ?? value;
  return resources.find(({ resource }) => normal(resource) === normal(indicator));
}

function unknownScope(requested: ReadonlySet<string>, resources: readonly DevResource[]): string | undefined {
  const isKnown = (scope: string): boolean =>
    Object.hasOwn(IDENTITY_SCOPES, scope) || resources.some(({ scopes }) => Object.hasOwn(scopes, scope));
  return [...requested].find((scope) => !isKnown(scope));
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
