import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { TokenEndpointResponse } from 'oauth4webapi';
import { type Expected, OAuthClient } from './oauth-client.js';

/** What Acme Code gives out for a user. Keep `refresh_token` as well, if yours has one. */
export type AcmeTokens = Pick<TokenEndpointResponse, 'access_token'>;

/** Acme Code, where users have repositories. It knows nothing of the authorization server of this MCP server. */
@Injectable()
export class AcmeService {
  readonly #client: OAuthClient;
  readonly #api: string;

  constructor(config: ConfigService) {
    const redirectUri = `${config.getOrThrow<string>('PUBLIC_ORIGIN')}/connect/acme`;
    this.#client = new OAuthClient(config.getOrThrow('ACME_ISSUER'), redirectUri);
    this.#api = config.getOrThrow('ACME_API');
  }

  authorizationUrl(state: string, codeChallenge: string): Promise<string> {
    const scope = 'repositories:read';
    return this.#client.authorizationUrl({
      scope,
      state,
      code_challenge: codeChallenge,
      code_challenge_method: 'S256',
    });
  }

  async redeem(answer: URLSearchParams, expected: Expected): Promise<AcmeTokens> {
    const { access_token } = await this.#client.redeem(answer, expected);
    return { access_token };
  }

  /** The repositories of the user; undefined if the token is no longer accepted. */
  async repositories({ access_token }: AcmeTokens): Promise<unknown> {
    const response = await fetch(this.#api, {
      headers: { authorization: `Bearer ${access_token}` },
      redirect: 'error',
    });
    if (response.status === 401) return undefined;
    if (!response.ok) throw new Error(`Acme Code answered ${response.status}`);
    return response.json();
  }
}
