import type { Configuration, KoaContextWithOIDC, ResourceServer } from 'oidc-provider';
import type { DevServerSettings } from './dev-server.options.js';
import type { OidcProviderModule } from './oidc-provider.js';
import { parseUrl } from './parse-url.js';

/** Scopes that belong to no resource, with their descriptions for the consent page. */
export const IDENTITY_SCOPES: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'See your name',
  email: 'See your email address',
  offline_access: 'Stay connected while you are away',
};

/** The tokens of resources that verify them by themselves. */
export const JWT_ACCESS_TOKEN = { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } } as const;

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>;

/** What an identifier stands for, and the scopes there. */
interface Identified {
  readonly resource: string;
  readonly scopes: Readonly<Record<string, unknown>>;
}

/** For which resources there are tokens: users sign in for the resources, and clients that act for themselves may also name an API. */
export function resourceIndicators(
  settings: DevServerSettings,
  errors: OidcProviderModule['errors'],
): ResourceIndicators {
  const { resources, apis } = settings;
  return {
    enabled: true,
    useGrantedResource: () => true,
    defaultResource(ctx, _client, oneOf) {
      const known = (isForItself(ctx) ? apis : resources).map(({ resource }) => resource);
      const candidates = oneOf ?? known;
      if (candidates.length === 1 && candidates[0] !== undefined) return candidates[0];
      throw new errors.InvalidTarget(`name one resource; ${listed(known)}`);
    },
    getResourceServerInfo(ctx, indicator) {
      const known: readonly Identified[] = isForItself(ctx) ? [...apis, ...resources] : resources;
      const found = findResource(known, indicator);
      if (found === undefined) {
        const names = listed(known.map(({ resource }) => resource));
        throw new errors.InvalidTarget(`unknown resource ${indicator}; ${names}`);
      }
      // A user signs in for several resources at once, which share the scopes of the request.
      const unknown = unknownScope(ctx.oidc.requestParamScopes, isForItself(ctx) ? [found] : known);
      if (unknown !== undefined) throw new errors.InvalidScope('no resource here has this scope', unknown);
      return resourceServer(settings, found);
    },
  };
}

function resourceServer({ accessTokenTtlSeconds, introspection, apis }: DevServerSettings, found: Identified) {
  const isOpaque = introspection !== undefined && !apis.some((api) => api === found);
  const server: ResourceServer = {
    scope: Object.keys(found.scopes).join(' '),
    audience: found.resource,
    accessTokenTTL: accessTokenTtlSeconds,
    ...(isOpaque ? { accessTokenFormat: 'opaque' } : JWT_ACCESS_TOKEN),
  };
  return server;
}

const isForItself = (ctx: KoaContextWithOIDC): boolean => ctx.oidc.params?.['grant_type'] === 'client_credentials';

const listed = (resources: readonly string[]): string => `the resources here are ${resources.join(', ')}`;

/** Finds the configured resource that an indicator names. Spellings that a URL parser normalizes to one URL are equal. */
export function findResource<T extends Identified>(resources: readonly T[], indicator: string): T | undefined {
  const normal = (value: string): string => parseUrl(value)?.href ?? value;
  return resources.find(({ resource }) => normal(resource) === normal(indicator));
}

function unknownScope(requested: ReadonlySet<string>, resources: readonly Identified[]): string | undefined {
  const isKnown = (scope: string): boolean =>
    Object.hasOwn(IDENTITY_SCOPES, scope) || resources.some(({ scopes }) => Object.hasOwn(scopes, scope));
  return [...requested].find((scope) => !isKnown(scope));
}
