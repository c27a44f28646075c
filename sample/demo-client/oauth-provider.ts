import { randomUUID } from 'node:crypto';
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';

/**
 * The storage of an MCP client, which the SDK uses during and after sign-in. The SDK itself makes every decision:
 * discovery, registration, PKCE, which scopes to request, when to step up.
 */
export class InMemoryOAuthProvider implements OAuthClientProvider {
  /** No server listens there: the scripted browser stops when it is redirected to this URL. */
  readonly redirectUrl = 'http://127.0.0.1:33418/callback';

  readonly clientMetadata: OAuthClientMetadata = {
    client_name: 'Quick start demo',
    redirect_uris: [this.redirectUrl],
    token_endpoint_auth_method: 'none',
  };

  /** The authorization URL of the SDK, until the user has returned. */
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

  /** The parameters of the callback. Checks `state`, which the SDK leaves to its host. */
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
    if (!this.#codeVerifier) throw new Error('No authorization is pending');
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

  /** For display only: to a client, a token is opaque. */
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
