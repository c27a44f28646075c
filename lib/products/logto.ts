import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * A tenant of Logto, in its cloud or self-hosted.
 *
 * `audience`: leave it out if the API identifier of the API resource in Logto is your resource identifier, byte for byte. A
 * client that sends no `resource` gets an opaque token, unless the tenant has a default API resource.
 *
 * @throws {McpAuthConfigError} when the endpoint already ends in `/oidc`.
 * @see https://docs.logto.io/authorization/validate-access-tokens
 */
export function logto(options: {
  /** Endpoint of the tenant, such as `https://acme.logto.app`, or your custom domain. */
  endpoint: string;
}): IssuerPreset {
  const given = new PresetArguments('logto', options, ['endpoint']);
  const issuer = `${given.url('endpoint', 'https://acme.logto.app', '/oidc')}/oidc`;
  given.check();
  return {
    issuer,
    discovery: { url: `${issuer}/.well-known/openid-configuration` },
    claims: { clientId: ['client_id'] },
  };
}

export const LOGTO: Product = {
  name: 'Logto',
  matches: ({ hostname, pathname }) => hostname.endsWith('.logto.app') && pathname === '/oidc',
  preset: logto,
  advice: {
    audience: (resource) => `create an API resource with the identifier ${resource}, and let the client send resource`,
    registration: 'create a Dynamic app under Applications → Third-party apps, for clients with metadata documents',
    exchange:
      'turn on token exchange of the application of your server, a machine-to-machine or traditional web app; it exchanges tokens of first-party applications only, and not those of third-party apps; the grant is token-exchange',
  },
  facts: {
    metadata: 'OIDC appended',
    pkce: '?',
    dynamicRegistration: '?',
    clientMetadataDocuments: 'opt-in',
    resourceIndicators: 'yes',
    responseIssuer: '?',
    accessToken: 'JWT for an API resource, else opaque',
    tokenType: '?',
    introspection: '?',
  },
  downstream: {
    grant: 'token-exchange',
    see: 'https://docs.logto.io/developers/service-to-service-delegation',
    isAt: () => true,
    target: '`resource`, its API identifier',
  },
};
