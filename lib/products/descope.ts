import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

const DEFAULT_BASE_URL = 'https://api.descope.com';

/**
 * A project of Descope. Its tokens for MCP servers name the project as their issuer.
 *
 * `audience`: leave it out if the MCP Server in Descope has your resource identifier as its URL. Never set the project ID:
 * it is in every token of the project, so tokens for its other servers would be accepted here.
 *
 * Refuses tokens that name another issuer of the project (the MCP server itself, or a tenant with cross-app access). To
 * trust them, add another entry: `{ ...descope({ projectId }), issuer, discovery: 'oidc' }`.
 *
 * @throws {McpAuthConfigError} when an ID does not have Descope's format.
 * @see https://docs.descope.com/agentic-identity-hub/core-components/mcp-servers
 */
export function descope(options: {
  /** Such as `P2abcdefghijklmnopqrstuvwxyz`. */
  projectId: string;
  /**
   * ID of the MCP Server in Descope, such as `MS2abcdefghijklmnopqrstuvwxy`. If it is set, clients are sent to the metadata
   * of that server, which has its scopes and its registration; otherwise to the metadata of the project.
   */
  mcpServerId?: string;
  /** Base URL of another region, or of your custom domain. @default 'https://api.descope.com' */
  baseUrl?: string;
}): IssuerPreset {
  const given = new PresetArguments('descope', options, ['projectId', 'mcpServerId', 'baseUrl']);
  const base = given.has('baseUrl') ? given.url('baseUrl', DEFAULT_BASE_URL, '/v1/apps') : DEFAULT_BASE_URL;
  const project = given.text('projectId', /^P[0-9A-Za-z]+$/, {
    why: 'must be a project ID',
    write: 'Write the one of Project Settings, such as "P2abcdefghijklmnopqrstuvwxyz"',
  });
  const server = given.has('mcpServerId')
    ? given.text('mcpServerId', /^M[0-9A-Za-z]+$/, {
        why: 'must be the ID of an MCP server',
        write: 'Write the last part of its Issuer, such as "MS2abcdefghijklmnopqrstuvwxy"',
      })
    : undefined;
  given.check();
  const issuer = `${base}/v1/apps/${project}`;
  return {
    issuer,
    ...(server !== undefined && { advertisedIssuer: `${base}/v1/apps/agentic/${project}/${server}` }),
    discovery: { url: `${issuer}/.well-known/openid-configuration` },
    claims: { clientId: ['azp'] },
  };
}

export const DESCOPE: Product = {
  name: 'Descope',
  matches: ({ hostname, pathname }) => /(?:^|\.)descope\.com$/.test(hostname) && pathname.startsWith('/v1/apps/'),
  preset: descope,
  advice: {
    issuer: 'where the metadata of the MCP server names the project, leave mcpServerId out of descope()',
    audience: (resource) => `set ${resource} as the MCP Server URL of the MCP server`,
    registration: 'turn on Client ID Metadata Documents or Dynamic Client Registration of the MCP server',
  },
  facts: {
    metadata: 'OIDC appended',
    pkce: '?',
    dynamicRegistration: 'opt-in',
    clientMetadataDocuments: 'opt-in',
    resourceIndicators: 'by the URL of the MCP server°',
    responseIssuer: '?',
    accessToken: 'JWT',
    tokenType: '?',
    introspection: '?',
  },
};
