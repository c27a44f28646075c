import type { IncomingHttpHeaders } from 'node:http';
import type { JWK } from 'jose';
import { mediaTypeOf } from '../core/media-type.js';
import { TestClient } from './test-client.js';
import { TestTokenProofs } from './test-token-proofs.js';

/** The one client that may use the token endpoint of a `TestIssuer`: the server under test. */
export interface TestTokenEndpointOptions {
  /** @default 'resource-server' */
  readonly clientId?: string;
  /** The secret for `client_secret_basic` and `client_secret_post`. @default 'resource-server-secret' */
  readonly clientSecret?: string;
  /** The public key for `private_key_jwt`; its `alg` is the algorithm of the assertions. @default none */
  readonly clientKey?: JWK;
  /**
   * Returns the nonce that proofs must have now (RFC 9449 §8); undefined for none. Every answer tells it.
   * @default none
   */
  readonly dpopNonce?: () => string | undefined;
}

/**
 * Changes an answer of the token endpoint. Any value it returns is sent as JSON with status 200; a `Response` is sent unchanged,
 * such as `Response.json({ error: 'invalid_grant' }, { status: 400 })`.
 *
 * @param right the answer without the change
 * @param form the parameters of the request
 */
export type AnswerToken = (right: Readonly<Record<string, unknown>>, form: URLSearchParams) => unknown;

/** What the endpoint needs from its issuer. */
export interface TokenEndpointHost {
  readonly issuer: string;
  /** The URL of the endpoint. */
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Signs a token with these claims besides the default ones. */
  readonly mint: (claims: Readonly<Record<string, unknown>>) => Promise<string>;
  /** What is known about a token of this issuer that is still valid; undefined for any other. */
  readonly claimsOf: (token: string) => Promise<Readonly<Record<string, unknown>> | undefined>;
}

/** What the endpoint answers. */
export interface TokenOutcome {
  readonly status: 200 | 400 | 401;
  readonly body: Readonly<Record<string, unknown>>;
  /** The nonce for the next proof. */
  readonly nonce?: string | undefined;
}

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** The grants of the endpoint, and how its client may authenticate: what metadata says of it. */
export const TOKEN_GRANTS = [EXCHANGE, JWT_BEARER, 'client_credentials'];
export const CLIENT_AUTHENTICATION = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];

/** How long the tokens are valid, in seconds. */
const LIFETIME_SECONDS = 300;

/**
 * The token endpoint of a `TestIssuer`, FOR TESTS ONLY. It exchanges tokens of its issuer (RFC 8693), also as Entra ID does ("on
 * behalf of"), and issues tokens to its client (client credentials). It gives every token that is asked for, and binds it to the key
 * of the proof if the request has one (RFC 9449 §5).
 */
export class TestTokenEndpoint {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly #client: TestClient;
  readonly #proofs: TestTokenProofs;
  readonly #nonce: () => string | undefined;

  constructor(
    {
      clientId = 'resource-server',
      clientSecret = 'resource-server-secret',
      clientKey,
      dpopNonce = () => undefined,
    }: TestTokenEndpointOptions,
    private readonly host: TokenEndpointHost,
  ) {
    this.clientId = clientId;
    this.clientSecret = clientSecret;
    this.#client = new TestClient({ clientId, clientSecret, clientKey }, host);
    this.#nonce = dpopNonce;
    this.#proofs = new TestTokenProofs({ url: host.url, now: host.now, nonce: dpopNonce });
  }

  async outcomeOf(headers: IncomingHttpHeaders, form: URLSearchParams): Promise<TokenOutcome> {
    return { ...(await this.#outcomeOf(headers, form)), nonce: this.#nonce() };
  }

  async #outcomeOf(headers: IncomingHttpHeaders, form: URLSearchParams): Promise<TokenOutcome> {
    if (mediaTypeOf(headers['content-type']) !== 'application/x-www-form-urlencoded') return refusal('invalid_request');
    if (!(await this.#client.isAuthenticated(headers.authorization, form))) return refusal('invalid_client', 401);
    const proof = await this.#proofs.outcomeOf(headers);
    if (proof.kind === 'refused') return refusal(proof.error);
    const cnf = proof.kind === 'bound' ? { jkt: proof.jkt } : undefined;
    switch (form.get('grant_type')) {
      case EXCHANGE:
        return this.#exchange(form, cnf);
      case JWT_BEARER:
        return this.#onBehalfOf(form, cnf);
      case 'client_credentials':
        return this.#issue({ sub: this.clientId, cnf }, form);
      default:
        return refusal('unsupported_grant_type');
    }
  }

  /** @see RFC 8693 §2.2.2: a token that cannot be used makes the request invalid */
  async #exchange(form: URLSearchParams, cnf: Confirmation): Promise<TokenOutcome> {
    const subject = await this.host.claimsOf(form.get('subject_token') ?? '');
    if (!subject || form.get('subject_token_type') !== ACCESS_TOKEN) return refusal('invalid_request');
    const actorToken = form.get('actor_token');
    const actor = actorToken === null ? { sub: this.clientId } : await this.host.claimsOf(actorToken);
    if (!actor) return refusal('invalid_request');
    const issued = await this.#issue({ sub: subject['sub'], act: { sub: actor['sub'] }, cnf }, form);
    return { ...issued, body: { ...issued.body, issued_token_type: ACCESS_TOKEN } };
  }

  async #onBehalfOf(form: URLSearchParams, cnf: Confirmation): Promise<TokenOutcome> {
    if (form.get('requested_token_use') !== 'on_behalf_of') return refusal('invalid_request');
    const subject = await this.host.claimsOf(form.get('assertion') ?? '');
    return subject ? this.#issue({ sub: subject['sub'], cnf }, form) : refusal('invalid_grant');
  }

  /** The audience is what the request names, or else what its scopes begin with, as in `api://calendar/.default`. */
  async #issue(claims: Readonly<Record<string, unknown>>, form: URLSearchParams): Promise<TokenOutcome> {
    const scope = form.get('scope') ?? undefined;
    const named = [...form.getAll('resource'), ...form.getAll('audience')];
    const ofScopes = (scope ?? '').split(' ').flatMap((name) => /^(.+)\/[^/]+$/.exec(name)?.[1] ?? []);
    const aud = named.length > 0 ? named : [...new Set(ofScopes)];
    const exp = Math.floor(this.host.now() / 1000) + LIFETIME_SECONDS;
    const token = await this.host.mint({ ...claims, client_id: this.clientId, aud, scope, exp });
    const type = claims['cnf'] === undefined ? 'Bearer' : 'DPoP';
    const body = { access_token: token, token_type: type, expires_in: LIFETIME_SECONDS, scope };
    return { status: 200, body };
  }
}

/** The key to which a token is bound; undefined for none. */
type Confirmation = { readonly jkt: string } | undefined;

function refusal(error: string, status: 400 | 401 = 400): TokenOutcome {
  return { status, body: { error } };
}
