// An authorization server for development: users sign in here for your MCP server, with publicly known passwords.
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';

try {
  process.loadEnvFile();
} catch {
  // Without a file .env, the variables come from the environment.
}
const { MCP_AUTH_RESOURCE: resource, MCP_AUTH_ISSUER: expected } = process.env;
if (!resource || !expected) {
  throw new Error(
    'MCP_AUTH_RESOURCE and MCP_AUTH_ISSUER are not set: copy .env.example to .env',
  );
}

const { issuer, users } = await startDevAuthorizationServer({
  port: Number(new URL(expected).port),
  resources: [
    {
      resource,
      // The scopes of your tools, as the consent page explains them.
      scopes: {
        'notes:read': 'Read your notes',
        'notes:write': 'Add and delete notes',
      },
    },
  ],
});
if (issuer !== expected) {
  throw new Error(
    `This server is ${issuer}, but MCP_AUTH_ISSUER is ${expected}: they have to be equal`,
  );
}

console.log(`Authorization server  ${issuer}`);
for (const { username, password } of users) {
  console.log(`Sign in as            ${username} (password ${password})`);
}
