import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { exportJWK, generateKeyPair } from 'jose';
import type Provider from 'oidc-provider';
import type { Configuration, ErrorOut, JWK, KoaContextWithOIDC } from 'oidc-provider';
import type { DevResource, DevServerSettings } from './dev-server.options.js';
import { IssuedTokens } from './issued-tokens.js';
import type { GrantHelpers, OidcProviderModule } from './oidc-provider.js';
import { pageHeaders } from './page-response.js';
import { renderError } from './pages.js';
import { providerConfiguration, ROUTES } from './provider-configuration.js';
import { findResource } from './resources.js';
import { TokenExchange } from './token-exchange.js';

export async function generateSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: randomUUID() };
}

/** What a provider is made of. */
export interface ProviderParts {
  readonly peer: OidcProviderModule;
  /** Undefined if tokens are never exchanged, or never bound to keys. */
  readonly helpers: GrantHelpers | undefined;
  readonly settings: DevServerSettings;
  readonly signingKey: JWK;
}

/** Creates the provider for one issuer. It does not write to the console, and reports failures to `onNotice`. */
export function createProvider(issuer: string, { peer, helpers, settings, signingKey }: ProviderParts): Provider {
  const provider = new peer.Provider(
    issuer,
    providerConfiguration({
      settings,
      errors: peer.errors,
      signingKey,
      cookieSuffix: new URL(issuer).port,
      renderError: sendError,
    }),
  );
  provider.use(completeScope(settings));
  provider.use(advertiseScopes(settings));
  provider.use(nameForbiddenGrants());
  if (settings.clients.length > 0) {
    const issued = new IssuedTokens(provider, signingKey);
    new TokenExchange({ provider, errors: peer.errors, settings, issued, helpers }).register();
  }
  const tell = (error: Error): void => settings.onNotice(`the authorization server failed: ${error.message}`);
  provider.on('server_error', (_ctx, error) => tell(error));
  (provider as EventEmitter).on('error', tell);
  return provider;
}

type Middleware = Parameters<Provider['use']>[0];

/**
 * Adds all scopes of the resource to a request without scopes (RFC 6749 §3.3 lets the server choose the default). MCP clients
 * send such requests if neither challenge nor metadata names a scope. The user still sees each scope on the consent page.
 *
 * Adds `openid` if `offline_access` would be the only scope: the provider refuses a grant without any other scope, and a
 * resource may have no scopes.
 */
function completeScope({ resources }: DevServerSettings): Middleware {
  return async (ctx, next) => {
    if (ctx.path === ROUTES.authorization) {
      const { scope, resource } = ctx.query;
      const asked = [scope ?? []].flat().join(' ').split(' ').filter(Boolean);
      const scopes = asked.length > 0 ? asked : scopesOf(resources, resource);
      const isEnough = scopes.some((name) => name !== 'offline_access');
      ctx.query = { ...ctx.query, scope: [...(isEnough ? [] : ['openid']), ...scopes].join(' ') };
    }
    await next();
  };
}

function scopesOf(known: readonly DevResource[], requested: string | string[] | undefined): string[] {
  const indicators = requested === undefined ? known.map(({ resource }) => resource) : [requested].flat();
  return [...new Set(indicators.flatMap((indicator) => Object.keys(findResource(known, indicator)?.scopes ?? {})))];
}

/** Adds the scopes of the resources to the metadata. The provider lists only scopes that belong to no resource. */
function advertiseScopes({ resources }: DevServerSettings): Middleware {
  return async (ctx, next) => {
    await next();
    const body = ctx.body as { scopes_supported?: string[] } | undefined;
    if (!ctx.path.startsWith('/.well-known/') || body?.scopes_supported === undefined) return;
    const scopes = resources.flatMap((resource) => Object.keys(resource.scopes));
    body.scopes_supported = [...new Set([...body.scopes_supported, ...scopes])];
  };
}

/** Answers `unauthorized_client` to a client that may not use a grant (RFC 6749 §5.2). The provider says `invalid_request`. */
function nameForbiddenGrants(): Middleware {
  return async (ctx, next) => {
    await next();
    if (ctx.path !== ROUTES.token || ctx.status !== 400) return;
    const { client, params } = (ctx as KoaContextWithOIDC).oidc;
    const grant = params?.['grant_type'];
    const body = ctx.body as { error?: string } | undefined;
    const isForbidden = client !== undefined && typeof grant === 'string' && !client.grantTypeAllowed(grant);
    if (body?.error === 'invalid_request' && isForbidden) body.error = 'unauthorized_client';
  };
}

const sendError: NonNullable<Configuration['renderError']> = (ctx: KoaContextWithOIDC, out: ErrorOut, error) => {
  ctx.set(pageHeaders());
  ctx.body = renderError({
    title: 'This request cannot be answered',
    code: out.error,
    details: errorDetails(out, error),
  });
};

/** The details that oidc-provider keeps for logs. The page shows them to the developer. They contain no token or code. */
function errorDetails({ error_description: description, scope }: ErrorOut, cause: Error): string[] {
  const detail = 'error_detail' in cause && typeof cause.error_detail === 'string' ? cause.error_detail : undefined;
  const hint =
    detail === 'client not found' &&
    'This server forgets every client when it stops: a client that registered before has to register again.';
  const lines = [description, detail, ...causes(cause), scope && `Scope: ${scope}`, hint];
  return [...new Set(lines.filter((line): line is string => Boolean(line)))];
}

/** The messages of the causes of an error, outermost first: "fetch failed" alone does not say why a document cannot be read. */
function causes(error: Error): string[] {
  return error.cause instanceof Error ? [error.cause.message, ...causes(error.cause)] : [];
}
