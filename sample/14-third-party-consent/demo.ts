import assert from 'node:assert/strict';
import { UrlElicitationRequiredError } from '@modelcontextprotocol/client';
import { type Person, ScriptedBrowser } from '../demo-client/browser.js';
import { McpSession, signIn } from '../demo-client/mcp-session.js';
import { InMemoryOAuthProvider } from '../demo-client/oauth-provider.js';
import { withServer } from '../demo-client/server-process.js';
import { show } from '../demo-client/show.js';

interface Servers {
  resource: string;
  users: [Person, Person];
}

await show(({ step }) =>
  withServer<Servers>(new URL('main.js', import.meta.url), async ({ resource, users: [alice, bob] }) => {
    const browsers = { alice: new ScriptedBrowser(alice), bob: new ScriptedBrowser(bob) };
    const session = new McpSession(resource, alice, 'legacy');
    const list = () => session.call<{ repositories: string[] }>('list-repositories');
    let link = new URL(resource);

    await step('alice signs in to the MCP server', () => signIn(session));

    await step('list-repositories: the server needs her consent at Acme Code, and answers with a link', async () => {
      const error = await list().then(
        () => assert.fail('the tool ran without consent'),
        (thrown: unknown) => thrown,
      );
      assert(error instanceof UrlElicitationRequiredError);
      const [elicitation] = error.elicitations;
      assert(elicitation);
      link = new URL(elicitation.url);
      return [`${error.code}: ${elicitation.message}`, `${link.origin}${link.pathname}?consent=…`];
    });

    await step('bob opens her link: the page refuses, and he reaches nothing of hers', async () => {
      const { status, did } = await browsers.bob.open(link);
      assert.equal(status, 403);
      return [...did, `answered ${status}`];
    });

    await step('alice opens it: she signs in, agrees, and allows it at Acme Code', async () => {
      const { status, text, did } = await browsers.alice.open(link);
      assert.equal(status, 200);
      return [...did, text];
    });

    await step('list-repositories answers with hers', async () => {
      const { repositories } = await list();
      assert.deepEqual(repositories, ['alice/website', 'alice/dotfiles']);
      return repositories;
    });

    await step('her link leads nowhere a second time', async () => {
      const { status } = await browsers.alice.open(link);
      assert.equal(status, 400);
      return [`answered ${status}`];
    });

    await session.close();

    const asked: string[] = [];
    const modern = new McpSession(
      resource,
      bob,
      { pin: '2026-07-28' },
      new InMemoryOAuthProvider(),
      async (url, message) => {
        const { did } = await browsers.bob.open(url);
        asked.push(message, ...did);
        return 'accept';
      },
    );

    await step('MCP 2026-07-28: the client of bob opens the link, and repeats the call by itself', async () => {
      await signIn(modern);
      const { repositories } = await modern.call<{ repositories: string[] }>('list-repositories');
      assert.deepEqual(repositories, ['bob/website', 'bob/dotfiles']);
      return [...asked, ...repositories];
    });

    await modern.close();
  }),
);
