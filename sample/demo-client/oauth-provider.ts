import { randomUUID } from 'node:crypto';
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';

/**
 * The memory of an MCP client: what the SDK asks its host to keep during and after sign-in.
 * Every decision (discovery, registration, PKCE, which scopes to ask for, when to step up) is the SDK's own.
 */
export class InMemoryOAuthProvider implements OAuthClientProvider {
  /** Nobody listens there: the scripted browser of the demo stops when it is sent to it. */
  readonly redirectUrl = 'http://127.0.0.1:33418/callback';

  readonly clientMetadata: OAuthClientMetadata = {
    client_name: 'Quick start demo',
    redirect_uris: [this.redirectUrl],
    token_endpoint_auth_method: 'none',
  };

  /** Where the SDK wants the user to go, until the user came back. */
  authorizationUrl: URL | undefined;

  #state: string | undefined;
  #codeVerifier: string | undefined;
  #client: StoredOAuthClientInformation | undefined;
  #tokens: StoredOAuthTokens | undefined;
  #discovery: OAuthDiscoveryState | undefined;

  state(): string {
    return (this.#state = randomUUID());
  }

  redirectToAuthorization(url: URL): void {
    this.authorizationUrl = url;
  }

  /** The parameters of the callback, which must answer the request that this client made: the SDK leaves `state` to its host. */
  acceptCallback(callback: URL): URLSearchParams {
    if (!this.#state || callback.searchParams.get('state') !== this.#state) {
      throw new Error('The callback carries a state that this client did not send');
    }
    this.#state = undefined;
    this.authorizationUrl = undefined;
    return callback.searchParams;
  }

  saveCodeVerifier(codeVerifier: string): void {
    this.#codeVerifier = codeVerifier;
  }

  codeVerifier(): string {
    if (!this.#codeVerifier) throw new Error('No authorization is under way');
    return this.#codeVerifier;
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.#client;
  }

  saveClientInformation(client: StoredOAuthClientInformation): void {
    this.#client = client;
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.#tokens;
  }

  saveTokens(tokens: StoredOAuthTokens): void {
    this.#tokens = tokens;
  }

  /** For show only: to a client a token is opaque. */
  get tokenClaims(): Record<string, unknown> {
    const [, payload = ''] = this.#tokens?.access_token.split('.') ?? [];
    return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovery;
  }

  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.#discovery = state;
  }
}
