import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JSONWebKeySet } from 'jose';
import { answer, answerJson, type TestFault } from './test-fault.js';
import {
  TestIntrospection,
  type AnswerIntrospection,
  type IntrospectionOutcome,
  type SignedAnswerChanges,
  type TestIntrospectionOptions,
} from './test-introspection.js';
import { generateTestKey, type TestKey, type TestKeyOptions } from './test-key.js';
import { signToken, type MintOptions } from './test-token.js';

/**
 * The places where clients look for the metadata of an issuer, in the order of the MCP specification:
 *
 * - `oauth`: `/.well-known/oauth-authorization-server/tenant` (RFC 8414 §3.1)
 * - `oidc-insert`: `/.well-known/openid-configuration/tenant` (RFC 8414 §5)
 * - `oidc-append`: `/tenant/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §4.1)
 *
 * The last two are the same place where the issuer has no path.
 */
export type WellKnownForm = 'oauth' | 'oidc-insert' | 'oidc-append';

/** What a request was for. `canary` is where the fault `redirect` leads; `other` is answered with 404. */
export type TestEndpoint = 'metadata' | 'jwks' | 'introspection' | 'canary' | 'other';

/** The endpoints that {@link TestIssuer.fail} breaks. */
type FaultyEndpoint = 'metadata' | 'jwks' | 'introspection';

/** One request to a {@link TestIssuer}. */
export interface RecordedRequest {
  /** Such as `GET`. */
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  /** As Node parsed them; those to the introspection endpoint hold the credentials of the client. */
  readonly headers: IncomingHttpHeaders;
  /** What it was for. */
  readonly endpoint: TestEndpoint;
  /** The body; of requests to the introspection endpoint only. */
  readonly body?: string;
}

/** What `TestIssuer.start` takes; all of it may be left out. */
export interface TestIssuerOptions {
  /**
   * The `aud` of minted tokens, normally the resource identifier of the server under test.
   * @default none: tokens have no `aud` unless `mint` is given one, and a correct server refuses them
   */
  readonly audience?: string | readonly string[];
  /**
   * What follows the origin in the issuer identifier: nothing, or a path with a leading slash. A trailing slash stays in the
   * identifier, as with products that have one.
   * @default ''
   */
  readonly path?: string;
  /**
   * The algorithm of the signing key. RS256 is what every verifier must support (RFC 9068 §2.1) and costs a tenth of a second or
   * two at the start; ES256 and EdDSA cost nothing.
   * @default 'RS256'
   */
  readonly alg?: NonNullable<TestKeyOptions['alg']>;
  /**
   * Which of the three places have the metadata; the others answer 404.
   * @default all
   */
  readonly wellKnown?: readonly WellKnownForm[];
  /**
   * Members added to the metadata or replacing its own; `undefined` removes one. See {@link TestIssuer.metadata} for values
   * that are known only after the start.
   * @default {}
   */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * Whether there is an introspection endpoint (RFC 7662), and who may use it: `true` for a client with default credentials.
   * @default none: there is no such endpoint, and no `introspection_endpoint` in the metadata
   */
  readonly introspection?: TestIntrospectionOptions | true;
  /**
   * The clock of `iat` and `exp`, in milliseconds since 1970.
   * @default Date.now
   */
  readonly now?: () => number;
}

