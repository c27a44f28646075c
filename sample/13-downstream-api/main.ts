import { randomUUID } from 'node:crypto';
import { createApp } from '../01-quick-start/app.js';
import { freePort } from '../notes-server/free-port.js';
import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { notesAt } from '../notes-server/servers.js';
import { AppModule } from './app.module.js';
import { CalendarModule } from './calendar.module.js';

const port = await freePort(0, console.warn);
const calendar = `http://127.0.0.1:${port}/calendar`;
const client = { clientId: 'notes-server', clientSecret: randomUUID() };
process.env.CALENDAR_URL = calendar;
process.env.CALENDAR_CLIENT_ID = client.clientId;
process.env.CALENDAR_CLIENT_SECRET = client.clientSecret;

await run(
  async () => {
    const api = await createApp(await platform(), CalendarModule, []);
    await api.listen(port, '127.0.0.1');
    console.log(`\n  Calendar               ${calendar}`);
    return createApp(await platform(), AppModule);
  },
  {
    resourcesAt: (origin) => {
      const notes = notesAt(`${origin}/mcp`);
      return [{ ...notes, scopes: { ...notes.scopes, calendar: 'See your calendar' } }];
    },
    // A user must allow the MCP client to see the calendar before the notes server gets a token for it.
    downstream: { client, apis: [{ resource: calendar, scopes: { 'calendar.read': ['calendar'] } }] },
  },
);
