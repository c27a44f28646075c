import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type VersionNegotiationMode,
} from '@modelcontextprotocol/client';
import { type Person, ScriptedBrowser } from './browser.js';
import { RecordedExchanges } from './exchanges.js';
import { InMemoryOAuthProvider } from './oauth-provider.js';

/** One person with one MCP client, on the official SDK, at one MCP server. */
export class McpSession {
  readonly exchanges = new RecordedExchanges();
  readonly oauth = new InMemoryOAuthProvider();

  readonly #client: Client;
  readonly #url: URL;
  readonly #browser: ScriptedBrowser;
  #transport: StreamableHTTPClientTransport | undefined;

  constructor(url: string, person: Person, mode: VersionNegotiationMode) {
    this.#client = new Client({ name: 'quick-start-demo', version: '1.0.0' }, { versionNegotiation: { mode } });
    this.#url = new URL(url);
    this.#browser = new ScriptedBrowser(person);
  }

  get protocolVersion(): string | undefined {
    return this.#client.getNegotiatedProtocolVersion();
  }

  /** A transport lives for one attempt: the SDK closes it where the server wants the user first. */
  async connect(): Promise<void> {
    this.#transport = new StreamableHTTPClientTransport(this.#url, {
      authProvider: this.oauth,
      fetch: this.exchanges.fetch,
    });
    await this.#client.connect(this.#transport);
  }

  /** Whether the SDK asked for the user: it has then set `oauth.authorizationUrl`, and the attempt is to be made again after `authorize`. */
  async needsUser(attempt: () => Promise<unknown>): Promise<boolean> {
    try {
      await attempt();
      return false;
    } catch (error) {
      if (error instanceof UnauthorizedError) return true;
      throw error;
    }
  }

  /** Sends the user to sign in and consent, and hands what comes back to the SDK. Returns what the user did. */
  async authorize(): Promise<string[]> {
    const { answer, did } = await this.#browser.authorize(this.oauth);
    await this.#transport?.finishAuth(answer);
    return did;
  }

  /** The result of a tool, which the notes server writes as JSON text. */
  async call<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
    const { content, isError } = await this.#client.callTool({ name, arguments: args });
    const [first] = content;
    const text = first?.type === 'text' ? first.text : '';
    if (isError) throw new Error(`${name} failed: ${text}`);
    return JSON.parse(text) as T;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

/** What the demonstration needs of a session, whichever client library it is made with. */
export type Session = Pick<
  McpSession,
  'exchanges' | 'oauth' | 'protocolVersion' | 'connect' | 'needsUser' | 'authorize' | 'call' | 'close'
>;

/** Connects, which a client that has no token can only with its user. Returns what the user did. */
export async function signIn(session: Session): Promise<string[]> {
  if (!(await session.needsUser(() => session.connect()))) throw new Error('the client was let in without a token');
  const did = await session.authorize();
  await session.connect();
  return did;
}
