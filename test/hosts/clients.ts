import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError as UnauthorizedErrorV1, type OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ScriptedBrowser, type Person } from '../../sample/demo-client/browser.js';
import { RecordedExchanges } from '../../sample/demo-client/exchanges.js';
import { McpSession } from '../../sample/demo-client/mcp-session.js';
import { InMemoryOAuthProvider } from '../../sample/demo-client/oauth-provider.js';

/** A revision of MCP, of the last one with a handshake and the first one without. */
export type Revision = '2025-11-25' | '2026-07-28';

/** One person with one MCP client, which finds out and decides all there is to authorization by itself. */
export type Session = Pick<McpSession, 'exchanges' | 'oauth' | 'protocolVersion' | 'connect' | 'needsUser' | 'authorize' | 'call' | 'close'>;

/** A client library, made to speak one revision of the protocol. */
export interface McpClient {
  readonly name: string;
  readonly revision: Revision;
  newSession(url: string, person: Person): Session;
}

/** Add a client by adding a row. */
export const CLIENTS: readonly McpClient[] = [
  {
    name: 'client of the official SDK 2',
    revision: '2026-07-28',
    newSession: (url, person) => new McpSession(url, person, { pin: '2026-07-28' }),
  },
  {
    name: 'client of the official SDK 2',
    revision: '2025-11-25',
    newSession: (url, person) => new McpSession(url, person, 'legacy'),
  },
  {
    name: 'client of the official SDK 1',
    revision: '2025-11-25',
    newSession: (url, person) => new SessionV1(url, person),
  },
];

/** What {@link McpSession} is, on version 1 of the SDK. */
class SessionV1 implements Session {
  readonly exchanges = new RecordedExchanges();
  readonly oauth = new InMemoryOAuthProvider();
  readonly #client = new ClientV1({ name: 'hosts-test', version: '1.0.0' });
  readonly #browser: ScriptedBrowser;
  #transport: TransportV1 | undefined;

  constructor(
    private readonly url: string,
    person: Person,
  ) {
    this.#browser = new ScriptedBrowser(person);
  }

  get protocolVersion(): string | undefined {
    return this.#transport?.protocolVersion;
  }

  async connect(): Promise<void> {
    // The cast is for the types of the two versions, which differ in what they say of the same documents.
    const authProvider = this.oauth as unknown as OAuthClientProvider;
    this.#transport = new TransportV1(new URL(this.url), { authProvider, fetch: this.exchanges.fetch });
    await this.#client.connect(this.#transport as Transport);
  }

  async needsUser(attempt: () => Promise<unknown>): Promise<boolean> {
    try {
      await attempt();
      return false;
    } catch (error) {
      if (error instanceof UnauthorizedErrorV1) return true;
      throw error;
    }
  }

  async authorize(): Promise<string[]> {
    if (!this.#transport || !this.oauth.authorizationUrl) throw new Error('The SDK did not ask for the user');
    const { callback, did } = await this.#browser.visit(this.oauth.authorizationUrl, this.oauth.redirectUrl);
    await this.#transport.finishAuth(this.oauth.acceptCallback(callback).get('code') ?? '');
    return did;
  }

  async call<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
    const { content, isError } = await this.#client.callTool({ name, arguments: args });
    const [first] = content as { text?: string }[];
    if (isError) throw new Error(`${name} failed: ${first?.text}`);
    return JSON.parse(first?.text ?? '') as T;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}
