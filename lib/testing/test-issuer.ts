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
import { signToken, type MintOptions } from './test-token.js';

/**
 * An authorization server FOR TESTS ONLY: a real HTTP server on a free port of 127.0.0.1, with metadata, keys, tokens for
 * anyone who asks in-process, and faults on demand. Its keys and tokens protect nothing.
 *
 * With `introspection`, it also issues opaque tokens, says what they stand for, and revokes them.
 *
 * It does NOT run any OAuth flow: the authorization and token endpoints in its metadata answer 404. For a flow with a browser
 * or a client, use `nestjs-mcp-auth/dev-server`.
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
  /** The issuer identifier: the `iss` of tokens and the `issuer` of the metadata. Has no trailing slash unless the path has one. */
  readonly issuer: string;
  /** Where the public keys are. */
  readonly jwksUri: string;
  /** Where clients look for the metadata, served or not. */
  readonly wellKnownUris: Readonly<Record<WellKnownForm, string>>;
  /** Where tokens are introspected, if the options say so. */
  readonly introspectionUri: string;
  /** Changes to the metadata, in force from the next request; `undefined` removes a member. */
  metadata: Record<string, unknown>;
  /** Changes what the introspection endpoint answers, from the next request on. */
  answerIntrospection: AnswerIntrospection | undefined;
  /**
   * Changes to signed answers of the introspection endpoint (RFC 9701), from the next request on; `never` answers plain JSON
   * even where a signed answer is asked for.
   */
  signedAnswer: SignedAnswerChanges | 'never' = {};

  readonly #server: Server;
  readonly #alg: NonNullable<TestKeyOptions['alg']>;
  readonly #documents: TestDocuments;
  readonly #introspection: TestIntrospection | undefined;
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
    this.wellKnownUris = addresses.wellKnownUris;
    this.metadata = { ...options.metadata };
    this.#server = server;
    this.#alg = options.alg ?? 'RS256';
    this.#documents = new TestDocuments(addresses, options, key);
    this.#introspection = introspectionOf(options, addresses, this.#documents);
    this.#requests = new TestRequests(addresses, this.#documents, this.#introspection, () => ({
      metadata: this.metadata,
      answerIntrospection: this.answerIntrospection,
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
   * Signs an access token FOR TESTS ONLY, good for 300 seconds unless the claims say otherwise.
   *
   * Claims: `iss`, `sub` "alice", `client_id` "test-client", `aud` as in the options, `iat`, `exp`, `jti`. There is no `scope`
   * unless given. Header: `alg`, `typ` "at+jwt", `kid`. Nothing is checked, so that bad tokens can be made too.
   *
   * @param claims Claims added or replacing those above; `undefined` removes one
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

  /**
   * Issues an access token FOR TESTS ONLY that means nothing to anybody but the introspection endpoint, which answers with
   * the same members that {@link mint} has as claims, `active` and `token_type` "Bearer".
   *
   * @param claims Members added or replacing those; `undefined` removes one
   * @param options How the token begins. @default ''
   * @throws TypeError when the issuer was started without `introspection`
   */
  opaque(claims: Readonly<Record<string, unknown>> = {}, options: { readonly prefix?: string } = {}): string {
    return this.#introspecting().issue({ ...this.#documents.claims(), ...claims }, options.prefix ?? '');
  }

  /**
   * Makes the introspection endpoint call a token inactive, opaque or JWT. Whoever verifies JWTs without asking does NOT
   * notice.
   *
   * @throws TypeError when the issuer was started without `introspection`
   */
  revoke(token: string): void {
    this.#introspecting().revoke(token);
  }

  /**
   * Makes a new key the signing key, with the algorithm of the old one. Tokens of the old key stay valid for whoever still has
   * that key cached.
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

  /** Publishes another key, given or made now. It does NOT become the signing key: pass it to {@link mint}. */
  async addKey(key: TestKey | TestKeyOptions = {}): Promise<TestKey> {
    const added = 'privateKey' in key ? key : await generateTestKey(key);
    this.publish(added.publicJwk);
    return added;
  }

  /** Adds entries to the published key set as they stand: JWKs of any kind, or garbage. */
  publish(...entries: readonly unknown[]): void {
    this.#documents.published = [...this.#documents.published, ...entries];
  }

  /** Takes a key, or an entry given to {@link publish}, out of the published key set. The signing key still signs. */
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

  /** How many of {@link requests} were for this endpoint, whichever way they were answered. */
  requestCount(endpoint: TestEndpoint): number {
    return this.requests.filter((request) => request.endpoint === endpoint).length;
  }

  /** Forgets the recorded requests. */
  clearRequests(): void {
    this.#requests.recorded.length = 0;
  }

  /** Stops the server and cuts every connection, hanging ones too. More than once is harmless. */
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
