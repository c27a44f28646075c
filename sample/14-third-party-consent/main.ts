import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { startAcmeCode } from './acme-code.js';
import { createApp } from './app.js';

const acme = await startAcmeCode();

await run(async () => createApp(await platform(), acme));
