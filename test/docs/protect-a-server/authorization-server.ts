// #region authorization-server
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';

const { issuer, users } = await startDevAuthorizationServer({
  port: 4000,
  resources: [
    {
      resource: 'http://127.0.0.1:3000/mcp',
      name: 'Notes',
      scopes: { 'notes:read': 'Read your notes', 'notes:write': 'Add notes' },
    },
  ],
});
console.log(`${issuer}: sign in as ${users.map(({ username, password }) => `${username} (${password})`).join(' or ')}`);
// #endregion
