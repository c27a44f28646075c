import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { createApp, freePort } from './app';

/** Starts the notes server, and a development authorization server in place of yours. */
async function main(): Promise<void> {
  const port = await freePort(Number(process.env.PORT ?? 3000)).catch(() => freePort());
  const resource = `http://127.0.0.1:${port}/mcp`;
  const { issuer, users } = await startDevAuthorizationServer({
    port: Number(process.env.AUTHORIZATION_SERVER_PORT ?? 4000),
    resources: [
      { resource, name: 'Notes', scopes: { 'notes:read': 'Read your notes', 'notes:write': 'Add and delete notes' } },
    ],
  });
  const app = await createApp(resource, issuer);
  await app.listen(port, '127.0.0.1');

  console.log(`
  MCP server             ${resource}
  Authorization server   ${issuer}
  Sign in as             ${users.map(({ username, password }) => `${username} (password ${password})`).join(' or ')}

Add the server to an MCP client, which will then ask you to sign in:

  claude mcp add --transport http notes ${resource}

Ctrl+C ends it.`);

  // A check started this process: send it the addresses, and end when it ends.
  process.send?.({ resource, users });
  process.once('disconnect', () => process.exit());
}

void main();
