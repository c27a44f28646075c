import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * Connected Apps of Stytch, consumer or B2B.
 *
 * `audience`: set the project ID, unless the Connected App has a custom audience, which may be your resource identifier.
 * The project ID is in the tokens of every Connected App of the project, whatever server they are for.
 *
 * @throws {McpAuthConfigError} when the domain is not a bare host name, or a project ID is set instead: the issuer that Stytch
 *   derives from it (`stytch.com/project-live-…`) is not a URL, so MCP clients cannot use it.
 * @see https://stytch.com/docs/connected-apps/guides/mcp-auth-overview
 */
export function stytch(options: {
  /** Project domain, such as `humble-otter-1234.customers.stytch.com`, or your custom domain. */
  domain: string;
}): IssuerPreset {
  const { projectId, ...others }: { readonly domain: string; readonly projectId?: unknown } = { ...options };
  const given = new PresetArguments('stytch', others, ['domain']);
  if (projectId !== undefined) {
    const why = 'an issuer such as "stytch.com/project-live-…" is not a URL, so that no MCP client finds its metadata';
    const write = 'Write the project domain as `domain`, and the project ID as `audience`';
    given.refuse('projectId', projectId, { why, write });
  }
  const domain = given.host('domain', 'humble-otter-1234.customers.stytch.com');
  given.check();
  return {
    issuer: `https://${domain}`,
    discovery: 'oauth',
    algorithms: ['RS256'],
    claims: { clientId: ['client_id'] },
  };
}

export const STYTCH: Product = {
  name: 'Stytch',
  matches: ({ hostname }) => /(?:^|\.)stytch\.com$/.test(hostname),
  preset: stytch,
  advice: {
    issuer: 'set up a custom domain for the project, and configure that',
    audience: () => 'set the project ID as the option audience, or a custom audience in the Connected App',
    registration: 'turn on metadata documents or dynamic registration under Connected Apps',
    responseIssuer: 'set up a custom domain for the project, without which the two issuers differ',
  },
  facts: {
    metadata: 'RFC 8414 and OIDC at the root°',
    pkce: '?',
    dynamicRegistration: 'opt-in',
    clientMetadataDocuments: 'opt-in',
    resourceIndicators: '?',
    responseIssuer: 'yes; differs from `iss` of tokens without a custom domain',
    accessToken: 'JWT',
    tokenType: '?',
    introspection: '?',
  },
};
