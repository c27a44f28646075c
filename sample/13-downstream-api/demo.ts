import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { assertAnswered, callTool } from '../demo-client/plain-call.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';

interface Servers {
  resource: string;
  calendar: string;
  files: Record<'alice' | 'bob' | 'reader', string>;
}

await show(({ step }) =>
  withServer<Servers>(new URL('main.js', import.meta.url), async ({ resource, calendar, files }) => {
    const tokenOf = (name: keyof Servers['files']): Promise<string> => readFile(files[name], 'utf8');

    for (const user of ['alice', 'bob'] as const) {
      await step(`list-events: the calendar gets a token for itself, on behalf of ${user}`, async () => {
        const answer = await callTool(resource, 'list-events', { token: await tokenOf(user) });
        return assertAnswered(answer, { owner: user, calledBy: 'resource-server', events: [`Lunch with ${user}`] });
      });
    }

    await step('The calendar refuses the token of the caller', async () => {
      const token = await tokenOf('alice');
      const response = await fetch(calendar, { headers: { authorization: `Bearer ${token}` } });
      assert.equal(response.status, 401);
      return [`GET ${calendar} → ${response.status}`];
    });

    await step('list-events without a consent: the client is told which scope to ask its user for', async () => {
      const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list-events', arguments: {} } };
      const response = await fetch(resource, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${await tokenOf('reader')}`,
        },
        body: JSON.stringify(message),
      });
      const [challenge] = parseChallenges(response.headers.get('www-authenticate') ?? []);
      assert.equal(response.status, 403);
      assert.equal(challenge?.params['error'], 'insufficient_scope');
      assert.equal(challenge?.params['scope'], 'notes:read calendar');
      return [`POST /mcp  (tools/call list-events) → ${response.status}, scope="${challenge.params['scope']}"`];
    });
  }),
);
