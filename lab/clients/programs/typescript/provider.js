/** What the host of a client on an official TypeScript SDK writes: it keeps what the SDK hands to it, and opens the browser. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';

const [COMMAND, ...ARGUMENTS] = process.env.LAB_USER.split(' ');

export class Provider {
  redirectUrl = 'http://127.0.0.1:33418/callback';
  clientMetadataUrl = process.env.CLIENT_ID_DOCUMENT;
  clientMetadata = {
    client_name: 'TypeScript',
    redirect_uris: [this.redirectUrl],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  };

  #kept = new Map();

  state() {
    return randomUUID();
  }

  clientInformation() {
    return this.#kept.get('client');
  }

  saveClientInformation(client) {
    this.#kept.set('client', client);
  }

  tokens() {
    return this.#kept.get('tokens');
  }

  saveTokens(tokens) {
    this.#kept.set('tokens', tokens);
  }

  codeVerifier() {
    return this.#kept.get('verifier');
  }

  saveCodeVerifier(verifier) {
    this.#kept.set('verifier', verifier);
  }

  discoveryState() {
    return this.#kept.get('discovery');
  }

  saveDiscoveryState(state) {
    this.#kept.set('discovery', state);
  }

  redirectToAuthorization(url) {
    this.#kept.set('authorization', url);
  }

  /** Lets the user sign in. Returns the parameters of the callback. */
  async authorize() {
    const url = String(this.#kept.get('authorization'));
    const { stdout } = await promisify(execFile)(COMMAND, [...ARGUMENTS, '--stop', url]);
    return new URL(stdout.trim()).searchParams;
  }
}
