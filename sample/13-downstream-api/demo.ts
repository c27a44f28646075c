import assert from 'node:assert/strict';
import type { Person } from '../demo-client/browser.js';
import { McpSession, signIn } from '../demo-client/mcp-session.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';

interface Servers {
  resource: string;
  apis: [string];
  users: [Person, Person];
}

interface Events {
  owner: string;
  calledBy: string;
  events: string[];
}

await show(({ step }) =>
  withServer<Servers>(new URL('main.js', import.meta.url), async ({ resource, apis: [calendar], users }) => {
    for (const user of users) {
      const name = user.username;
      const session = new McpSession(resource, user, { pin: '2026-07-28' });
      const list = () => session.call<Events>('list-events');

      await step(`${name} signs in to the MCP server`, () => signIn(session));

      await step('list-events without a consent: the client is told which scope to ask its user for', async () => {
        assert.equal(await session.needsUser(list), true);
        const scope = session.oauth.authorizationUrl?.searchParams.get('scope');
        assert.equal(scope, 'notes:read calendar');
        return [`the client asks for "${scope}"`, ...(await session.authorize())];
      });

      await step(`list-events: the calendar gets a token for itself, on behalf of ${name}`, async () => {
        const answer = await list();
        assert.deepEqual(answer, { owner: name, calledBy: 'notes-server', events: [`Lunch with ${name}`] });
        return [JSON.stringify(answer)];
      });

      await step('The calendar refuses the token of the MCP client', async () => {
        const token = session.oauth.tokens()?.access_token;
        const response = await fetch(calendar, { headers: { authorization: `Bearer ${token}` } });
        assert.equal(response.status, 401);
        return [`GET ${calendar} → ${response.status}`];
      });

      await session.close();
    }
  }),
);
