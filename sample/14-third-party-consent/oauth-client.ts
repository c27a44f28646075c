import * as oauth from 'oauth4webapi';

/** Both authorization servers of this sample are on loopback. Leave it out in production: then only https is accepted. */
const OPTIONS = { [oauth.allowInsecureRequests]: true };

/** What a client sends to an authorization server, and expects in its answer. */
export interface Expected {
  state: string;
  codeVerifier: string;
  /** Of an ID token; without one, no ID token is needed. */
  nonce?: string;
}

/** This application as a client of an authorization server: authorization code with PKCE. */
export class OAuthClient {
  #registration: Promise<{ as: oauth.AuthorizationServer; client: oauth.Client }> | undefined;

  constructor(
    private readonly issuer: string,
    private readonly redirectUri: string,
  ) {}

  async authorizationUrl(parameters: Record<string, string>): Promise<string> {
    const { as, client } = await this.#registered();
    const url = new URL(as.authorization_endpoint ?? '');
    const all = { client_id: client.client_id, redirect_uri: this.redirectUri, response_type: 'code', ...parameters };
    for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Redeems the code of an answer. Checks `state`, `iss` (RFC 9207) and the ID token. */
  async redeem(answer: URLSearchParams, expected: Expected): Promise<oauth.TokenEndpointResponse> {
    const { as, client } = await this.#registered();
    const { state, codeVerifier, nonce } = expected;
    const checked = oauth.validateAuthResponse(as, client, answer, state);
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      oauth.None(),
      checked,
      this.redirectUri,
      codeVerifier,
      OPTIONS,
    );
    return oauth.processAuthorizationCodeResponse(
      as,
      client,
      response,
      nonce === undefined ? {} : { expectedNonce: nonce, requireIdToken: true },
    );
  }

  /** Registers at the first use. In production, you register once, and configure the id and the secret. */
  #registered() {
    this.#registration ??= this.#register().catch((error: unknown) => {
      this.#registration = undefined;
      throw error;
    });
    return this.#registration;
  }

  async #register() {
    const issuer = new URL(this.issuer);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, OPTIONS));
    const response = await oauth.dynamicClientRegistrationRequest(
      as,
      { client_name: 'Notes', redirect_uris: [this.redirectUri], token_endpoint_auth_method: 'none' },
      OPTIONS,
    );
    return { as, client: await oauth.processDynamicClientRegistrationResponse(response) };
  }
}
