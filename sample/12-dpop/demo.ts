import assert from 'node:assert/strict';
import { DpopSession } from '@modelcontextprotocol/client';
import type { Person } from '../demo-client/browser.js';
import { McpSession, signIn } from '../demo-client/mcp-session.js';
import { InMemoryOAuthProvider } from '../demo-client/oauth-provider.js';
import { assertRefused, callTool } from '../demo-client/plain-call.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';
import { describe } from '../demo-client/transcript.js';

interface Servers {
  resource: string;
  users: [Person, Person];
}

/** With a key, the SDK does the rest: proofs at both servers, the scheme DPoP, nonces. */
class BindingOAuthProvider extends InMemoryOAuthProvider {
  constructor(readonly key: DpopSession) {
    super();
  }

  async dpop(): Promise<DpopSession> {
    return this.key;
  }
}

await show(({ step }) =>
  withServer<Servers>(new URL('main.js', import.meta.url), async ({ resource, users: [alice] }) => {
    const resource_metadata = new URL('/.well-known/oauth-protected-resource/mcp', resource).href;
    const key = await DpopSession.create();
    const session = new McpSession(resource, alice, { pin: '2026-07-28' }, new BindingOAuthProvider(key));
    let token = '';

    /** The challenge without the algorithms, of which there are many. */
    const refused = (error: string, scope = 'notes:read') => ({ error, scope, resource_metadata });

    await step('The user signs in, and the client gets a token that is bound to its key', async () => {
      const did = await signIn(session);
      assert.equal(session.oauth.tokens()?.token_type.toLowerCase(), 'dpop');
      assert.deepEqual(session.oauth.tokenClaims['cnf'], { jkt: key.thumbprint });
      return [...did, `cnf: ${JSON.stringify(session.oauth.tokenClaims['cnf'])}`];
    });

    await step('The server asks for a nonce, and the client repeats its request with it', async () => {
      const exchanges = session.exchanges.take();
      const asked = exchanges.find(({ challenge }) => challenge?.error === 'use_dpop_nonce');
      assert.equal(asked?.status, 401);
      assert.equal(exchanges.at(-1)?.status, 200);
      assert(key.nonceFor(resource), 'the client has no nonce');
      return [...describe(asked), ...describe(exchanges.at(-1) ?? asked)];
    });

    await step('add-note: scopes and step-up work as without a key', async () => {
      assert(
        await session.needsUser(() => session.call('add-note', { text: 'Buy milk' })),
        'the client could write without the scope',
      );
      const refusal = session.exchanges.next();
      assert.equal(refusal.status, 403);
      const did = await session.authorize();
      await session.call('add-note', { text: 'Buy milk' });
      token = session.oauth.tokens()?.access_token ?? '';
      return [...describe(refusal), ...did];
    });

    const proofBy = (by: DpopSession): Promise<string> => {
      const nonce = key.nonceFor(resource);
      if (nonce !== undefined) by.rememberNonce(resource, nonce);
      return by.buildProof({ htm: 'POST', htu: resource, accessToken: token });
    };
    const list = (proof?: string) => callTool(resource, 'list-notes', { token, proof });

    await step('Somebody who has stolen the token cannot use it', async () =>
      assertRefused(await list(), 401, refused('invalid_token')),
    );

    await step('Nor with a key of their own', async () =>
      assertRefused(await list(await proofBy(await DpopSession.create())), 401, refused('invalid_token')),
    );

    const proof = await proofBy(key);

    await step('The client can, with a proof', async () => {
      const { notes } = (await list(proof)).result as { notes: { text: string }[] };
      assert.deepEqual(
        notes.map(({ text }) => text),
        ['Buy milk'],
      );
      return [JSON.stringify({ notes })];
    });

    await step('That very request is refused when it comes again', async () =>
      assertRefused(await list(proof), 401, refused('invalid_dpop_proof')),
    );

    await session.close();
  }),
);
