import { McpAuthConfigError } from '../core/error.js';
import type { Product } from './product.js';

/**
 * Always throws, so that the start fails and not the first request: Google cannot be the authorization server of an MCP
 * server. Its access tokens are opaque and for Google's own APIs, and clients cannot get one for your server. Its ID tokens
 * are for the client that requested them, and do not replace access tokens.
 *
 * Let users sign in with Google at another authorization server, which then issues tokens for your server.
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
  // Empty if the question does not apply to this product.
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
