import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { JSONWebKeySet, JWK } from 'jose';
import { mediaTypeOf } from '../core/media-type.js';
import { TestClient } from './test-client.js';
import { verifiedClaims, type MintOptions } from './test-token.js';

/** The one client that may introspect at a {@link TestIssuer}: the server under test. */
export interface TestIntrospectionOptions {
  /** @default 'resource-server' */
  readonly clientId?: string;
  /** The secret for `client_secret_basic` and `client_secret_post`. @default 'resource-server-secret' */
  readonly clientSecret?: string;
  /** The public key for `private_key_jwt`; its `alg` is the algorithm of the assertions. @default none */
  readonly clientKey?: JWK;
}

/** How signed answers (RFC 9701) differ from correct ones: claims of the JWT around the answer, and its header and key. */
export type SignedAnswerChanges = MintOptions & {
  /** Claims that are added to `iss`, `aud`, `iat` and `token_introspection`, or replace them; `undefined` removes one. */
  readonly claims?: Readonly<Record<string, unknown>>;
};

/**
 * Changes an answer of the introspection endpoint. Any value it returns is sent as JSON; a `Response` is sent unchanged.
 *
 * @param right the answer without the change
 */
export type AnswerIntrospection = (right: Readonly<Record<string, unknown>>, token: string) => unknown;

/** A request to the introspection endpoint, as received. */
export interface IntrospectionRequest {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the endpoint needs from its issuer. */
export interface IntrospectionHost {
  readonly issuer: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly keys: () => JSONWebKeySet;
}

/** The outcome of a request: an answer about a token, or a refusal of the request. */
export type IntrospectionOutcome =
  | { readonly kind: 'answer'; readonly token: string; readonly answer: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refusal'; readonly status: 400 | 401; readonly error: string };

/**
 * The state of an introspection endpoint FOR TESTS ONLY: opaque tokens with their members, and revoked tokens. Recognises the
 * JWTs of its issuer by their signatures.
 *
 * @see RFC 7662 §2
 */
export class TestIntrospection {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly #client: TestClient;
  readonly #opaque = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #revoked = new Set<string>();

  constructor(
    options: TestIntrospectionOptions,
    private readonly host: IntrospectionHost,
  ) {
    this.clientId = options.clientId ?? 'resource-server';
    this.clientSecret = options.clientSecret ?? 'resource-server-secret';
    this.#client = new TestClient({ ...options, clientId: this.clientId, clientSecret: this.clientSecret }, host);
  }

  /** Issues a token with these members. */
  issue(members: Record<string, unknown>, prefix: string): string {
    const token = `${prefix}${randomBytes(24).toString('base64url')}`;
    const defined = Object.entries(members).filter(([, value]) => value !== undefined);
    this.#opaque.set(token, Object.fromEntries(defined));
    return token;
  }

  revoke(token: string): void {
    this.#revoked.add(token);
  }

  async outcomeOf({ headers, body }: IntrospectionRequest): Promise<IntrospectionOutcome> {
    const form = new URLSearchParams(body);
    const type = mediaTypeOf(headers['content-type']);
    const [token, ...others] = form.getAll('token');
    if (type !== 'application/x-www-form-urlencoded' || token === undefined || others.length > 0) {
      return { kind: 'refusal', status: 400, error: 'invalid_request' };
    }
    if (!(await this.#client.isAuthenticated(headers.authorization, form))) {
      return { kind: 'refusal', status: 401, error: 'invalid_client' };
    }
    return { kind: 'answer', token, answer: await this.answerFor(token) };
  }

  /** @see RFC 7662 §2.2: an answer about an inactive token says nothing else. */
  async answerFor(token: string): Promise<Readonly<Record<string, unknown>>> {
    const members = this.#opaque.get(token) ?? (await verifiedClaims(token, this.host.keys()));
    const isExpired = typeof members?.['exp'] === 'number' && members['exp'] <= this.host.now() / 1000;
    if (!members || isExpired || this.#revoked.has(token)) return { active: false };
    return { active: true, token_type: 'Bearer', ...members };
  }
}
