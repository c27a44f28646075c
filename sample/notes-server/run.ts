import { type CreateApp, type Settings, startNotesServer } from './servers.js';
import { untilStopped } from './until-stopped.js';

/** The preferred ports of the servers. */
export const PREFERRED_PORTS = {
  mcp: Number(process.env.PORT ?? 3000),
  authorizationServer: Number(process.env.AUTHORIZATION_SERVER_PORT ?? 4000),
};

/** Runs a notes server until Ctrl+C, and prints how to connect to it. */
export async function run(createApp: CreateApp, settings?: Settings): Promise<void> {
  const { resource, resources, issuer, users, close } = await startNotesServer(createApp, PREFERRED_PORTS, settings);
  const urls = Object.fromEntries(resources.map(({ name = 'mcp', resource: url }) => [name.toLowerCase(), url]));

  console.log(`
  MCP server             ${Object.values(urls).join('\n  and                    ')}
  Authorization server   ${issuer}
  Sign in as             ${users.map(({ username, password }) => `${username} (password ${password})`).join(' or ')}

Send a call without a token; the answer refuses it and says where to get one:

  curl -i -X POST ${resource}

Open the metadata that the answer names:

  ${new URL(`/.well-known/oauth-protected-resource${new URL(resource).pathname}`, resource)}

Add the server to an MCP client; the client then opens the sign-in page:

${Object.entries(urls)
  .map(([name, url]) => `  claude mcp add --transport http ${name} ${url}`)
  .join('\n')}

or, for clients with a configuration file:

  ${JSON.stringify({ mcpServers: Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, { type: 'http', url }])) })}

Ctrl+C ends it.`);

  const apis = settings?.downstream?.apis.map((api) => api.resource);
  untilStopped(close, { resource, resources: Object.values(urls), apis, issuer, users });
}
