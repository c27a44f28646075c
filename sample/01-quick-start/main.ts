import { run } from '../notes-server/run.js';
import { createApp } from './app.js';

await run(createApp);