const LIFETIME_SECONDS = 300;
const SIGNED_ANSWER = 'application/token-introspection+jwt';

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
  readonly #origin: string;
  readonly #options: TestIssuerOptions;
  readonly #requests: RecordedRequest[] = [];
  readonly #faults = new Map<FaultyEndpoint, { fault: TestFault; turns: number }>();
  readonly #introspection: TestIntrospection | undefined;
  #published: unknown[];
  #key: TestKey;

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
    const path = options.path ?? '';
    const bare = path.replace(/\/$/, '');
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.issuer = `${origin}${path}`;
    this.jwksUri = `${origin}${bare}/jwks`;
    this.introspectionUri = `${origin}${bare}/introspect`;
    this.wellKnownUris = {
      oauth: `${origin}/.well-known/oauth-authorization-server${bare}`,
      'oidc-insert': `${origin}/.well-known/openid-configuration${bare}`,
      'oidc-append': `${origin}${bare}/.well-known/openid-configuration`,
    };
    this.metadata = { ...options.metadata };
    this.#server = server;
    this.#origin = origin;
    this.#options = options;
    this.#published = [key.publicJwk];
    this.#key = key;
    if (options.introspection !== undefined) {
      const settings = options.introspection === true ? {} : options.introspection;
      const host = {
        issuer: this.issuer,
        now: options.now ?? Date.now,
        keys: () => this.#jwksDocument() as JSONWebKeySet,
      };
      this.#introspection = new TestIntrospection(settings, host);
    }
    server.on('request', (request, response) => this.#handle(request, response));
  }

  /** The key that signs unless `mint` is given another. */
  get key(): TestKey {
    return this.#key;
  }

  /** Every request since the start or the last {@link clearRequests}, oldest first. */
  get requests(): readonly RecordedRequest[] {
    return this.#requests;
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
    return signToken({ ...this.#defaultClaims(), ...claims }, options.key ?? this.#key, options);
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
    return this.#introspecting().issue({ ...this.#defaultClaims(), ...claims }, options.prefix ?? '');
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
    const old = this.#key;
    const key = await generateTestKey({ alg: this.#options.alg ?? 'RS256' });
    if (options.keepOld !== true) this.withdraw(old);
    this.publish(key.publicJwk);
    this.#key = key;
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
    this.#published.push(...entries);
  }

  /** Takes a key, or an entry given to {@link publish}, out of the published key set. The signing key still signs. */
  withdraw(keyOrEntry: unknown): void {
    const entry = isTestKey(keyOrEntry) ? keyOrEntry.publicJwk : keyOrEntry;
    this.#published = this.#published.filter((published) => published !== entry);
  }

  /** Breaks one endpoint, or all, until {@link recover}. A later fault replaces an earlier one at the same endpoint. */
  fail(fault: TestFault, on: FaultyEndpoint | 'all' = 'all'): void {
    for (const endpoint of ['metadata', 'jwks', 'introspection'] as const) {
      if (on === 'all' || on === endpoint) this.#faults.set(endpoint, { fault, turns: 0 });
    }
  }

  /** Ends the faults. Does NOT answer the requests that hang already. */
  recover(): void {
    this.#faults.clear();
  }

  /** How many of {@link requests} were for this endpoint, whichever way they were answered. */
  requestCount(endpoint: TestEndpoint): number {
    return this.#requests.filter((request) => request.endpoint === endpoint).length;
  }

  /** Forgets the recorded requests. */
  clearRequests(): void {
    this.#requests.length = 0;
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

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { method = 'GET', url = '/', headers } = request;
    const place = `${this.#origin}${url.split('?', 1)[0]}`;
    const endpoint = this.#endpointAt(place);
    if (endpoint === 'introspection') {
      // Whoever asked has hung up, or the test's own `answerIntrospection` threw.
      return void this.#introspect(request, response).catch((error: Error) => response.destroy(error));
    }
    this.#requests.push({ method, url, headers, endpoint });
    request.resume();

    if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
    if (endpoint === 'metadata' || endpoint === 'jwks') return this.#answerFor(endpoint, place, response);
    answerJson(response, endpoint === 'canary' ? this.#canaryDocument(place) : undefined);
  }

  #answerFor(endpoint: 'metadata' | 'jwks', place: string, response: ServerResponse): void {
    const state = this.#faults.get(endpoint);
    const turn = state === undefined ? 0 : ++state.turns;
    const document = endpoint === 'jwks' ? this.#jwksDocument() : this.#metadataDocumentAt(place);
    answer({ response, document, fault: state?.fault, turn, canaryUrl: `${this.#origin}/canary/${endpoint}` });
  }

  async #introspect(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const body = await textOf(request);
    this.#requests.push({ method, url, headers, endpoint: 'introspection', body });
    if (method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end();
    const outcome = await this.#introspecting().outcomeOf({ headers, body });
    const state = this.#faults.get('introspection');
    if (!state) return this.#answerOutcome(outcome, headers, response);
    const document = outcome.kind === 'answer' ? outcome.answer : { error: outcome.error };
    const canaryUrl = `${this.#origin}/canary/introspection`;
    answer({ response, document, fault: state.fault, turn: ++state.turns, canaryUrl });
  }

  async #answerOutcome(
    outcome: IntrospectionOutcome,
    { accept }: IncomingMessage['headers'],
    response: ServerResponse,
  ): Promise<void> {
    if (outcome.kind === 'refusal') {
      const challenge = outcome.status === 401 ? { 'www-authenticate': 'Basic realm="test"' } : {};
      response.writeHead(outcome.status, { 'content-type': 'application/json', ...challenge });
      return void response.end(JSON.stringify({ error: outcome.error }));
    }
    const answered = this.answerIntrospection
      ? this.answerIntrospection(outcome.answer, outcome.token)
      : outcome.answer;
    if (answered instanceof Response) {
      response.writeHead(answered.status, Object.fromEntries(answered.headers));
      return void response.end(Buffer.from(await answered.arrayBuffer()));
    }
    const isSigned = this.signedAnswer !== 'never' && accept === SIGNED_ANSWER;
    response.writeHead(200, { 'content-type': isSigned ? SIGNED_ANSWER : 'application/json' });
    response.end(isSigned ? this.#signedAnswer(answered) : JSON.stringify(answered));
  }

  /** @see RFC 9701 §5 */
  #signedAnswer(answered: unknown): string {
    const { claims, ...options } = this.signedAnswer === 'never' ? {} : this.signedAnswer;
    const iat = Math.floor((this.#options.now ?? Date.now)() / 1000);
    const defaults = { iss: this.issuer, aud: this.#introspecting().clientId, iat, token_introspection: answered };
    const header = { typ: 'token-introspection+jwt', ...options.header };
    return signToken({ ...defaults, ...claims }, options.key ?? this.#key, { ...options, header });
  }

  #introspecting(): TestIntrospection {
    if (this.#introspection) return this.#introspection;
    throw new TypeError('This issuer has no introspection endpoint: start it with { introspection: true }');
  }

  #defaultClaims(): Record<string, unknown> {
    const now = Math.floor((this.#options.now ?? Date.now)() / 1000);
    return {
      iss: this.issuer,
      sub: 'alice',
      client_id: 'test-client',
      aud: this.#options.audience,
      iat: now,
      exp: now + LIFETIME_SECONDS,
      jti: randomUUID(),
    };
  }

  #endpointAt(place: string): TestEndpoint {
    if (place === this.jwksUri) return 'jwks';
    if (this.#introspection && place === this.introspectionUri) return 'introspection';
    if (Object.values(this.wellKnownUris).includes(place)) return 'metadata';
    return place.startsWith(`${this.#origin}/canary/`) ? 'canary' : 'other';
  }

  #metadataDocumentAt(place: string): object | undefined {
    const served = this.#options.wellKnown ?? (['oauth', 'oidc-insert', 'oidc-append'] as const);
    return served.some((form) => this.wellKnownUris[form] === place) ? this.#metadataDocument() : undefined;
  }

  #canaryDocument(place: string): object | undefined {
    if (place.endsWith('/introspection')) return { active: true, token_type: 'Bearer', ...this.#defaultClaims() };
    if (place.endsWith('/jwks')) return this.#jwksDocument();
    return place.endsWith('/metadata') ? this.#metadataDocument() : undefined;
  }

  #jwksDocument(): object {
    return { keys: this.#published };
  }

  #metadataDocument(): object {
    const base = this.issuer.replace(/\/$/, '');
    return {
      issuer: this.issuer,
      authorization_endpoint: `${base}/authorize`,
      token_endpoint: `${base}/token`,
      jwks_uri: this.jwksUri,
      ...(this.#introspection && { introspection_endpoint: this.introspectionUri }),
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_methods_supported: ['none'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [this.#key.alg],
      ...this.metadata,
    };
  }
}

function isTestKey(value: unknown): value is TestKey {
  return typeof value === 'object' && value !== null && 'privateKey' in value && 'publicJwk' in value;
}

function assertPath(path: string): void {
  if (path === '' || /^\/[^?#\s]*$/.test(path)) return;
  throw new TypeError(
    `options.path must be '' or begin with a slash and have no query or fragment, such as '/tenant'; got ${JSON.stringify(path)}`,
  );
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
