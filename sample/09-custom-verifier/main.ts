import { createApp } from '../01-quick-start/app.js';
import { freePort } from '../notes-server/free-port.js';
import { platform } from '../notes-server/platform.js';
import { PREFERRED_PORTS } from '../notes-server/run.js';
import { curl, writeTokenFiles } from '../notes-server/token-files.js';
import { untilStopped } from '../notes-server/until-stopped.js';
import { AccessTokens } from './access-tokens.service.js';
import { AppModule } from './app.module.js';

const port = await freePort(PREFERRED_PORTS.mcp, console.warn);
const audience = `http://127.0.0.1:${port}/mcp`;
const issuer = 'https://accounts.example.com';
process.env.MCP_AUTH_RESOURCE = audience;
process.env.MCP_AUTH_ISSUER = issuer;

const app = await createApp(await platform(), AppModule);
await app.listen(port, '127.0.0.1');

/** Plays the operator of the in-house issuer. */
const tokens = app.get(AccessTokens);
const now = Math.floor(Date.now() / 1000);
const good = { issuer, audience, user: 'alice', scopes: ['notes:read', 'notes:write'], expiresAt: now + 3600 };
const { files, remove } = await writeTokenFiles({
  alice: tokens.issue(good),
  reader: tokens.issue({ ...good, user: 'bob', scopes: ['notes:read'] }),
  expired: tokens.issue({ ...good, expiresAt: now - 3600 }),
  elsewhere: tokens.issue({ ...good, audience: 'https://billing.example.com' }),
  untrusted: tokens.issue({ ...good, issuer: 'https://partner.example.com' }),
});

console.log(`
  MCP server             ${audience}
  Tokens                 ${Object.values(files).join('\n                         ')}

Call a tool with a token (the server refuses all but the first two):

  ${curl(audience, files.alice, 'whoami')}

Revoke it, and call again:

  curl -i -X DELETE ${new URL('/access-token', audience)} -H "Authorization: Bearer $(cat ${files.alice})"

Ctrl+C ends it, and removes the tokens.`);

untilStopped(() => Promise.all([app.close(), remove()]), { resource: audience, files });
