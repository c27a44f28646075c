import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * AuthKit of WorkOS, as the authorization server of MCP servers.
 *
 * `audience`: leave it out if your resource identifier is listed among the MCP resource indicators of the environment, byte
 * for byte. If none is listed, tokens name an audience of the whole environment.
 *
 * @throws {McpAuthConfigError} when the domain is not a bare host name.
 * @see https://workos.com/docs/authkit/mcp
 */
export function workos(options: {
  /** AuthKit domain, such as `acme.authkit.app`, or your custom domain. */
  authkitDomain: string;
}): IssuerPreset {
  const given = new PresetArguments('workos', options, ['authkitDomain']);
  const domain = given.host('authkitDomain', 'acme.authkit.app');
  given.check();
  return { issuer: `https://${domain}`, discovery: 'oauth' };
}

export const WORKOS: Product = {
  name: 'WorkOS',
  matches: ({ hostname }) => hostname.endsWith('.authkit.app'),
  preset: workos,
  advice: {
    audience: (resource) => `add ${resource} under Connect → Configuration → MCP resource indicators`,
    // https://workos.com/changelog/token-exchange-for-workos-connect
    exchange:
      'only a first-party Connect app exchanges tokens, for another resource that is registered; the grant is token-exchange',
    registration:
      'turn on Client ID Metadata Document or Dynamic Client Registration under Connect → Configuration → MCP Auth',
  },
  facts: {
    metadata: 'RFC 8414 at the root°',
    pkce: 'yes°',
    dynamicRegistration: 'opt-in°',
    clientMetadataDocuments: 'opt-in°',
    resourceIndicators: 'yes, from a list',
    responseIssuer: '?',
    accessToken: 'JWT°',
    tokenType: '?',
    introspection: 'yes°',
  },
  downstream: {
    grant: 'token-exchange',
    see: 'https://workos.com/docs/reference/workos-connect/token/token-exchange-grant',
    isAt: () => true,
    target: '`resource`, as it is registered',
  },
};
