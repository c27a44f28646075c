import { oidcProvider, oidcProviderOpaque } from './oidc-provider.js';

/** Every product, by the name of its file and of its results, the quickest first. */
export const PRODUCTS = {
  'oidc-provider': oidcProvider,
  'oidc-provider-opaque': oidcProviderOpaque,
};
