import { randomBytes } from 'node:crypto';
import { createApp } from '../01-quick-start/app.js';
import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { AppModule } from './app.module.js';

/** The client with which this server introspects tokens. In production, the environment contains its secret. */
const introspection = { clientId: 'notes-server', clientSecret: randomBytes(32).toString('base64url') };
process.env.MCP_AUTH_INTROSPECTION_CLIENT_ID = introspection.clientId;
process.env.MCP_AUTH_INTROSPECTION_CLIENT_SECRET = introspection.clientSecret;

await run(async () => createApp(await platform(), AppModule), { introspection });
