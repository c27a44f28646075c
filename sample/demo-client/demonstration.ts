import assert from 'node:assert/strict';
import type { VersionNegotiationMode } from '@modelcontextprotocol/client';
import type { Person } from './browser.js';
import { McpSession, type Session, signIn } from './mcp-session.js';
import { withServer } from './server-process.js';
import { show } from './show.js';
import { describe, type Transcript } from './transcript.js';

interface Servers {
  resource: string;
  users: [Person, Person];
}

interface Note {
  id: string;
  text: string;
}

/** Options that make the client use a revision of the protocol. */
const MODES = {
  '2025-11-25': 'legacy',
  '2026-07-28': { pin: '2026-07-28' },
} satisfies Record<string, VersionNegotiationMode>;

type Revision = keyof typeof MODES;

/** Creates the client of one user. Its library handles authorization itself. */
type NewSession = (url: string, person: Person, revision: Revision) => Session;

const withCurrentClient: NewSession = (url, person, revision) => new McpSession(url, person, MODES[revision]);

class Demonstration {
  readonly #metadataUrl: string;
  readonly #session: Session;
  #added: Note | undefined;

  constructor(
    private readonly revision: Revision,
    private readonly servers: Servers,
    private readonly newSession: NewSession,
    private readonly transcript: Transcript,
  ) {
    this.#metadataUrl = new URL('/.well-known/oauth-protected-resource/mcp', servers.resource).href;
    this.#session = newSession(servers.resource, servers.users[0], revision);
  }

  async run(): Promise<void> {
    this.transcript.chapter(`MCP ${this.revision}`);
    await this.signIn();
    await this.read();
    await this.stepUp();
    await this.someoneElse();
    await this.#session.close();
  }

  private async signIn(): Promise<void> {
    const { step } = this.transcript;
    const session = this.#session;

    await step('Without a token the server refuses, and says where to get one', async () => {
      assert(await session.needsUser(() => session.connect()), 'the client connected without a token');
      const refusal = session.exchanges.next();
      assert.equal(refusal.status, 401);
      assert.deepEqual(refusal.challenge, { scope: 'notes:read', resource_metadata: this.#metadataUrl });
      return describe(refusal);
    });

    await step('The client reads the metadata: resource, authorization server, registration', () => {
      const followed = session.exchanges.take();
      const [resource] = followed;
      const registration = followed.at(-1);
      assert.equal(resource?.url.href, this.#metadataUrl);
      assert.equal(resource.status, 200);
      assert.equal(registration?.method, 'POST');
      assert.equal(registration.status, 201);
      return followed.flatMap(describe);
    });

    await step('The client sends the user to sign in, for this resource and the scopes of the challenge', () => {
      const parameters = session.oauth.authorizationUrl?.searchParams;
      assert.equal(parameters?.get('scope'), 'notes:read');
      assert.equal(parameters.get('resource'), this.servers.resource);
      assert.equal(parameters.get('code_challenge_method'), 'S256');
      return ['scope', 'resource', 'code_challenge_method'].map((name) => `${name}=${parameters.get(name)}`);
    });

    await step('The user signs in and consents, and the client gets a token', async () => {
      const did = await session.authorize();
      assert.equal(did.length, 2);
      return [...did, ...session.exchanges.take().flatMap(describe), this.token('notes:read')];
    });

    await step(`Connected, with protocol version ${this.revision}`, async () => {
      await session.connect();
      assert.equal(session.protocolVersion, this.revision);
      return session.exchanges
        .take()
        .filter(({ operation }) => operation)
        .flatMap(describe);
    });
  }

  private async read(): Promise<void> {
    const { step } = this.transcript;
    const session = this.#session;

    await step('whoami: the tool knows its caller', async () => {
      const caller = await session.call<{ subject: string; scopes: string[] }>('whoami');
      assert.equal(caller.subject, this.servers.users[0].username);
      assert.deepEqual(caller.scopes, ['notes:read']);
      return [JSON.stringify(caller)];
    });

    await step('list-notes: the list is still empty', async () => {
      const answer = await session.call('list-notes');
      assert.deepEqual(answer, { notes: [] });
      return [JSON.stringify(answer)];
    });
  }

  private async stepUp(): Promise<void> {
    const { step } = this.transcript;
    const session = this.#session;
    const text = 'Buy milk';

    await step('add-note: the token is valid, but lacks a scope', async () => {
      assert(
        await session.needsUser(() => session.call('add-note', { text })),
        'the client could write without the scope',
      );
      const refusal = session.exchanges.take().find(({ operation }) => operation === 'tools/call add-note');
      assert.equal(refusal?.status, 403);
      const { error_description: _, ...challenge } = refusal.challenge ?? {};
      assert.deepEqual(challenge, {
        error: 'insufficient_scope',
        scope: 'notes:read notes:write',
        resource_metadata: this.#metadataUrl,
      });
      return describe(refusal);
    });

    await step('The client steps up by itself: it asks the user for the missing scope', async () => {
      assert.equal(session.oauth.authorizationUrl?.searchParams.get('scope'), 'notes:read notes:write');
      const did = await session.authorize();
      assert.equal(did.length, 1, 'the user had to sign in again');
      return [...did, ...session.exchanges.take().flatMap(describe), this.token('notes:read notes:write')];
    });

    await step('add-note: now it works, on the same connection', async () => {
      this.#added = await session.call<Note>('add-note', { text });
      assert.equal(this.#added.text, text);
      return session.exchanges.take().flatMap(describe);
    });

    await step('list-notes: the list contains the note', async () => {
      const { notes } = await session.call<{ notes: Note[] }>('list-notes');
      assert.deepEqual(notes, [this.#added]);
      return [JSON.stringify({ notes })];
    });
  }

  private async someoneElse(): Promise<void> {
    const { step } = this.transcript;
    const other = this.newSession(this.servers.resource, this.servers.users[1], this.revision);

    await step('list-notes of another user: empty, because notes belong to their author', async () => {
      const did = await signIn(other);
      const answer = await other.call('list-notes');
      assert.deepEqual(answer, { notes: [] });
      await other.close();
      return [...did, JSON.stringify(answer)];
    });

    await step('delete-note: the author deletes the note', async () => {
      const answer = await this.#session.call('delete-note', { id: this.#added?.id });
      assert.deepEqual(answer, { deleted: true });
      return [JSON.stringify(answer)];
    });
  }

  /** Checks the current token of the client, and returns its non-secret content. */
  private token(scope: string): string {
    const { aud, exp, iat, scope: granted } = this.#session.oauth.tokenClaims;
    assert.equal(granted, scope);
    assert.equal(aud, this.servers.resource);
    return `token: scope "${granted}", audience ${aud}, expires in ${Number(exp) - Number(iat)} s`;
  }
}

/**
 * Shows how an MCP client on the official SDK and its user meet the notes server of a sample, which runs in its own
 * process, once for each protocol revision. Every step checks its result; the exit code says whether all results were
 * as expected.
 *
 * @param main the file that starts the server
 * @param newSession the client, by default that of version 2 of the SDK
 */
export async function demonstrate(main: URL, revisions: Revision[], newSession = withCurrentClient): Promise<void> {
  await show((transcript) =>
    withServer<Servers>(main, async (servers, pid) => {
      console.log(`An MCP client on the official SDK meets ${servers.resource}, served by process ${pid}.`);
      for (const revision of revisions) await new Demonstration(revision, servers, newSession, transcript).run();
    }),
  );
}
