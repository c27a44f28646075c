// @ts-check
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** @typedef {{ url: URL, headers: import('node:http').IncomingHttpHeaders }} Arrival A browser at the redirect URI. */

/** A native client: registers itself, and waits for the browser on a loopback port of its own. */
export class LoopbackClient {
  /** @type {Arrival[]} */
  arrivals = [];
  /** @type {Map<string, string>} Further pages by path. */
  pages = new Map();
  clientId = '';
  #verifier = '';
  #server = createServer((request, response) => {
    const url = new URL(request.url ?? '', this.origin);
    if (url.pathname === '/callback') this.arrivals.push({ url, headers: request.headers });
    const page = this.pages.get(url.pathname) ?? 'You can close this page.';
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<link rel="icon" href="data:,">${page}`);
  });

  /**
   * @private
   * @param {string} issuer
   * @param {string} host
   */
  constructor(issuer, host) {
    this.issuer = issuer;
    this.host = host;
  }

  /**
   * @param {string} issuer
   * @param {Record<string, unknown>} [metadata]
   * @param {string} [host] a name of this machine's IPv4 loopback address
   */
  static async start(issuer, metadata, host = '127.0.0.1') {
    const client = new LoopbackClient(issuer, host);
    await once(client.#server.listen(0, '127.0.0.1'), 'listening');
    const response = await fetch(`${issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'Notes client',
        redirect_uris: [client.redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
        ...metadata,
      }),
    });
    assert.equal(response.status, 201);
    client.clientId = (await response.json()).client_id;
    return client;
  }

  get origin() {
    const { port } = /** @type {import('node:net').AddressInfo} */ (this.#server.address());
    return `http://${this.host}:${port}`;
  }

  get redirectUri() {
    return `${this.origin}/callback`;
  }

  /**
   * @param {Record<string, string | string[]>} parameters
   * @returns {URL} an authorization request
   */
  authorizationUrl(parameters) {
    this.#verifier = randomBytes(32).toString('base64url');
    const url = new URL(`${this.issuer}/authorize`);
    const all = {
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: this.redirectUri,
      state: 'some-state',
      code_challenge: createHash('sha256').update(this.#verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...parameters,
    };
    for (const [name, value] of Object.entries(all))
      for (const single of [value].flat()) url.searchParams.append(name, single);
    return url;
  }

  /** The one time that a browser came back. */
  arrival() {
    const [arrival, ...more] = this.arrivals;
    assert.ok(arrival, 'no browser came back');
    assert.equal(more.length, 0, 'a browser came back more than once');
    return arrival;
  }

  /**
   * @param {Arrival} arrival
   * @returns {Promise<{ scope?: string, access_token?: string, error?: string }>}
   */
  async exchange({ url }) {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: this.clientId,
        code: url.searchParams.get('code') ?? '',
        redirect_uri: this.redirectUri,
        code_verifier: this.#verifier,
      }),
    });
    return response.json();
  }

  async close() {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
