import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assertPath, TestAddresses } from './test-addresses.js';
import { TestDocuments } from './test-documents.js';
import type { TestFault } from './test-fault.js';
import { TestIntrospection, type AnswerIntrospection, type SignedAnswerChanges } from './test-introspection.js';
import type {
  FaultyEndpoint,
  RecordedRequest,
  TestEndpoint,
  TestIssuerOptions,
  WellKnownForm,
} from './test-issuer.options.js';
import { generateTestKey, type TestKey, type TestKeyOptions } from './test-key.js';
import { TestRequests } from './test-requests.js';
import { TestTokenEndpoint, type AnswerToken } from './test-token-endpoint.js';
import { signToken, verifiedClaims, type MintOptions } from './test-token.js';

/**
 * An authorization server FOR TESTS ONLY: a real HTTP server on a free port of 127.0.0.1, with metadata, keys, tokens for
 * anyone who asks in-process, and faults on demand. Its keys and tokens protect nothing.
 *
 * With `introspection`, it also issues, introspects and revokes opaque tokens.
 *
 * With `tokenEndpoint`, it exchanges its tokens for those of other APIs (RFC 8693).
 *
 * It does NOT run any OAuth flow: the authorization endpoint in its metadata answers 404, as does the token endpoint without that
 * option. For a flow with a browser or a client, use `nestjs-mcp-auth/dev-server`.
 *
 * ```ts
 * const issuer = await TestIssuer.start({ audience: 'http://localhost:3000/mcp' });
 * const token = await issuer.mint({ scope: 'notes:read' });
 * …
 * await issuer.close();
 * ```
 *
 * @see RFC 8414 §3, RFC 7517 §5, RFC 9068 §2, RFC 7662 §2
 */
export class TestIssuer {
  /**
   * The issuer identifier: the `iss` of tokens and the `issuer` of the metadata. Has no trailing slash unless the path has one.
   */
  readonly issuer: string;
  /** The URL of the public keys. */
  readonly jwksUri: string;
  /** The URLs where clients look for the metadata, served or not. */
  readonly wellKnownUris: Readonly<Record<WellKnownForm, string>>;
  /** The URL of the introspection endpoint, if the options turn it on. */
  readonly introspectionUri: string;
  /** The URL of the token endpoint, which answers 404 unless the options turn it on. */
  readonly tokenUri: string;
  /** Changes to the metadata, from the next request on; `undefined` removes a member. */
  metadata: Record<string, unknown>;
  /** Changes the answers of the introspection endpoint, from the next request on. */
  answerIntrospection: AnswerIntrospection | undefined;
  /** Changes the answers of the token endpoint, from the next request on. */
  answerToken: AnswerToken | undefined;
  /**
   * Changes to signed answers of the introspection endpoint (RFC 9701), from the next request on; `never` sends plain JSON even
   * if the client asks for a signed answer.
   */
  signedAnswer: SignedAnswerChanges | 'never' = {};

  readonly #server: Server;
  readonly #alg: NonNullable<TestKeyOptions['alg']>;
  readonly #documents: TestDocuments;
  readonly #introspection: TestIntrospection | undefined;
  readonly #tokenEndpoint: TestTokenEndpoint | undefined;
  readonly #requests: TestRequests;

  /**
   * Starts an issuer with one published signing key.
   * @throws TypeError when `options.path` isn't a path
   */
  static async start(options: TestIssuerOptions = {}): Promise<TestIssuer> {
    assertPath(options.path ?? '');
    const key = await generateTestKey({ alg: options.alg ?? 'RS256' });
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TestIssuer(server, key, options);
  }

