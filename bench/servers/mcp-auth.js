/** `bearerAuth` as in the documentation of mcp-auth, with the audience, which its user must configure. */
import { MCPAuth } from 'mcp-auth';

export default ({ resource, issuer }) => {
  const mcpAuth = new MCPAuth({
    protectedResources: [{ metadata: { resource, authorizationServers: [{ issuer, type: 'oauth' }] } }],
  });
  return { middleware: mcpAuth.bearerAuth('jwt', { resource, audience: resource }) };
};
