import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { createApp } from '../01-quick-start/app.js';
import { platform } from '../notes-server/platform.js';
import { PREFERRED_PORTS } from '../notes-server/run.js';
import { startNotesServer } from '../notes-server/servers.js';
import { curl, writeTokenFiles } from '../notes-server/token-files.js';
import { untilStopped } from '../notes-server/until-stopped.js';
import { AppModule } from './app.module.js';
import { Tenants } from './tenants.service.js';

/**
 * The other issuers, simulated by the testing kit. The first issuer, where users sign in, is that of the quick start.
 */
const partner = await TestIssuer.start({ alg: 'ES256', path: '/partner' });
const tenant = await TestIssuer.start({ alg: 'EdDSA', path: '/tenants/acme' });
const stranger = await TestIssuer.start({ alg: 'EdDSA', path: '/tenants/acme' });
process.env.PARTNER_ISSUER = partner.issuer;

const { resource, issuer, users, close } = await startNotesServer(async () => {
  const app = await createApp(await platform(), AppModule);
  app.get(Tenants, { strict: false }).add(tenant.issuer);
  return app;
}, PREFERRED_PORTS);

/** All users are called alice. */
const good = {
  aud: resource,
  sub: 'alice',
  scope: 'notes:read notes:write',
  exp: Math.floor(Date.now() / 1000) + 3600,
};
const asPartner = {
  ...good,
  sub: undefined,
  scope: undefined,
  client_id: undefined,
  app: 'crm',
  user: { id: 'alice' },
};
const { files, remove } = await writeTokenFiles({
  partner: await partner.mint({ ...asPartner, scp: ['notes:read', 'notes:write'] }),
  tenant: await tenant.mint(good),
  stranger: await stranger.mint(good),
  partnerBySomeoneElse: await tenant.mint({ ...asPartner, iss: partner.issuer, scp: ['notes:read', 'notes:write'] }),
  partnerWithForeignClaims: await partner.mint({ ...asPartner, scope: 'notes:read notes:write' }),
});

console.log(`
  MCP server             ${resource}
  Authorization servers  ${issuer}
                         ${partner.issuer}
                         ${tenant.issuer} (of a tenant)
  Sign in as             ${users.map(({ username, password }) => `${username} (password ${password})`).join(' or ')}
  Tokens of others       ${Object.values(files).join('\n                         ')}

Call a tool with a token (the server refuses all but the first two):

  ${curl(resource, files.partner, 'whoami')}

Or add the server to an MCP client. The client opens the sign-in page of the first authorization server:

  claude mcp add --transport http notes ${resource}

Ctrl+C ends it, and removes the tokens.`);

untilStopped(() => Promise.all([close(), partner.close(), tenant.close(), stranger.close(), remove()]), {
  resource,
  users,
  files,
  issuers: [issuer, partner.issuer],
});