  private constructor(server: Server, key: TestKey, options: TestIssuerOptions) {
    const { port } = server.address() as AddressInfo;
    const addresses = new TestAddresses(`http://127.0.0.1:${port}`, options.path ?? '');
    this.issuer = addresses.issuer;
    this.jwksUri = addresses.jwksUri;
    this.introspectionUri = addresses.introspectionUri;
    this.tokenUri = addresses.tokenUri;
    this.wellKnownUris = addresses.wellKnownUris;
    this.metadata = { ...options.metadata };
    this.#server = server;
    this.#alg = options.alg ?? 'RS256';
    this.#documents = new TestDocuments(addresses, options, key);
    this.#introspection = introspectionOf(options, addresses, this.#documents);
    this.#tokenEndpoint = this.#tokenEndpointOf(options);
    this.#requests = new TestRequests(addresses, this.#documents, this.#introspection, this.#tokenEndpoint, () => ({
      metadata: this.metadata,
      answerIntrospection: this.answerIntrospection,
      answerToken: this.answerToken,
      signedAnswer: this.signedAnswer,
      sign: (answer, changes) => this.#signAnswer(answer, changes),
    }));
    server.on('request', (request, response) => this.#requests.handle(request, response));
  }

  /** The key that signs unless `mint` is given another. */
  get key(): TestKey {
    return this.#documents.key;
  }

  /** Every request since the start or the last {@link clearRequests}, oldest first. */
  get requests(): readonly RecordedRequest[] {
    return this.#requests.recorded;
  }

  /**
   * Signs an access token FOR TESTS ONLY, valid for 300 seconds unless the claims say otherwise.
   *
   * Claims: `iss`, `sub` "alice", `client_id` "test-client", `aud` as in the options, `iat`, `exp`, `jti`. There is no `scope`
   * unless given. Header: `alg`, `typ` "at+jwt", `kid`. Checks nothing, so that you can make bad tokens too.
   *
   * @param claims Claims that are added or replace those above; `undefined` removes one
   * @throws TypeError when `options.alg` doesn't fit the key
   * @see RFC 9068 §2
   */
  async mint(claims: Readonly<Record<string, unknown>> = {}, options: MintOptions = {}): Promise<string> {
    return signToken({ ...this.#documents.claims(), ...claims }, options.key ?? this.key, options);
  }

  /** The client that may use the introspection endpoint. */
  get introspectionClient(): {
    /** As in the options, or their default. */
    readonly clientId: string;
    /** As in the options, or their default. */
    readonly clientSecret: string;
  } {
    const { clientId, clientSecret } = this.#introspecting();
    return { clientId, clientSecret };
  }

  /** The client that may use the token endpoint. */
  get tokenClient(): {
    /** As in the options, or their default. */
    readonly clientId: string;
    /** As in the options, or their default. */
    readonly clientSecret: string;
  } {
    if (!this.#tokenEndpoint)
      throw new TypeError('This issuer has no token endpoint: start it with { tokenEndpoint: true }');
    const { clientId, clientSecret } = this.#tokenEndpoint;
    return { clientId, clientSecret };
  }

  /**
   * Issues an opaque access token FOR TESTS ONLY. Only the introspection endpoint can tell what it means: it answers with
   * `active`, `token_type` "Bearer", and the members that {@link mint} writes as claims.
   *
   * @param claims Members that are added or replace those; `undefined` removes one
   * @param options The prefix of the token. @default ''
   * @throws TypeError when the issuer was started without `introspection`
   */
  opaque(claims: Readonly<Record<string, unknown>> = {}, options: { readonly prefix?: string } = {}): string {
    return this.#introspecting().issue({ ...this.#documents.claims(), ...claims }, options.prefix ?? '');
  }

  /**
   * Revokes a token, opaque or JWT: the introspection endpoint calls it inactive. A server that verifies JWTs without
   * introspection does NOT notice.
   *
   * @throws TypeError when the issuer was started without `introspection`
   */
  revoke(token: string): void {
    this.#introspecting().revoke(token);
  }

  /**
   * Makes a new key the signing key, with the algorithm of the old one. A server that has the old key cached still accepts its
   * tokens.
   * @param options With `keepOld` the old key stays published. @default false
   */
  async rotateKeys(options: { readonly keepOld?: boolean } = {}): Promise<TestKey> {
    const old = this.key;
    const key = await generateTestKey({ alg: this.#alg });
    if (options.keepOld !== true) this.withdraw(old);
    this.publish(key.publicJwk);
    this.#documents.key = key;
    return key;
  }

  /** Publishes another key, given or generated. It does NOT become the signing key: pass it to {@link mint}. */
  async addKey(key: TestKey | TestKeyOptions = {}): Promise<TestKey> {
    const added = 'privateKey' in key ? key : await generateTestKey(key);
    this.publish(added.publicJwk);
    return added;
  }

  /** Adds entries to the published key set, unchanged: JWKs of any kind, or garbage. */
  publish(...entries: readonly unknown[]): void {
    this.#documents.published = [...this.#documents.published, ...entries];
  }

  /** Removes a key, or an entry given to {@link publish}, from the published key set. The signing key still signs. */
  withdraw(keyOrEntry: unknown): void {
    const entry = isTestKey(keyOrEntry) ? keyOrEntry.publicJwk : keyOrEntry;
    this.#documents.published = this.#documents.published.filter((published) => published !== entry);
  }

  /** Breaks one endpoint, or all, until {@link recover}. A later fault replaces an earlier one at the same endpoint. */
  fail(fault: TestFault, on: FaultyEndpoint | 'all' = 'all'): void {
    this.#requests.fail(fault, on);
  }

  /** Ends the faults. Does NOT answer the requests that hang already. */
  recover(): void {
    this.#requests.recover();
  }

  /** The number of {@link requests} to this endpoint, however they were answered. */
  requestCount(endpoint: TestEndpoint): number {
    return this.requests.filter((request) => request.endpoint === endpoint).length;
  }

  /** Forgets the recorded requests. */
  clearRequests(): void {
    this.#requests.recorded.length = 0;
  }

  /** Stops the server and closes every connection, even hanging ones. You can call it more than once. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** For `await using`; the same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @see RFC 9701 §5 */
  #signAnswer(answer: unknown, { claims, ...options }: SignedAnswerChanges): string {
    const iat = Math.floor(this.#documents.now / 1000);
    const defaults = { iss: this.issuer, aud: this.#introspecting().clientId, iat, token_introspection: answer };
    const header = { typ: 'token-introspection+jwt', ...options.header };
    return signToken({ ...defaults, ...claims }, options.key ?? this.key, { ...options, header });
  }

  #tokenEndpointOf({ tokenEndpoint, now = Date.now }: TestIssuerOptions): TestTokenEndpoint | undefined {
    if (tokenEndpoint === undefined) return undefined;
    return new TestTokenEndpoint(tokenEndpoint === true ? {} : tokenEndpoint, {
      issuer: this.issuer,
      url: this.tokenUri,
      now,
      mint: (claims) => this.mint(claims),
      claimsOf: (token) => this.#claimsOf(token, now),
    });
  }

  /** What is known about a token that is still valid. */
  async #claimsOf(token: string, now: () => number): Promise<Readonly<Record<string, unknown>> | undefined> {
    if (this.#introspection) {
      const answer = await this.#introspection.answerFor(token);
      return answer['active'] === true ? answer : undefined;
    }
    const claims = await verifiedClaims(token, this.#documents.keySet());
    return typeof claims?.['exp'] === 'number' && claims['exp'] > now() / 1000 ? claims : undefined;
  }

  #introspecting(): TestIntrospection {
    if (this.#introspection) return this.#introspection;
    throw new TypeError('This issuer has no introspection endpoint: start it with { introspection: true }');
  }
}

function introspectionOf(
  { introspection, now = Date.now }: TestIssuerOptions,
  { issuer }: TestAddresses,
  documents: TestDocuments,
): TestIntrospection | undefined {
  if (introspection === undefined) return undefined;
  const settings = introspection === true ? {} : introspection;
  return new TestIntrospection(settings, { issuer, now, keys: () => documents.keySet() });
}

function isTestKey(value: unknown): value is TestKey {
  return typeof value === 'object' && value !== null && 'privateKey' in value && 'publicJwk' in value;
}
