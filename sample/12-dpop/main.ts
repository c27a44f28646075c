import { randomBytes } from 'node:crypto';
import { createApp } from '../01-quick-start/app.js';
import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { AppModule } from './app.module.js';

/** In production, the environment contains it, the same for all replicas. */
process.env.DPOP_NONCE_SECRET = randomBytes(32).toString('hex');

await run(async () => createApp(await platform(), AppModule), { dpop: true });
