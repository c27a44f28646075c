import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type VersionNegotiationMode,
} from '@modelcontextprotocol/client';
import { type Person, ScriptedBrowser } from './browser.js';
import { RecordedExchanges } from './exchanges.js';
import { InMemoryOAuthProvider } from './oauth-provider.js';

/** Asks the user whether to open a URL that the server asks for, and opens it. */
export type OpenUrl = (url: URL, message: string) => Promise<'accept' | 'decline'>;

/** One user with one MCP client, on the official SDK, at one MCP server. */
export class McpSession {
  readonly exchanges = new RecordedExchanges();

  readonly #client: Client;
  readonly #url: URL;
  readonly #browser: ScriptedBrowser;
  #transport: StreamableHTTPClientTransport | undefined;

  constructor(
    url: string,
    person: Person,
    mode: VersionNegotiationMode,
    readonly oauth = new InMemoryOAuthProvider(),
    openUrl?: OpenUrl,
  ) {
    const capabilities = openUrl ? { elicitation: { url: {} } } : {};
    const options = { versionNegotiation: { mode }, capabilities };
    this.#client = new Client({ name: 'quick-start-demo', version: '1.0.0' }, options);
    if (openUrl) {
      this.#client.setRequestHandler('elicitation/create', async ({ params }) => {
        if (params.mode !== 'url') return { action: 'decline' };
        return { action: await openUrl(new URL(params.url), params.message) };
      });
    }
    this.#url = new URL(url);
    this.#browser = new ScriptedBrowser(person);
  }

  get protocolVersion(): string | undefined {
    return this.#client.getNegotiatedProtocolVersion();
  }

  /** A transport serves one attempt: the SDK closes it if the user must sign in first. */
  async connect(): Promise<void> {
    this.#transport = new StreamableHTTPClientTransport(this.#url, {
      authProvider: this.oauth,
      fetch: this.exchanges.fetch,
    });
    await this.#client.connect(this.#transport);
  }

  /** Whether the SDK needs the user: then it has set `oauth.authorizationUrl`; repeat the attempt after `authorize`. */
  async needsUser(attempt: () => Promise<unknown>): Promise<boolean> {
    try {
      await attempt();
      return false;
    } catch (error) {
      if (error instanceof UnauthorizedError) return true;
      throw error;
    }
  }

  /**
   * Lets the user sign in and consent, and passes the callback parameters to the SDK. Returns the actions of the user.
   */
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

/** The members of a session that the demonstration uses, whatever its client library. */
export type Session = Pick<
  McpSession,
  'exchanges' | 'oauth' | 'protocolVersion' | 'connect' | 'needsUser' | 'authorize' | 'call' | 'close'
>;

/** Connects. A client without a token needs its user for that. Returns the actions of the user. */
export async function signIn(session: Session): Promise<string[]> {
  if (!(await session.needsUser(() => session.connect()))) throw new Error('the client connected without a token');
  const did = await session.authorize();
  await session.connect();
  return did;
}
