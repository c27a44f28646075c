import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';

/**
 * AuthKit of WorkOS, as authorization server of MCP servers.
 *
 * `audience`: nothing to set where your resource identifier is listed among the MCP resource indicators of the
 * environment, byte for byte. Where none is listed, tokens carry an audience of the whole environment.
 *
 * @throws {McpAuthConfigError} when the domain is no bare host name.
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
