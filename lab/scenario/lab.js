import { TestCertificate } from '../../dist/testing/index.js';
import { startNotesApp, SCOPES } from '../app/notes-app.js';
import { log } from '../app/log.js';
import { metadataPlaces, signIn } from '../client/oauth.js';

/** One run of one product: its server, and applications on the library that trust it. */
export class Lab {
  /** @param {import('../products/product.js').Server} server */
  constructor(server, port) {
    this.server = server;
    this.port = port;
    this.resource = resourceAt(port);
  }

  /** Reads the metadata of the server, as clients do. */
  async prepare() {
    this.places = await metadataPlaces(this.server.issuer);
    this.metadata = this.places[0].document;
  }

  /** The client that gets refresh tokens and may revoke its tokens. */
  get privilegedClient() {
    return this.server.confidentialClient ?? this.server.client;
  }

  /** The entry of `authorizationServers` that a user writes: the plain issuer, where that is enough. */
  get authorizationServer() {
    const { issuer, options } = this.server;
    return options === undefined ? issuer : { issuer, ...options };
  }

  /** The same with introspection of every call. */
  get introspecting() {
    const { issuer, options, introspection } = this.server;
    return { issuer, ...options, introspection: { ...introspection, cacheSeconds: 0, negativeCacheSeconds: 0 } };
  }

  /**
   * Runs an application while `work` runs.
   *
   * @template T
   * @param {Record<string, unknown>} options of the module, besides the resource
   * @param {(url: string) => Promise<T>} work
   * @param {number} [port]
   */
  async withApp(options, work, port = this.port) {
    log.takeWarnings();
    const app = await startNotesApp({
      port,
      options: { resource: resourceAt(port), authorizationServers: [this.authorizationServer], ...options },
    });
    try {
      return await work(resourceAt(port));
    } finally {
      await app.close();
    }
  }

  /**
   * Runs an application that accepts TLS connections itself, and asks for certificates. Tokens name the resource without TLS.
   *
   * @template T
   * @param {Record<string, unknown>} options
   * @param {(url: string) => Promise<T>} work
   */
  async withTlsApp(options, work) {
    const url = resourceAt(this.port).replace('http:', 'https:');
    const { key, cert } = TestCertificate.generate();
    const app = await startNotesApp({
      port: this.port,
      options: { resource: url, audience: this.resource, ...options },
      tls: { key, cert, requestCert: true, rejectUnauthorized: false },
    });
    try {
      return await work(url);
    } finally {
      await app.close();
    }
  }

  /**
   * The tokens of a user for the notes.
   *
   * @param {{ user?: 'alice' | 'bob', scopes?: string[], client?: import('../client/oauth.js').OAuthClient,
   *   key?: import('../client/dpop-key.js').DpopKey }} [wish]
   */
  async tokens({ user = 'alice', scopes = SCOPES, client = this.server.client, key } = {}) {
    const { users, standardScopes, parameters } = this.server;
    const answer = await signIn(this.metadata, {
      client,
      user: users[user],
      scope: [...(standardScopes?.split(' ') ?? []), ...scopes].join(' '),
      resource: this.resource,
      parameters,
      key,
    });
    if (answer?.access_token === undefined) throw new Error(`no token: ${answer?.error ?? 'the answer is no JSON'}`);
    return answer;
  }
}

function resourceAt(port) {
  return `http://localhost:${port}/mcp`;
}
