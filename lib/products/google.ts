import { McpAuthConfigError } from '../core/error.js';
import type { Product } from './product.js';

/**
 * Google cannot be the authorization server of an MCP server, and this says so at the start instead of with the first
 * token: its access tokens are opaque, they are for Google's own APIs, and no client can have one issued for yours.
 * Its ID tokens are for the client that asked for them, and no substitute.
 *
 * Let users sign in with Google at another authorization server, which then issues tokens for this one.
 *
 * @throws {McpAuthConfigError} always.
 * @see https://cloud.google.com/docs/authentication/token-types
 */
export function google(): never {
  throw new McpAuthConfigError([
    {
      option: 'authorizationServers',
      seen: 'google()',
      why: "Google's access tokens are opaque, are meant for Google's own APIs, and cannot be issued for this server",
      write: 'Use an authorization server that lets users sign in with Google, such as keycloak() or auth0()',
    },
  ]);
}

export const GOOGLE: Product = {
  name: 'Google',
  matches: ({ hostname }) => hostname === 'accounts.google.com',
  preset: google,
  advice: {
    audience: () =>
      'it issues access tokens for its own APIs only: let users sign in with Google at another authorization server',
    registration:
      'it cannot be the authorization server of an MCP server: see its section in the guide to authorization servers',
  },
  // Empty where the question makes no sense for tokens of this product.
  facts: {
    metadata: '',
    pkce: '',
    dynamicRegistration: 'no°',
    clientMetadataDocuments: '?',
    resourceIndicators: '?',
    responseIssuer: '?',
    accessToken: 'opaque',
    tokenType: '',
    introspection: 'an endpoint of its own instead',
  },
};
