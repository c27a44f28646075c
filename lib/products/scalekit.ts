import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * An environment of Scalekit.
 *
 * `audience`: leave it out if the MCP server in Scalekit has your resource identifier as its Server URL. Otherwise set its
 * resource ID (`res_…`).
 *
 * Scalekit is changing the `iss` of its tokens from the environment to the MCP server. While tokens can have either, list
 * the preset twice, once with each `tokenIssuer`; both advertise the same server to clients.
 *
 * @throws {McpAuthConfigError} when the URL already names a resource, or a required resource ID is missing.
 * @see https://docs.scalekit.com/authenticate/mcp/quickstart/
 */
export function scalekit(options: {
  /** URL of the environment, such as `https://acme.scalekit.com`, or of your custom domain. */
  environmentUrl: string;
  /**
   * Resource ID of the MCP server in Scalekit, such as `res_92015146095`. If it is set, clients are sent to the metadata of
   * that server; the metadata of the environment has no registration.
   */
  resourceId?: string;
  /** The issuer that tokens name: the environment, or the MCP server. @default 'environment' */
  tokenIssuer?: 'environment' | 'resource';
}): IssuerPreset {
  const given = new PresetArguments('scalekit', options, ['environmentUrl', 'resourceId', 'tokenIssuer']);
  const environment = given.url('environmentUrl', 'https://acme.scalekit.com', '/resources/');
  const tokenIssuer = given.choice('tokenIssuer', ['environment', 'resource']);
  const resource =
    given.has('resourceId') || tokenIssuer === 'resource'
      ? given.text('resourceId', /^res_\w+$/, {
          why: 'must be a resource ID',
          write: 'Write the one of the MCP server, such as "res_92015146095"',
        })
      : undefined;
  given.check();
  const server = resource === undefined ? environment : `${environment}/resources/${resource}`;
  const issuer = tokenIssuer === 'resource' ? server : environment;
  return {
    issuer,
    ...(server !== issuer && { advertisedIssuer: server }),
    // Both issuers have the same keys, but the metadata names only one of the issuers.
    jwksUri: `${environment}/keys`,
    claims: { scopes: ['scope', 'scopes'], clientId: ['client_id'] },
  };
}

export const SCALEKIT: Product = {
  name: 'Scalekit',
  matches: ({ hostname }) => /(?:^|\.)scalekit\.(?:com|dev|cloud)$/.test(hostname),
  preset: scalekit,
  advice: {
    issuer: 'clients begin at <environment>/resources/<resource ID>, and tokens name the environment: use scalekit()',
    audience: (resource) => `set ${resource} as the Server URL of the MCP server`,
    registration: 'turn on dynamic registration and metadata documents of the MCP server',
  },
  facts: {
    metadata: 'RFC 8414 per MCP server; OIDC for the environment',
    pkce: 'yes°',
    dynamicRegistration: 'opt-in',
    clientMetadataDocuments: 'opt-in',
    resourceIndicators: 'by the Server URL of the MCP server',
    responseIssuer: '?',
    accessToken: 'JWT',
    tokenType: '`JWT`',
    introspection: '?',
  },
};
