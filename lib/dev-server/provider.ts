import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { exportJWK, generateKeyPair } from 'jose';
import type Provider from 'oidc-provider';
import type { Configuration, ErrorOut, JWK, KoaContextWithOIDC } from 'oidc-provider';
import type { DevResource, DevServerSettings } from './dev-server.options.js';
import type { OidcProviderModule } from './oidc-provider.js';
import { pageHeaders } from './page-response.js';
import { renderError } from './pages.js';
import { findResource, providerConfiguration, ROUTES } from './provider-configuration.js';

export async function generateSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: randomUUID() };
}

/** The provider for one issuer, silent on the console; what fails inside is told to `onNotice`. */
export function createProvider(
  peer: OidcProviderModule,
  issuer: string,
  settings: DevServerSettings,
  signingKey: JWK,
): Provider {
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
  const tell = (error: Error): void => settings.onNotice(`the authorization server failed: ${error.message}`);
  provider.on('server_error', (_ctx, error) => tell(error));
  (provider as EventEmitter).on('error', tell);
  return provider;
}

type Middleware = Parameters<Provider['use']>[0];

/**
 * A request that names no scope asks for all scopes of the resource (RFC 6749 §3.3 leaves the default to the server), as
 * MCP clients do when neither challenge nor metadata names one. The user still sees each on the consent page.
 *
 * Where that leaves nothing to allow but `offline_access`, which says nothing about the user, `openid` is added: the provider
 * refuses a grant without any scope, and a resource may have none.
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

/** Adds the resources' scopes to the metadata; the provider lists only those that belong to no resource. */
function advertiseScopes({ resources }: DevServerSettings): Middleware {
  return async (ctx, next) => {
    await next();
    const body = ctx.body as { scopes_supported?: string[] } | undefined;
    if (!ctx.path.startsWith('/.well-known/') || body?.scopes_supported === undefined) return;
    const scopes = resources.flatMap((resource) => Object.keys(resource.scopes));
    body.scopes_supported = [...new Set([...body.scopes_supported, ...scopes])];
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

/** The details that oidc-provider keeps for logs are shown: the reader is the developer. They hold no token or code. */
function errorDetails({ error_description: description, scope }: ErrorOut, cause: Error): string[] {
  const detail = 'error_detail' in cause && typeof cause.error_detail === 'string' ? cause.error_detail : undefined;
  const hint =
    detail === 'client not found' &&
    'This server forgets every client when it stops: a client that registered before has to register again.';
  const lines = [description, detail, ...causes(cause), scope && `Scope: ${scope}`, hint];
  return [...new Set(lines.filter((line): line is string => Boolean(line)))];
}

/** What lies behind an error, outermost first: "fetch failed" alone says nothing about a document that could not be read. */
function causes(error: Error): string[] {
  return error.cause instanceof Error ? [error.cause.message, ...causes(error.cause)] : [];
}
