import { type CreateApp, startNotesServer } from './servers.js';

/** Runs a notes server until it is told to stop, and says how to meet it. */
export async function run(createApp: CreateApp): Promise<void> {
  const { resource, issuer, users, close } = await startNotesServer(createApp, {
    mcp: Number(process.env.PORT ?? 3000),
    authorizationServer: Number(process.env.AUTHORIZATION_SERVER_PORT ?? 4000),
  });

  console.log(`
  MCP server             ${resource}
  Authorization server   ${issuer}
  Sign in as             ${users.map(({ username, password }) => `${username} (password ${password})`).join(' or ')}

See a call without a token refused, and told where to get one:

  curl -i -X POST ${resource}

Open what that answer points to:

  ${new URL('/.well-known/oauth-protected-resource/mcp', resource)}

Add the server to an MCP client, which will then ask you to sign in:

  claude mcp add --transport http notes ${resource}

or, for clients with a configuration file:

  ${JSON.stringify({ mcpServers: { notes: { type: 'http', url: resource } } })}

Ctrl+C ends it.`);

  const stop = () => void close().finally(() => process.exit());
  process.once('SIGINT', stop).once('SIGTERM', stop);

  // Started by a demo: it is told the addresses, and when it ends, this ends.
  process.send?.({ resource, users });
  process.once('disconnect', stop);
}
