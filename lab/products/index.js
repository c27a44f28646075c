import { betterAuth } from './better-auth.js';
import { djangoOauthToolkit } from './django-oauth-toolkit.js';
import { hydra, hydraOpaque } from './hydra.js';
import { keycloak, keycloakCimd } from './keycloak.js';
import { spring } from './spring.js';
import { oidcProvider, oidcProviderOpaque } from './oidc-provider.js';

/** Every product, by the name of its file and of its results, the quickest first. */
export const PRODUCTS = {
  'oidc-provider': oidcProvider,
  'oidc-provider-opaque': oidcProviderOpaque,
  'better-auth': betterAuth,
  'django-oauth-toolkit': djangoOauthToolkit,
  spring,
  keycloak,
  'keycloak-cimd': keycloakCimd,
  hydra,
  'hydra-opaque': hydraOpaque,
};
