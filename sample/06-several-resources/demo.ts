import assert from 'node:assert/strict';
import type { Person } from '../demo-client/browser.js';
import { McpSession, signIn } from '../demo-client/mcp-session.js';
import { assertAnswered, assertRefused, callTool } from '../demo-client/plain-call.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';
import { describe } from '../demo-client/transcript.js';

interface Servers {
  resources: [notes: string, tasks: string];
  issuer: string;
  users: [Person, Person];
}

await show(({ step }) =>
  withServer<Servers>(
    new URL('main.js', import.meta.url),
    async ({ resources: [notes, tasks], issuer, users: [alice] }) => {
      const atNotes = new McpSession(notes, alice, { pin: '2026-07-28' });
      const atTasks = new McpSession(tasks, alice, { pin: '2026-07-28' });

      await step('Each of the two resources has its own metadata', async () => {
        assert.deepEqual(await metadataOf(notes), {
          resource: notes,
          authorization_servers: [issuer],
          resource_name: 'Notes',
          scopes_supported: ['notes:read'],
        });
        assert.deepEqual(await metadataOf(tasks), {
          resource: tasks,
          authorization_servers: [issuer],
          resource_name: 'Tasks',
          scopes_supported: ['tasks:read'],
        });
        return [metadataUrlOf(notes), metadataUrlOf(tasks)];
      });

      for (const [session, resource, scope] of [
        [atNotes, notes, 'notes:read'],
        [atTasks, tasks, 'tasks:read'],
      ] as const) {
        await step(
          `The user signs in for ${new URL(resource).pathname}: the token is for this resource only`,
          async () => {
            const did = await signIn(session);
            assert.equal(session.oauth.tokenClaims.aud, resource);
            assert.equal(session.oauth.tokenClaims.scope, scope);
            return [...did, `token: scope "${scope}", audience ${resource}`];
          },
        );
      }

      await step('Each token works at its own resource', async () => [
        ...assertAnswered(await callTool(notes, 'list-notes', { token: tokenOf(atNotes) }), { notes: [] }),
        ...assertAnswered(await callTool(tasks, 'list-done', { token: tokenOf(atTasks) }), { done: [] }),
      ]);

      await step('The other resource refuses it, with a challenge that leads to its own token', async () => [
        ...assertRefused(await callTool(tasks, 'list-done', { token: tokenOf(atNotes) }), 401, {
          error: 'invalid_token',
          scope: 'tasks:read',
          resource_metadata: metadataUrlOf(tasks),
        }),
        ...assertRefused(await callTool(notes, 'list-notes', { token: tokenOf(atTasks) }), 401, {
          error: 'invalid_token',
          scope: 'notes:read',
          resource_metadata: metadataUrlOf(notes),
        }),
      ]);

      await step('finish: a step-up asks for scopes of its own resource only', async () => {
        atTasks.exchanges.take();
        assert(
          await atTasks.needsUser(() => atTasks.call('finish', { task: 'Buy milk' })),
          'the client could finish without the scope',
        );
        const refusal = atTasks.exchanges.next();
        assert.equal(refusal.status, 403);
        assert.equal(refusal.challenge?.scope, 'tasks:read tasks:finish');
        assert.deepEqual(await atTasks.call('list-done'), { done: [] }, 'the refused call was carried out');
        const did = await atTasks.authorize();
        const answer = await atTasks.call('finish', { task: 'Buy milk' });
        assert.deepEqual(answer, { done: [{ task: 'Buy milk', by: alice.username }] });
        return [...describe(refusal), ...did, JSON.stringify(answer)];
      });

      await Promise.all([atNotes.close(), atTasks.close()]);
    },
  ),
);

function metadataUrlOf(resource: string): string {
  return new URL(`/.well-known/oauth-protected-resource${new URL(resource).pathname}`, resource).href;
}

async function metadataOf(resource: string): Promise<unknown> {
  const { bearer_methods_supported: _, ...metadata } = (await (await fetch(metadataUrlOf(resource))).json()) as Record<
    string,
    unknown
  >;
  return metadata;
}

function tokenOf({ oauth }: McpSession): string {
  return oauth.tokens()?.access_token ?? '';
}
