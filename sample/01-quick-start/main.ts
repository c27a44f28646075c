import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { createApp } from './app.js';

await run(async () => createApp(await platform()));
