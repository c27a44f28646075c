import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { type OAuthClientProvider, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ScriptedBrowser, type Person } from './browser.js';
import { RecordedExchanges } from './exchanges.js';
import type { Session } from './mcp-session.js';
import { InMemoryOAuthProvider } from './oauth-provider.js';

/** Like `McpSession`, on version 1 of the SDK, which supports MCP up to 2025-11-25. */
export class McpSessionV1 implements Session {
  readonly exchanges = new RecordedExchanges();
  readonly oauth = new InMemoryOAuthProvider();
  readonly #client = new Client({ name: 'demo-client', version: '1.0.0' });
  readonly #browser: ScriptedBrowser;
  #transport: StreamableHTTPClientTransport | undefined;

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
    // The cast is needed because the two versions have different types for the same documents.
    const authProvider = this.oauth as unknown as OAuthClientProvider;
    this.#transport = new StreamableHTTPClientTransport(new URL(this.url), {
      authProvider,
      fetch: this.exchanges.fetch,
    });
    await this.#client.connect(this.#transport as Transport);
  }

  async needsUser(attempt: () => Promise<unknown>): Promise<boolean> {
    try {
      await attempt();
      return false;
    } catch (error) {
      if (error instanceof UnauthorizedError) return true;
      throw error;
    }
  }

  async authorize(): Promise<string[]> {
    const { answer, did } = await this.#browser.authorize(this.oauth);
    await this.#transport?.finishAuth(answer.get('code') ?? '');
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
