import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { assertAnswered, assertRefused, callTool } from '../demo-client/plain-call.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';

interface Servers {
  resource: string;
  files: Record<'alice' | 'reader' | 'expired' | 'elsewhere' | 'untrusted', string>;
}

await show(({ step }) =>
  withServer<Servers>(new URL('main.js', import.meta.url), async ({ resource, files }) => {
    const resource_metadata = new URL('/.well-known/oauth-protected-resource/mcp', resource).href;
    const invalid = { error: 'invalid_token', scope: 'notes:read', resource_metadata };
    const call = async (name: string, whose: keyof typeof files, args = {}) =>
      callTool(resource, name, { token: await readFile(files[whose], 'utf8'), args });

    await step('Without a token the server refuses', async () =>
      assertRefused(await callTool(resource, 'whoami'), 401, { scope: 'notes:read', resource_metadata }),
    );

    await step('whoami: the caller comes from the table', async () =>
      assertAnswered(await call('whoami', 'alice'), {
        subject: 'alice',
        client: '',
        scopes: ['notes:read', 'notes:write'],
      }),
    );

    await step('add-note: a token that may only read is refused', async () => {
      const refusal = { error: 'insufficient_scope', scope: 'notes:read notes:write', resource_metadata };
      return [
        ...assertRefused(await call('add-note', 'reader', { text: 'Mine' }), 403, refusal),
        ...assertAnswered(await call('list-notes', 'reader'), { notes: [] }),
      ];
    });

    for (const [whose, what] of [
      ['expired', 'that has expired'],
      ['elsewhere', 'for another service'],
      ['untrusted', 'of an issuer that is not trusted'],
    ] as const) {
      await step(`The verifier finds a token ${what}, which the library refuses`, async () =>
        assertRefused(await call('add-note', whose, { text: 'Not mine' }), 401, {
          ...invalid,
          scope: 'notes:read notes:write',
        }),
      );
    }

    await step('An invented token is refused: it is not in the table', async () =>
      assertRefused(await callTool(resource, 'whoami', { token: 'notes_made-up' }), 401, invalid),
    );

    await step('A revoked token is refused from the next request on', async () => {
      const before = assertAnswered(await call('list-notes', 'alice'), { notes: [] });
      const headers = { authorization: `Bearer ${await readFile(files.alice, 'utf8')}` };
      const revocation = await fetch(new URL('/access-token', resource), { method: 'DELETE', headers });
      assert.equal(revocation.status, 204);
      const after = assertRefused(await call('list-notes', 'alice'), 401, invalid);
      return [...before, `DELETE /access-token → ${revocation.status}`, ...after];
    });
  }),
);
