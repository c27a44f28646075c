import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { createApp } from '../01-quick-start/app.js';
import { freePort } from '../notes-server/free-port.js';
import { platform } from '../notes-server/platform.js';
import { PREFERRED_PORTS } from '../notes-server/run.js';
import { curl, writeTokenFiles } from '../notes-server/token-files.js';
import { untilStopped } from '../notes-server/until-stopped.js';
import { AppModule } from './app.module.js';
import { CalendarModule } from './calendar.module.js';

/** An authorization server that exchanges tokens. It is for tests only: it issues every token that is asked for. */
const issuer = await TestIssuer.start({ tokenEndpoint: true });
const port = await freePort(PREFERRED_PORTS.mcp, console.warn);
const calendarPort = await freePort(0, console.warn);
const resource = `http://127.0.0.1:${port}/mcp`;
const calendar = `http://127.0.0.1:${calendarPort}/calendar`;
process.env.MCP_AUTH_RESOURCE = resource;
process.env.MCP_AUTH_ISSUER = issuer.issuer;
process.env.CALENDAR_URL = calendar;
process.env.CALENDAR_CLIENT_ID = issuer.tokenClient.clientId;
process.env.CALENDAR_CLIENT_SECRET = issuer.tokenClient.clientSecret;

/** This authorization server wants a consent to the calendar, which a token of the MCP server shows by its scope. */
issuer.answerToken = (right, form) => {
  const [, payload = ''] = form.get('subject_token')?.split('.') ?? [];
  const { scope = '' } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { scope?: string };
  return scope.split(' ').includes('calendar') ? right : Response.json({ error: 'consent_required' }, { status: 400 });
};

const api = await createApp(await platform(), CalendarModule, []);
await api.listen(calendarPort, '127.0.0.1');
const app = await createApp(await platform(), AppModule);
await app.listen(port, '127.0.0.1');

const good = { aud: resource, exp: Math.floor(Date.now() / 1000) + 3600, scope: 'notes:read calendar' };
const { files, remove } = await writeTokenFiles({
  alice: await issuer.mint({ ...good, sub: 'alice' }),
  bob: await issuer.mint({ ...good, sub: 'bob' }),
  reader: await issuer.mint({ ...good, sub: 'carol', scope: 'notes:read' }),
});

console.log(`
  MCP server             ${resource}
  Calendar               ${calendar}
  Authorization server   ${issuer.issuer}
  Tokens                 ${Object.values(files).join('\n                         ')}

Call a tool that calls the calendar (the third token gets a challenge):

  ${curl(resource, files.alice, 'list-events')}

The calendar itself refuses this token:

  curl -i ${calendar} -H "Authorization: Bearer $(cat ${files.alice})"

Ctrl+C ends it, and removes the tokens.`);

untilStopped(() => Promise.all([app.close(), api.close(), issuer.close(), remove()]), { resource, calendar, files });
