import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { Person } from '../demo-client/browser.js';
import { McpSession, signIn } from '../demo-client/mcp-session.js';
import { assertAnswered, assertRefused, callTool } from '../demo-client/plain-call.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';

interface Servers {
  resource: string;
  issuers: string[];
  users: [Person, Person];
  files: Record<'partner' | 'tenant' | 'stranger' | 'partnerBySomeoneElse' | 'partnerWithForeignClaims', string>;
}

await show(({ step }) =>
  withServer<Servers>(new URL('main.js', import.meta.url), async ({ resource, issuers, users: [alice], files }) => {
    const resource_metadata = new URL('/.well-known/oauth-protected-resource/mcp', resource).href;
    const both = 'notes:read notes:write';
    const session = new McpSession(resource, alice, { pin: '2026-07-28' });
    const call = async (name: string, whose: keyof typeof files, args = {}) =>
      callTool(resource, name, { token: await readFile(files[whose], 'utf8'), args });

    await step('The metadata names both authorization servers, and no tenant', async () => {
      const metadata = (await (await fetch(resource_metadata)).json()) as { authorization_servers: string[] };
      assert.deepEqual(metadata.authorization_servers, issuers);
      return metadata.authorization_servers;
    });

    await step('alice signs in at the first authorization server', async () => {
      const did = await signIn(session);
      const caller = await session.call<{ subject: string }>('whoami');
      assert.equal(caller.subject, 'alice');
      return [...did, JSON.stringify(caller)];
    });

    await step('The alice of the partner has a token with another algorithm and other claims', async () =>
      assertAnswered(await call('whoami', 'partner'), { subject: 'alice', client: 'crm', scopes: both.split(' ') }),
    );

    await step('The alice of a tenant is accepted: the application looks her issuer up', async () =>
      assertAnswered(await call('whoami', 'tenant'), {
        subject: 'alice',
        client: 'test-client',
        scopes: both.split(' '),
      }),
    );

    await step('They are three users: no user sees a note of another', async () => {
      const added = await call('add-note', 'partner', { text: 'Call the customer' });
      assert.equal(added.status, 200);
      assert.deepEqual(await session.call('list-notes'), { notes: [] });
      return [
        ...assertAnswered(await call('list-notes', 'tenant'), { notes: [] }),
        ...assertAnswered(await call('list-notes', 'partner'), { notes: [added.result] }),
      ];
    });

    for (const [whose, what] of [
      ['stranger', 'An issuer that only looks like that of a tenant is refused'],
      ['partnerBySomeoneElse', 'A token in the name of the partner, signed by a tenant, is refused'],
    ] as const) {
      await step(what, async () =>
        assertRefused(await call('add-note', whose, { text: 'Forged' }), 401, {
          error: 'invalid_token',
          scope: both,
          resource_metadata,
        }),
      );
    }

    await step('Claims of one issuer mean nothing from the other', async () => {
      const answer = await call('add-note', 'partnerWithForeignClaims', { text: 'Forged' });
      return assertRefused(answer, 403, { error: 'insufficient_scope', scope: both, resource_metadata });
    });

    await step('The refused calls have written nothing', async () => {
      assert.deepEqual(await session.call('list-notes'), { notes: [] });
      const { result } = await call('list-notes', 'partner');
      assert.equal((result as { notes: unknown[] }).notes.length, 1);
      return assertAnswered(await call('list-notes', 'tenant'), { notes: [] });
    });

    await session.close();
  }),
);
