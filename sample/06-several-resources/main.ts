import { createApp } from '../01-quick-start/app.js';
import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { notesAt } from '../notes-server/servers.js';
import { AppModule } from './app.module.js';
import { strategies } from './mcp-http.controllers.js';

const TASKS_SCOPES = { 'tasks:read': 'See what was done', 'tasks:finish': 'Say that a task is done' };

await run(async () => createApp(await platform(), AppModule, strategies), {
  resourcesAt: (origin) => [
    notesAt(`${origin}/notes/mcp`),
    { resource: `${origin}/tasks/mcp`, name: 'Tasks', scopes: TASKS_SCOPES },
  ],
});
