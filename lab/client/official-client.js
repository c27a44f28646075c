/** The official MCP client with its user: signs in, calls, is refused, steps up, calls again. */
import { randomUUID } from 'node:crypto';
import { Client, DpopSession, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Browser } from './browser.js';
import { REDIRECT_URI } from './oauth.js';

/** How often a client may send its user to the authorization server for one call. */
const MOST_SIGN_INS = 2;

/**
 * Goes through the story of a user. Never throws: what fails is part of what was seen.
 *
 * @param {{ url: string, user: { username: string, password: string }, client?: { client_id: string, issuer: string },
 *   clientMetadataUrl?: string, isBound?: boolean }} settings `client`: one that was registered before; without it, the client
 *   has a metadata document or registers itself. `isBound`: it binds its tokens to a key
 * @returns {Promise<{ seen: string[], tokens: Record<string, any> | undefined, client: Record<string, any> | undefined }>}
 */
export async function officialClient({ url, user, client, clientMetadataUrl, isBound = false }) {
  const seen = [];
  const provider = new Provider({ client, clientMetadataUrl }, isBound ? await DpopSession.create() : undefined);
  const session = new Session(url, user, provider);
  try {
    await session.connect();
    seen.push('signs in');
    for (const tool of ['whoami', 'list-notes', 'delete-note']) seen.push(`${tool} ${await session.call(tool)}`);
  } catch (error) {
    seen.push(reasonOf(error));
  } finally {
    await session.close();
  }
  return { seen, tokens: provider.tokens(), client: provider.clientInformation() };
}

class Session {
  #client = new Client({ name: 'lab', version: '1.0.0' });
  #transport;

  constructor(url, user, provider) {
    this.url = url;
    this.user = user;
    this.provider = provider;
  }

  /** A transport serves one attempt: the client closes it if the user must sign in first. */
  async connect() {
    await this.#withUser(() => {
      this.#transport = new StreamableHTTPClientTransport(new URL(this.url), { authProvider: this.provider });
      return this.#client.connect(this.#transport);
    });
  }

  /** @returns {Promise<string>} whether the call worked at once, or after the user was asked */
  async call(name) {
    const signIns = await this.#withUser(() => this.#client.callTool({ name, arguments: {} }));
    return signIns === 0 ? 'works' : 'works after step-up';
  }

  async close() {
    await this.#client.close().catch(() => undefined);
  }

  async #withUser(attempt) {
    for (let signIns = 0; ; signIns += 1) {
      try {
        await attempt();
        return signIns;
      } catch (error) {
        if (!(error instanceof UnauthorizedError) || !this.provider.authorizationUrl) throw error;
        if (signIns === MOST_SIGN_INS) throw new Error('asks the user again and again', { cause: error });
        await this.#transport.finishAuth(await this.#signIn());
      }
    }
  }

  async #signIn() {
    const url = this.provider.authorizationUrl;
    this.provider.authorizationUrl = undefined;
    const answer = (await new Browser(this.user).visit(url, REDIRECT_URI)).searchParams;
    if (answer.has('error')) throw new Error(answer.get('error'));
    return answer;
  }
}

/** What a client says of itself, when it registers or in its document. */
export const CLIENT_METADATA = {
  client_name: 'lab',
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};

/** What a client stores. The official client itself makes every decision. */
class Provider {
  redirectUrl = REDIRECT_URI;
  authorizationUrl;
  clientMetadata = CLIENT_METADATA;
  #kept = {};

  constructor({ client, clientMetadataUrl }, dpopSession) {
    this.#kept.client = client;
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl;
    if (dpopSession) this.dpop = () => dpopSession;
  }

  state = () => randomUUID();
  redirectToAuthorization = (url) => void (this.authorizationUrl = url);
  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => void (this.#kept.tokens = tokens);
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  discoveryState = () => this.#kept.discovery;
  saveDiscoveryState = (discovery) => void (this.#kept.discovery = discovery);
}

/** An OAuth error code, or the kind of the error and what the server said, or its first words. */
function reasonOf(error) {
  const code = error.code ?? error.errorCode;
  if (typeof code === 'string') return code;
  if (/^[a-z_]+$/.test(error.message)) return error.message;
  // A schema of the client refused the answer.
  if (error.issues) return `${error.name}: ${[...new Set(error.issues.map(({ path }) => path.join('.')))].join(', ')}`;
  const description = /"error_description":"([^"]*)"/.exec(error.message)?.[1];
  return `${error.name}: ${description ?? error.message.split('\n', 1)[0].slice(0, 200)}`;
}
