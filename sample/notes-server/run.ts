import { type CreateApp, type Settings, startNotesServer } from './servers.js';
import { untilStopped } from './until-stopped.js';

/** Where servers are looked for first. */
export const PREFERRED_PORTS = {
  mcp: Number(process.env.PORT ?? 3000),
  authorizationServer: Number(process.env.AUTHORIZATION_SERVER_PORT ?? 4000),
};

/** Runs a notes server until it is told to stop, and says how to meet it. */
export async function run(createApp: CreateApp, settings?: Settings): Promise<void> {
  const { resource, resources, issuer, users, close } = await startNotesServer(createApp, PREFERRED_PORTS, settings);
  const urls = Object.fromEntries(resources.map(({ name = 'mcp', resource: url }) => [name.toLowerCase(), url]));

  console.log(`
  MCP server             ${Object.values(urls).join('\n  and                    ')}
  Authorization server   ${issuer}
  Sign in as             ${users.map(({ username, password }) => `${username} (password ${password})`).join(' or ')}

See a call without a token refused, and told where to get one:

  curl -i -X POST ${resource}

Open what that answer points to:

  ${new URL(`/.well-known/oauth-protected-resource${new URL(resource).pathname}`, resource)}

Add the server to an MCP client, which will then ask you to sign in:

${Object.entries(urls)
  .map(([name, url]) => `  claude mcp add --transport http ${name} ${url}`)
  .join('\n')}

or, for clients with a configuration file:

  ${JSON.stringify({ mcpServers: Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, { type: 'http', url }])) })}

Ctrl+C ends it.`);

  untilStopped(close, { resource, resources: Object.values(urls), issuer, users });
}
