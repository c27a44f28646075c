import assert from 'node:assert/strict';
import type { Person } from '../demo-client/browser.js';
import { McpSession, signIn } from '../demo-client/mcp-session.js';
import { assertRefused, callTool } from '../demo-client/plain-call.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';
import { describe } from '../demo-client/transcript.js';

interface Servers {
  resource: string;
  issuer: string;
  users: [Person, Person];
}

await show(({ step }) =>
  withServer<Servers>(new URL('main.js', import.meta.url), async ({ resource, issuer, users: [alice] }) => {
    const resource_metadata = new URL('/.well-known/oauth-protected-resource/mcp', resource).href;
    const session = new McpSession(resource, alice, { pin: '2026-07-28' });

    await step('The user signs in, as in the quick start, and the client gets an opaque token', async () => {
      const did = await signIn(session);
      assert.doesNotMatch(tokenOf(session), /\./);
      return did;
    });

    await step('whoami: the authorization server has said who the caller is', async () => {
      const caller = await session.call<{ subject: string; scopes: string[] }>('whoami');
      assert.equal(caller.subject, alice.username);
      assert.deepEqual(caller.scopes, ['notes:read']);
      return [JSON.stringify(caller)];
    });

    await step('add-note: scopes and step-up work as with a JWT', async () => {
      session.exchanges.take();
      assert(
        await session.needsUser(() => session.call('add-note', { text: 'Buy milk' })),
        'the client could write without the scope',
      );
      const refusal = session.exchanges.next();
      assert.equal(refusal.status, 403);
      assert.equal(refusal.challenge?.scope, 'notes:read notes:write');
      const did = await session.authorize();
      await session.call('add-note', { text: 'Buy milk' });
      const { notes } = await session.call<{ notes: unknown[] }>('list-notes');
      assert.equal(notes.length, 1, 'the refused call wrote a note');
      return [...describe(refusal), ...did, JSON.stringify({ notes })];
    });

    const token = tokenOf(session);

    await step('The token works for plain requests, until the client revokes it', async () => {
      const before = await callTool(resource, 'whoami', { token });
      assert.equal(before.status, 200);
      const body = new URLSearchParams({ token, client_id: session.oauth.clientInformation()?.client_id ?? '' });
      const revocation = await fetch(`${issuer}/revoke`, { method: 'POST', body });
      assert.equal(revocation.status, 200);
      return [...describe(before), `POST /revoke → ${revocation.status}`];
    });

    await step('The revoked token is refused, although it has not expired', async () => {
      const refusal = { error: 'invalid_token', scope: 'notes:read notes:write', resource_metadata };
      return assertRefused(await callTool(resource, 'add-note', { token, args: { text: 'Too late' } }), 401, refusal);
    });

    await step('An invented token is refused as well', async () => {
      const refusal = { error: 'invalid_token', scope: 'notes:read', resource_metadata };
      return assertRefused(await callTool(resource, 'whoami', { token: 'made-up' }), 401, refusal);
    });

    await step('The user signs in again: the refused call has written nothing', async () => {
      const again = new McpSession(resource, alice, { pin: '2026-07-28' });
      const did = await signIn(again);
      const { notes } = await again.call<{ notes: { text: string }[] }>('list-notes');
      assert.deepEqual(
        notes.map(({ text }) => text),
        ['Buy milk'],
      );
      await again.close();
      return [...did, JSON.stringify({ notes })];
    });

    await session.close();
  }),
);

function tokenOf({ oauth }: McpSession): string {
  return oauth.tokens()?.access_token ?? '';
}
